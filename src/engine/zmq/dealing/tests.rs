//! Requests and backends come and go; who gets what, and what is lost.

use super::*;

const LIMITS: DealingLimits = DealingLimits {
    requests_max: 4,
    waiting_bytes_max: 10,
    under_way_max: 2,
};

fn id(id: &str) -> RequestId {
    id.into()
}

fn packet(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn ask(dealing: &mut Dealing, name: &str) -> Option<PeerId> {
    let deal = dealing.on_request(id(name), packet(name)).unwrap();
    deal.map(|deal| {
        assert_eq!(deal.packet, name);
        deal.peer
    })
}

#[test]
fn backends_get_requests_in_turn_and_the_least_busy_first() {
    let mut dealing = Dealing::new(LIMITS);
    for peer in [1, 2, 3] {
        assert!(dealing.on_peer(peer).is_empty());
    }
    assert_eq!(ask(&mut dealing, "a"), Some(1));
    assert_eq!(ask(&mut dealing, "b"), Some(2));
    assert_eq!(ask(&mut dealing, "c"), Some(3));
    assert_eq!(dealing.on_answer(2, "b"), (true, None));
    assert_eq!(ask(&mut dealing, "d"), Some(2));
    assert_eq!(
        ask(&mut dealing, "e"),
        Some(3),
        "one each: the turn goes on"
    );
}

#[test]
fn requests_wait_for_a_backend_and_are_bounded() {
    let mut dealing = Dealing::new(LIMITS);
    for name in ["a", "b", "c"] {
        assert_eq!(ask(&mut dealing, name), None);
    }
    assert_eq!(
        dealing.on_request(id("long"), packet("12345678")),
        Err(Full)
    );
    assert_eq!(ask(&mut dealing, "d"), None);
    assert_eq!(dealing.on_request(id("e"), packet("e")), Err(Full));
    let deals = dealing.on_peer(7);
    let dealt: Vec<_> = deals.iter().map(|deal| &deal.packet[..]).collect();
    assert_eq!(dealt, [b"a", b"b"], "no more than it may have");
    assert_eq!(dealing.on_answer(7, "a").1.unwrap().packet, "c");
}

#[test]
fn what_a_backend_had_is_lost_with_it_and_nothing_else() {
    let mut dealing = Dealing::new(LIMITS);
    dealing.on_peer(1);
    dealing.on_peer(2);
    ask(&mut dealing, "a");
    ask(&mut dealing, "b");
    assert_eq!(dealing.on_peer_gone(1), [id("a")]);
    assert_eq!(dealing.on_answer(2, "a"), (false, None));
    assert_eq!(dealing.on_answer(2, "b"), (true, None));
    assert_eq!((dealing.on_peer_gone(2), dealing.peers()), (vec![], 0));
    assert_eq!(dealing.on_peer_gone(2), []);
}

#[test]
fn answers_of_others_and_late_ones_reach_nobody() {
    let mut dealing = Dealing::new(LIMITS);
    dealing.on_peer(1);
    dealing.on_peer(2);
    assert_eq!(ask(&mut dealing, "a"), Some(1));
    assert_eq!(dealing.on_answer(2, "a"), (false, None));
    dealing.on_given_up("a");
    dealing.on_given_up("a");
    assert_eq!(dealing.on_answer(1, "a"), (false, None));
    assert_eq!(dealing.on_answer(1, "a"), (false, None));
    dealing.on_given_up("unknown");
}

#[test]
fn a_backend_that_never_answers_is_passed_over() {
    let mut dealing = Dealing::new(LIMITS);
    dealing.on_peer(1);
    for name in ["a", "b"] {
        assert_eq!(ask(&mut dealing, name), Some(1));
        dealing.on_given_up(name);
    }
    assert_eq!(ask(&mut dealing, "c"), None, "it has all it may have");
    assert_eq!(
        dealing.on_peer(2),
        [Deal {
            peer: 2,
            packet: packet("c")
        }]
    );
    dealing.on_given_up("c");
    assert_eq!(ask(&mut dealing, "d"), Some(2));
}

#[test]
fn any_history_keeps_the_books_right() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut dealing = Dealing::new(LIMITS);
        let mut awaited: Vec<(String, Option<PeerId>)> = Vec::new();
        let note = |awaited: &mut Vec<(String, Option<PeerId>)>, deals: Vec<Deal>| {
            for deal in deals {
                let of = awaited.iter_mut().find(|(name, _)| deal.packet == *name);
                of.expect("only what is awaited is dealt").1 = Some(deal.peer);
            }
        };
        for step in 0..300 {
            let peer = random.u64(..4);
            match random.u8(..5) {
                0 => {
                    let deals = if dealing.peers.contains_key(&peer) {
                        Vec::new()
                    } else {
                        dealing.on_peer(peer)
                    };
                    note(&mut awaited, deals);
                }
                1 => {
                    for lost in dealing.on_peer_gone(peer) {
                        let at = awaited
                            .iter()
                            .position(|(name, of)| **name == *lost && *of == Some(peer));
                        awaited.remove(at.expect("lost with its backend"));
                    }
                }
                2 => {
                    let name = step.to_string();
                    if let Ok(deal) = dealing.on_request(id(&name), packet(&name)) {
                        awaited.push((name, None));
                        note(&mut awaited, deal.into_iter().collect());
                    }
                }
                3 if !awaited.is_empty() => {
                    let at = random.usize(..awaited.len());
                    if let (name, Some(peer)) = awaited[at].clone() {
                        let (is_awaited, deal) = dealing.on_answer(peer, &name);
                        assert!(is_awaited);
                        awaited.remove(at);
                        note(&mut awaited, deal.into_iter().collect());
                    }
                }
                _ if !awaited.is_empty() => {
                    let (name, _) = awaited.remove(random.usize(..awaited.len()));
                    dealing.on_given_up(&name);
                }
                _ => {}
            }
            assert_eq!(dealing.awaited + dealing.waiting.len(), awaited.len());
        }
    }
}

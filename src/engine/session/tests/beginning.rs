//! How sessions begin: with what came meanwhile, with conflicts, as a chain of links.

use super::*;

const NOTHING: &[&str] = &[];

#[test]
fn a_conflict_asks_at_once_the_first_time_and_after_a_while_then() {
    let (stream, poll) = (true, false);
    for (is_stream, is_retry, waiting, conflicts, at_once, later) in [
        (poll, false, NOTHING, NOTHING, NOTHING, NOTHING),
        (poll, false, NOTHING, &["a"], &["turn"], NOTHING),
        (poll, true, NOTHING, &["a"], NOTHING, &["turn"]),
        (stream, false, NOTHING, &["a"], NOTHING, &["turn"]),
        // What waits leads on from the backend's item, or up to it.
        (poll, false, &["a:4<3"], &["a"], &["respond 4"], NOTHING),
        (stream, false, &["a:4<3"], &["a"], &["append 4"], NOTHING),
        (
            stream,
            false,
            &["a:2<1", "a:3<2"],
            &["a"],
            &["supersede 2"],
            NOTHING,
        ),
        // It does neither.
        (stream, false, &["a:6<5"], NOTHING, NOTHING, &["turn"]),
        (poll, true, &["a:6<5"], NOTHING, NOTHING, &["turn"]),
        (
            poll,
            false,
            &["b:1", "gone:1"],
            NOTHING,
            &["supersede 1", "respond 1"],
            NOTHING,
        ),
    ] {
        let channels = [("a", "3"), ("b", "")];
        let mut run = match is_stream {
            true => Run::stream(&channels),
            false => Run::poll(&channels),
        };
        let case = format!("{is_stream} {is_retry} {waiting:?} {conflicts:?}");
        assert_eq!(run.begin(is_retry, waiting, conflicts), at_once, "{case}");
        assert_eq!(run.wait(100), later, "{case}");
    }
}

#[test]
fn a_conflict_is_not_settled_by_another_channel() {
    let mut run = Run::poll(&[("a", "3"), ("b", "7")]);
    assert!(run.begin(true, &[], &["a"]).is_empty());
    assert!(run.item("b:9<8").is_empty(), "it waits");
    assert!(run.item("b:8<7").is_empty(), "b has no gap, but a has");
    assert_eq!(run.wait(100), ["turn"]);
    let mut run = Run::poll(&[("a", "3"), ("b", "7")]);
    run.begin(true, &[], &["a"]);
    assert_eq!(run.item("a:4<3"), ["respond 4"], "a goes on");
}

#[test]
fn where_nobody_can_be_asked_a_checked_stream_ends_and_a_long_poll_in_conflict_too() {
    let mut stream = Run::with(terms(&[("a", "3")], &[]), None);
    assert_eq!(
        stream.begin(false, &["a:4<3"], &[]),
        ["finish NoNextLink", "supersede 1"]
    );
    let mut poll = Run::poll_with(terms(&[("a", "3")], &[]), false);
    assert_eq!(poll.begin(false, &[], &["a"]), ["respond timeout"]);
    let mut poll = Run::poll_with(terms(&[("a", "3")], &[]), false);
    poll.begin(false, &[], &[]);
    assert_eq!(poll.item("a:5<4"), ["respond timeout", "supersede 1"]);
}

#[test]
fn a_retried_long_poll_doubts_what_does_not_follow_only_once() {
    let mut first = Run::poll(&[("a", "3"), ("b", "")]);
    first.begin(false, &[], &[]);
    assert!(first.items(&["a:6<5", "b:1"]).is_empty());
    assert_eq!(first.wait(100), ["turn"]);
    assert_eq!(first.turn(), ["ask  a=3"]);
    assert_eq!(first.session.into_waiting().len(), 2);
    let mut second = Run::poll(&[("a", "4"), ("b", "")]);
    assert!(second.begin(true, &["a:6<5", "b:1"], &[]).is_empty());
    assert_eq!(second.wait(100), ["turn"]);
    assert_eq!(second.turn(), ["supersede 1", "ask  a=4"]);
    assert_eq!(second.session.into_waiting(), [item("b:1")]);
}

#[test]
fn a_chain_asks_at_once_and_goes_on_until_there_is_a_hold_or_no_link() {
    let answer = |is_hold, body, next| LinkAnswer {
        is_hold,
        body: Bytes::from_static(body),
        prev_ids: PrevIds::default(),
        filtering: Filtering::default(),
        keep_alive: None,
        next,
        conflicts: Vec::new(),
    };
    let mut run = Run::with(Terms::default(), Some(link()));
    run.session.begin_chain();
    assert_eq!(run.lines(), ["turn"]);
    assert_eq!(run.turn(), ["ask /next"]);
    let gone_on = run.answer_with(answer(false, b"one", Some(link())));
    assert_eq!(gone_on, ["body one", "turn"]);
    assert_eq!(run.turn(), ["ask /next"]);
    assert_eq!(
        run.answer_with(answer(false, b"two", None)),
        ["body two", "finish Told"]
    );
    assert!(run.answer("late", &[]).is_empty());

    let mut held = Run::with(Terms::default(), Some(link()));
    held.session.begin_chain();
    held.turn();
    assert!(held.answer("", &[("a", "3")]).is_empty());
}

#[test]
fn a_conflict_that_the_backend_insists_on_is_the_channels_error() {
    let told = |id: &str| vec![(ChannelName::from("a"), ItemId::from(id))];
    for (told, lines, later) in [
        ("3", &["forget a"][..], NOTHING),
        ("2", NOTHING, &["turn"][..]),
    ]
    .map(|(id, lines, later)| (told(id), lines, later))
    {
        let mut poll = Run::poll(&[("a", "3")]);
        let beginning = Beginning {
            waiting: VecDeque::new(),
            conflicts: vec![ChannelName::from("a")],
            told: Some(told),
        };
        poll.session.begin(beginning, poll.moment());
        assert_eq!(poll.lines(), lines);
        assert_eq!(poll.wait(100), later);
    }
    let mut stream = Run::stream(&[("a", "3")]);
    stream.begin(false, NOTHING, &["a"]);
    assert_eq!(stream.wait(100), ["turn"]);
    stream.turn();
    assert_eq!(stream.answer("", &[("a", "3")]), ["forget a"]);
}

//! Backends that speak WebSocket themselves: P-8 opens one for each client, and relays.
//!
//! Source: `docs/compatibility.md`, W103 to W111.

use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use serde_json::{json, Value};

use crate::support::publish::{ws_close, ws_item};
use crate::support::snapshot::Snapshot;
use crate::support::ws::{
    accepting_head, echo_peer, Event, Frame, Opening, Peers, WsClient, WsPeer, BINARY,
    CONTINUATION, OFFER, PING, PONG, TEXT,
};
use crate::support::{Answer, Backend, Config, P8};

use super::{close_without_code, masked, passing_through, subscribe_message};

const BAD_GATEWAY: &str = "Error while proxying to origin.\n";

/// A client and its peer behind P-8, without GRIP.
fn connected() -> (Peers, P8, WsClient, WsPeer) {
    connected_by(Peers::accepting(&[]))
}

/// A client and its peer behind P-8, with GRIP, on channel `a`.
fn subscribed() -> (Peers, P8, WsClient, WsPeer) {
    let (peers, p8, client, mut peer) = connected_by(Peers::grip());
    peer.control(&subscribe_message("a"));
    Snapshot::wait_for_subscribers(p8.control, "a", 1);
    (peers, p8, client, peer)
}

fn connected_by(peers: Peers) -> (Peers, P8, WsClient, WsPeer) {
    let p8 = passing_through(&peers.backend);
    let client = p8.ws("/");
    let peer = peers.next();
    (peers, p8, client, peer)
}

#[test]
fn the_backend_is_asked_by_a_handshake_of_p8s_own_with_the_clients_headers() {
    let peers = Peers::accepting(&[]);
    let config = Config::to(peers.backend.addr).proxy("x_forwarded_for = \"append\"");
    let p8 = P8::start(&config);
    let headers = [
        ("Host", "chat.example"),
        ("Cookie", "a=b"),
        ("Origin", "http://o"),
        ("Sec-WebSocket-Protocol", "v1, v2"),
        ("Grip-Sig", "evil"),
        OFFER,
    ];
    let client = p8.ws_with("/chat?room=1", &headers).expect("accepted");
    let request = peers.next().request;
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/chat?room=1")
    );
    assert!(request.body.is_empty());
    for (name, value) in &headers[..4] {
        assert_eq!(request.header(name), Some(*value));
    }
    assert_eq!(request.header("upgrade"), Some("websocket"));
    let connection = request.header("connection").unwrap_or_default();
    assert!(connection.eq_ignore_ascii_case("upgrade"), "{connection}");
    assert_eq!(request.header("sec-websocket-version"), Some("13"));
    assert_eq!(request.header("sec-websocket-extensions"), Some("grip"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    for absent in ["connection-id", "content-type", "accept", "content-length"] {
        assert_eq!(request.header(absent), None, "{absent}");
    }
    drop(client);
}

#[test]
fn the_backends_key_is_p8s_and_the_signature_verifies() {
    let peers = Peers::accepting(&[]);
    let p8 = passing_through(&peers.backend);
    let mut client = p8.client();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let handshake = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    ];
    client.request("GET", "/", &handshake, b"");
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let request = peers.next().request;
    assert_ne!(request.header("sec-websocket-key"), Some(key));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iss"]);
    let token = request.header("grip-sig").expect("a signature");
    let key = DecodingKey::from_secret(b"changeme");
    assert!(decode::<Value>(token, &key, &validation).is_ok(), "{token}");
    assert!(request.header("grip-feature").is_some());
}

#[test]
fn a_route_without_grip_is_neither_signed_nor_offered_the_extension() {
    let peers = Peers::accepting(&[]);
    let lines = "host = \"*\"\nno_grip = true";
    let p8 = P8::start(&Config::new().route(lines, &[peers.backend.addr]));
    let _client = p8.ws("/");
    let request = peers.next().request;
    assert_eq!(request.header("sec-websocket-extensions"), None);
    assert_eq!(request.header("grip-sig"), None);
}

#[test]
fn reason_and_headers_of_the_101_are_the_backends() {
    let backend = Backend::scripted(|exchange| {
        let request = exchange.request();
        let key = request.header("sec-websocket-key").expect("a key");
        let headers = [
            ("X-A", "1"),
            ("Set-Cookie", "a=b"),
            ("Set-Cookie", "c=d"),
            ("Sec-WebSocket-Protocol", "v2"),
            ("Sec-WebSocket-Extensions", "grip"),
        ];
        exchange.raw(accepting_head("Come In", key, &headers));
        WsPeer::after_accepting(exchange).echo();
    });
    let p8 = passing_through(&backend);
    let offered = ("Sec-WebSocket-Protocol", "v1, v2");
    let client = p8.ws_with("/", &[offered]).expect("accepted");
    assert_eq!(client.head.reason, "Come In");
    assert_eq!(client.head.header("x-a"), Some("1"));
    assert_eq!(client.head.all("set-cookie"), ["a=b", "c=d"]);
    assert_eq!(client.head.header("sec-websocket-protocol"), Some("v2"));
    assert_eq!(client.head.header("sec-websocket-extensions"), None);
}

#[test]
fn a_refusal_of_any_size_is_relayed() {
    for size in [0, 13, 8_193, 100_001, 1_500_000] {
        let body: Vec<u8> = (0..size).map(|n| b'a' + (n % 23) as u8).collect();
        let refusal = Answer::new(401)
            .reason("Who Are You")
            .header("WWW-Authenticate", "Basic")
            .body(&body);
        let backend = Backend::answering(move |_| refusal.clone());
        let p8 = passing_through(&backend);
        let reply = p8.ws_refused("/");
        assert_eq!(
            (reply.status(), reply.head.reason.as_str()),
            (401, "Who Are You")
        );
        assert_eq!(reply.head.header("www-authenticate"), Some("Basic"));
        assert!(reply.body == body, "{} of {size} bytes", reply.body.len());
    }
}

#[test]
fn an_ordinary_answer_is_a_refusal_too() {
    for status in [200, 204, 302, 426, 503] {
        let backend = Backend::answering(move |_| Answer::new(status).header("X-A", "1"));
        let p8 = passing_through(&backend);
        let reply = p8.ws_refused("/");
        assert_eq!(
            (reply.status(), reply.head.header("x-a")),
            (status, Some("1"))
        );
    }
}

#[test]
fn a_101_that_does_not_prove_that_the_key_was_read_is_a_bad_gateway() {
    let heads = [
        "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ];
    for head in heads {
        let backend = Backend::scripted(move |exchange| {
            exchange.raw(head);
            exchange.peer_left();
        });
        let p8 = passing_through(&backend);
        let reply = p8.ws_refused("/");
        assert_eq!((reply.status(), reply.text().as_str()), (502, BAD_GATEWAY));
    }
}

#[test]
fn a_backend_that_leaves_without_an_answer_is_a_bad_gateway() {
    let backend = Backend::scripted(|exchange| exchange.close());
    let p8 = passing_through(&backend);
    assert_eq!(p8.ws_refused("/").status(), 502);
    assert_eq!(backend.seen().len(), 1, "and asked once");
}

#[test]
fn every_kind_of_message_is_relayed_both_ways() {
    let (_peers, _p8, mut client, mut peer) = connected();
    let events = [
        Event::Text("x ☃".into()),
        Event::Text(String::new()),
        Event::Binary((0..=255).collect()),
        Event::Binary(Vec::new()),
        Event::Ping(b"p".into()),
        Event::Ping(Vec::new()),
        Event::Pong(b"q".into()),
        Event::Pong(Vec::new()),
    ];
    for event in events {
        let frame = match event.clone() {
            Event::Text(text) => Frame::new(TEXT, text),
            Event::Binary(bytes) => Frame::new(BINARY, bytes),
            Event::Ping(payload) => Frame::new(PING, payload),
            Event::Pong(payload) => Frame::new(PONG, payload),
            Event::Close(_) | Event::Eof => unreachable!("not in the list"),
        };
        client.send(&frame);
        peer.expect(&event);
        peer.send(&frame);
        assert_eq!(client.recv(), event);
    }
}

#[test]
fn fragments_are_one_message_in_both_directions_with_pings_between() {
    let (_peers, _p8, mut client, mut peer) = connected();
    let frames = [
        Frame::new(TEXT, "one ").unfinished(),
        Frame::new(CONTINUATION, "").unfinished(),
        Frame::new(PING, "between"),
        Frame::new(CONTINUATION, "message"),
    ];
    client.send_raw(masked(&frames));
    peer.expect(&Event::Ping(b"between".into()));
    peer.expect(&Event::Text("one message".into()));
    for frame in &frames {
        peer.send(frame);
    }
    client.expect_ping("between");
    client.expect_text("one message");
}

#[test]
fn a_message_of_the_backend_that_comes_with_its_101_is_not_lost() {
    let backend = Backend::scripted(|exchange| {
        let request = exchange.request();
        let key = request.header("sec-websocket-key").expect("a key");
        let mut bytes = accepting_head("Switching Protocols", key, &[]).into_bytes();
        for n in 0..300 {
            bytes.extend(Frame::new(TEXT, n.to_string()).encode(false));
        }
        exchange.raw(bytes);
        WsPeer::after_accepting(exchange).echo();
    });
    let p8 = passing_through(&backend);
    let mut client = p8.ws("/");
    for n in 0..300 {
        client.expect_text(&n.to_string());
    }
}

#[test]
fn messages_that_a_client_sends_with_its_handshake_are_not_lost() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    let mut opening = Opening::begin(p8.client(), "/", &[]);
    opening.client.send(masked(&[
        Frame::new(TEXT, "early"),
        Frame::new(TEXT, "bird"),
    ]));
    let mut client = opening.finish().expect("accepted");
    client.expect_text("early");
    client.expect_text("bird");
}

#[test]
fn many_messages_keep_their_order() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    let mut client = p8.ws("/");
    for n in 0..1_000 {
        client.send_text(&n.to_string());
    }
    for n in 0..1_000 {
        client.expect_text(&n.to_string());
    }
}

#[test]
fn the_clients_close_reaches_the_backend_whose_answer_comes_back() {
    let (_peers, _p8, mut client, mut peer) = connected();
    client.close(4001, "bye ☃");
    peer.expect(&Event::Close(Some((4001, "bye ☃".into()))));
    peer.send(&Frame::close(4001, "bye back"));
    assert_eq!(client.expect_closed(4001), "bye back");
    peer.expect(&Event::Eof);
}

#[test]
fn the_backends_close_reaches_the_client_whose_answer_comes_back() {
    let (_peers, _p8, mut client, mut peer) = connected();
    peer.send(&Frame::close(4002, "enough"));
    assert_eq!(client.expect_close(4002), "enough");
    client.close(4002, "");
    client.expect_end();
    assert!(matches!(peer.recv(), Event::Close(Some((4002, _)))));
    peer.expect(&Event::Eof);
}

#[test]
fn a_close_without_a_code_has_none_on_the_other_side_or_1000() {
    let (_peers, _p8, mut client, mut peer) = connected();
    peer.send(&close_without_code());
    assert!(matches!(
        client.recv(),
        Event::Close(None | Some((1000, _)))
    ));
    let (_peers, _p8, mut client, mut peer) = connected();
    client.send(&close_without_code());
    assert!(matches!(peer.recv(), Event::Close(None | Some((1000, _)))));
}

#[test]
fn the_loss_of_the_backend_closes_the_client_with_1011() {
    for reset in [true, false] {
        let (_peers, _p8, mut client, peer) = connected();
        if reset {
            peer.reset();
        } else {
            drop(peer);
        }
        client.expect_closed(1011);
    }
}

#[test]
fn the_loss_of_the_backend_inside_a_message_closes_the_client_with_1011() {
    let (_peers, _p8, mut client, mut peer) = connected();
    peer.send(&Frame::new(TEXT, "half").unfinished());
    let bytes = Frame::new(CONTINUATION, "never whole").encode(false);
    peer.send_raw(&bytes[..6]);
    drop(peer);
    client.expect_closed(1011);
}

#[test]
fn the_loss_of_the_client_ends_the_backends_connection() {
    for reset in [true, false] {
        let (_peers, _p8, client, mut peer) = connected();
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        peer.expect_gone();
    }
}

#[test]
fn without_grip_nothing_is_read_of_the_messages() {
    let (_peers, p8, mut client, mut peer) = connected();
    let control = subscribe_message("a");
    peer.control(&control);
    client.expect_text(&format!("c:{control}"));
    peer.send_text("m:x");
    client.expect_text("m:x");
    assert_eq!(p8.snapshot().subscribers("a"), 0);
}

#[test]
fn with_grip_control_messages_are_read_and_prefixes_cut() {
    let (_peers, p8, mut client, mut peer) = subscribed();
    p8.publish(&[ws_item("a", "pushed")]);
    client.expect_text("pushed");
    peer.send_text("unmarked");
    peer.send_binary(b"unmarked");
    peer.send_text("m:text");
    peer.send_binary(b"m:\x00");
    client.expect_text("text");
    client.expect_binary(&[0]);
    peer.control(&json!({"type": "unsubscribe", "channel": "a"}));
    Snapshot::wait_for_subscribers(p8.control, "a", 0);
    p8.publish(&[ws_item("a", "never")]);
    peer.send_text("m:last");
    client.expect_text("last");
}

#[test]
fn what_a_client_sends_has_no_prefix() {
    let (_peers, _p8, mut client, mut peer) = subscribed();
    for text in ["x", "m:x", "c:{}"] {
        client.send_text(text);
        peer.expect(&Event::Text(text.into()));
    }
}

#[test]
fn the_prefix_is_a_parameter_here_too() {
    let peers = Peers::accepting(&[(
        "Sec-WebSocket-Extensions",
        "x-other, grip; message-prefix=\"\"",
    )]);
    let (_peers, _p8, mut client, mut peer) = connected_by(peers);
    peer.send_text("as it is");
    client.expect_text("as it is");
}

#[test]
fn messages_in_fragments_are_judged_as_a_whole() {
    let (_peers, p8, mut client, mut peer) = subscribed();
    let send = |peer: &mut WsPeer, opcode: u8, text: &str| {
        let (head, tail) = text.as_bytes().split_at(1);
        peer.send(&Frame::new(opcode, head).unfinished());
        peer.send(&Frame::new(CONTINUATION, tail));
    };
    send(&mut peer, TEXT, "dropped to its end");
    send(&mut peer, BINARY, "m:delivered");
    client.expect_binary(b"delivered");
    send(&mut peer, TEXT, "m:this too");
    client.expect_text("this too");
    send(&mut peer, TEXT, &format!("c:{}", subscribe_message("b")));
    Snapshot::wait_for_subscribers(p8.control, "b", 1);
}

#[test]
fn a_large_control_message_is_read() {
    let (_peers, p8, _client, mut peer) = subscribed();
    let mut message = subscribe_message("b");
    message["padding"] = json!("x".repeat(100_000));
    peer.control(&message);
    Snapshot::wait_for_subscribers(p8.control, "b", 1);
}

#[test]
fn a_detached_backend_is_closed_and_the_client_stays() {
    let (peers, p8, mut client, mut peer) = subscribed();
    peer.control(&json!({"type": "detach"}));
    peer.expect_gone();
    drop(peer);
    client.send_text("into the void");
    client.ping("and you?");
    client.expect_pong("and you?");
    p8.publish(&[ws_item("a", "still here")]);
    client.expect_text("still here");
    client.close(4001, "");
    client.expect_closed(1000);
    assert_eq!(peers.backend.accepted(), 1);
}

#[test]
fn a_published_close_ends_both_sides() {
    let (_peers, p8, mut client, mut peer) = subscribed();
    p8.publish(&[ws_close("a", json!({"code": 4010, "reason": "r"}))]);
    assert_eq!(client.expect_closed(4010), "r");
    peer.expect_gone();
}

#[test]
fn a_targets_channels_are_subscribed_with_and_without_grip() {
    for peers in [Peers::accepting(&[]), Peers::grip()] {
        let target = format!(
            "{{ url = \"http://{}\", subs = [\"a\"] }}",
            peers.backend.addr
        );
        let p8 = P8::start(&Config::new().route_to("host = \"*\"", target));
        let mut client = super::subscribed(&p8);
        p8.publish(&[ws_item("a", "heard")]);
        client.expect_text("heard");
    }
}

#[test]
fn a_keep_alive_is_sent_here_too() {
    let (_peers, _p8, mut client, mut peer) = subscribed();
    peer.control(&json!({"type": "keep-alive", "content": "beat", "timeout": 1}));
    client.expect_text("beat");
    client.expect_text("beat");
}

#[test]
fn with_auto_pong_p8_answers_pings_before_a_backend_that_does_not() {
    let peers = Peers::accepting(&[]);
    let lines = "host = \"*\"\nauto_pong = true";
    let p8 = P8::start(&Config::new().route(lines, &[peers.backend.addr]));
    let mut client = p8.ws("/");
    client.ping("p");
    client.expect_pong("p");
    client.expect_nothing_unread();
}

#[test]
fn pings_are_the_backends_to_answer() {
    let (_peers, _p8, mut client, mut peer) = connected();
    client.ping("p");
    peer.expect(&Event::Ping(b"p".into()));
    peer.send_text("no pong");
    client.expect_text("no pong");
}

#[test]
fn the_second_target_is_asked_when_the_first_refuses_the_connection() {
    let backend = echo_peer();
    let targets = [Backend::nowhere(), backend.addr];
    let p8 = P8::start(&Config::new().route("host = \"*\"", &targets));
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("x");
}

#[test]
fn without_any_target_it_is_a_bad_gateway_and_a_debug_route_names_them() {
    let one = Backend::nowhere();
    let p8 = P8::start(&Config::new().route("host = \"*\"", &[one]));
    let reply = p8.ws_refused("/");
    assert_eq!((reply.status(), reply.text().as_str()), (502, BAD_GATEWAY));
    let p8 = P8::start(&Config::new().route("host = \"*\"\ndebug = true", &[one]));
    let text = format!("Unable to connect to any targets. Tried: {one}\n");
    assert_eq!(p8.ws_refused("/").text(), text);
}

#[test]
fn a_host_without_a_route_is_a_bad_gateway() {
    let backend = echo_peer();
    let p8 = P8::start(&Config::new().route("host = \"only.example\"", &[backend.addr]));
    assert_eq!(p8.ws_refused("/").status(), 502);
}

#[test]
fn a_route_for_websockets_wins_over_one_for_both() {
    let backend = echo_peer();
    let plain = Backend::answering(|_| Answer::ok("plain"));
    let config = Config::to(plain.addr);
    let p8 = P8::start(&config.route("host = \"*\"\nproto = \"ws\"", &[backend.addr]));
    assert_eq!(p8.get("/").text(), "plain");
    let mut client = p8.ws("/");
    client.send_text("x");
    client.expect_text("x");
}

#[test]
fn two_hundred_idle_websockets_are_as_good_as_one() {
    let backend = echo_peer();
    let p8 = passing_through(&backend);
    let mut clients: Vec<WsClient> = (0..200).map(|_| p8.ws("/")).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send_text(&n.to_string());
    }
    for (n, client) in clients.iter_mut().enumerate() {
        client.expect_text(&n.to_string());
    }
}

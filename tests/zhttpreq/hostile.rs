//! Backends that send what they should not, or leave: P-8 and the others go on.

use bytes::Bytes;
use p8::engine::zmq::tnetstring::Value;
use p8::engine::zmq::zmtp;

use super::peers::{packet_of, text, Rep};
use super::{answer, debugged, request, wait_for_backends};
use crate::support::programs::TempDir;
use crate::support::wait::DEADLINE;
use crate::support::zmtp::{ipc, path, Raw};
use crate::support::{wait_until, Answer, Backend, P8};

/// A message as backends send it.
fn enveloped(packet: &[u8]) -> Bytes {
    zmtp::message(&[&[], packet])
}

#[test]
fn a_frame_of_any_announced_length_is_refused_before_memory_is_taken() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = P8::start(&debugged(format!("{{ zhttpreq = \"{spec}\" }}")));
    for length in [1_200_001, 1 << 40, 1 << 46, u64::MAX] {
        let mut raw = Raw::connect(&path(&spec), "REP");
        raw.send(&[2]);
        raw.send(&length.to_be_bytes());
        raw.expect_end();
    }
    let mut raw = Raw::connect(&path(&spec), "REP");
    raw.send(&[1, 0].repeat(9));
    raw.expect_end();
    wait_for_backends(&p8, 0);
    let _backend = Rep::connect(&spec, |_| answer(200, "still here"));
    assert_eq!(p8.get("/").text(), "still here");
}

#[test]
fn packets_that_answer_nothing_are_dropped_and_counted() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = P8::start(&debugged(format!("{{ zhttpreq = \"{spec}\" }}")));
    let mut raw = Raw::connect(&path(&spec), "REP");
    wait_for_backends(&p8, 1);
    let nobody = Value::Map(vec![("id".into(), Value::bytes("nobody"))]);
    let packets = [
        enveloped(b""),
        enveloped(b"Tgarbage"),
        enveloped(b"J{}"),
        enveloped(&packet_of(&nobody, answer(200, ""))),
        vec![0, 1, b'x'].into(),
        vec![1, 1, b'x', 0, 1, b'y'].into(),
    ];
    for packet in &packets {
        raw.send(packet);
    }
    wait_until(DEADLINE, "the drops", || {
        p8.snapshot().total("zmq_packets_dropped_total") == packets.len() as u64
    });
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    let request = request(&mut raw);
    raw.send(&enveloped(&packet_of(&request, answer(200, "after all"))));
    assert_eq!(client.reply().text(), "after all");
}

#[test]
fn a_bad_answer_is_502_for_its_request_only() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = P8::start(&debugged(format!("{{ zhttpreq = \"{spec}\" }}")));
    let _backend = Rep::connect(&spec, |request| {
        if text(request, "uri").ends_with("/good") {
            return answer(200, "good");
        }
        vec![("code", Value::Int(101))]
    });
    for _ in 0..2 {
        let reply = p8.get("/bad");
        assert_eq!(
            (reply.status(), reply.head.header("p8-reason")),
            (502, Some("bad-answer"))
        );
        assert_eq!(p8.get("/good").text(), "good");
    }
}

#[test]
fn a_backend_that_leaves_with_a_request_is_502_at_once() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let p8 = P8::start(&debugged(format!("{{ zhttpreq = \"{spec}\" }}")));
    let mut raw = Raw::connect(&path(&spec), "REP");
    wait_for_backends(&p8, 1);
    let mut client = p8.client();
    client.request("GET", "/", &[], b"");
    request(&mut raw);
    drop(raw);
    let reply = client.reply();
    let found = (reply.status(), reply.head.header("p8-reason"));
    assert_eq!(found, (502, Some("closed-before-answer")));
}

#[test]
fn requests_that_wait_are_bounded_and_the_next_target_takes_the_others() {
    let folder = TempDir::new("zhttpreq");
    let spec = ipc(folder.path());
    let other = Backend::answering(|_| Answer::ok("other"));
    let targets = format!(
        "{{ zhttpreq = \"{spec}\" }}, {{ url = \"http://{}\" }}",
        other.addr
    );
    let p8 = P8::start(&debugged(targets).proxy("zmq_requests_max = 1"));
    let mut first = p8.client();
    first.request("GET", "/first", &[], b"");
    wait_until(DEADLINE, "the request", || {
        p8.snapshot().total("zmq_requests_total") == 1
    });
    assert_eq!(p8.get("/second").text(), "other");
    let _backend = Rep::connect(&spec, |_| answer(200, "first"));
    assert_eq!(first.reply().text(), "first");

    let spec = ipc(folder.path());
    let alone = debugged(format!("{{ zhttpreq = \"{spec}\" }}"));
    let p8 = P8::start(&alone.proxy("zmq_requests_max = 1"));
    let mut first = p8.client();
    first.request("GET", "/first", &[], b"");
    wait_until(DEADLINE, "the request", || {
        p8.snapshot().total("zmq_requests_total") == 1
    });
    let reply = p8.get("/second");
    let found = (reply.status(), reply.head.header("p8-reason"));
    assert_eq!(found, (503, Some("zmq-busy")));
}

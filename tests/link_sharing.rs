//! Streams that ask the same link at the same time: who shares one request, and who never does.
//!
//! Source: `docs/grip.md`, shared links.

use serde_json::json;

use crate::support::links::{by_path, checked, seen_at, wait_for_requests};
use crate::support::publish::{numbered, stream_with};
use crate::support::wait::{gate, Gate, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// A client's headers.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// Streams whose link does not answer until told.
struct Streams {
    backend: Backend,
    p8: P8,
    clients: Vec<Client>,
    answer: Gate,
}

impl Streams {
    /// Opens them at these targets, each with these headers; the query of a target is its link's too.
    fn open(
        requests: &[(&str, Headers<'_>)],
        last: impl Fn() -> Answer + Send + Sync + 'static,
    ) -> Streams {
        let (answer, wait) = gate();
        let backend = Backend::answering(move |request| {
            if request.target.starts_with("/n") {
                wait();
                return last();
            }
            checked("stream", "1", "open ").next(&format!("/n?{}", request.query()))
        });
        let p8 = P8::start(&Config::to(backend.addr).http("workers = 1"));
        let open = |(target, headers): &(&str, Headers<'_>)| {
            let mut client = p8.client();
            client.request("GET", target, headers, b"");
            assert_eq!(client.final_head().status, 200);
            client.expect("open ");
            client
        };
        let clients = requests.iter().map(open).collect();
        Streams {
            backend,
            p8,
            clients,
            answer,
        }
    }

    /// Makes all of them ask, and waits until they have, or are about to share an answer.
    #[track_caller]
    fn ask(&self, requests: usize) {
        self.p8
            .publish(&[stream_with("a", json!({"action": "hint"}))]);
        wait_for_requests(&self.backend, "/n", requests);
        wait_until(DEADLINE, "all to know of the hint", || {
            self.p8.snapshot().waiting("session") == 0
        });
    }

    /// Lets the link answer; every stream must end with that.
    #[track_caller]
    fn expect_end(&mut self, body: &str) {
        self.answer.open();
        for client in &mut self.clients {
            let rest = client.read_to_end().expect("an end");
            assert!(rest == body.as_bytes(), "{} bytes came", rest.len());
        }
    }

    fn requests(&self) -> usize {
        seen_at(&self.backend, "/n").len()
    }
}

#[test]
fn streams_with_the_same_link_and_ids_make_one_request() {
    let mut streams = Streams::open(&[("/?q", &[][..]); 50], || Answer::ok("shared"));
    streams.ask(1);
    streams.expect_end("shared");
    assert_eq!(streams.requests(), 1);
    let snapshot = streams.p8.snapshot();
    assert_eq!(snapshot.total("link_requests_total"), 1);
    assert_eq!(snapshot.total("link_answers_shared_total"), 49);
}

#[test]
fn clients_with_other_credentials_or_another_query_share_nothing() {
    let requests: [(&str, Headers<'_>); 6] = [
        ("/?q", &[]),
        ("/?q", &[("Cookie", "user=alice")]),
        ("/?q", &[("Cookie", "user=bob")]),
        ("/?q", &[("Authorization", "user=bob")]),
        ("/?r", &[]),
        ("/?q", &[("Cookie", "user=bob"), ("X-Other", "1")]),
    ];
    let mut streams = Streams::open(&requests, || Answer::ok("own"));
    streams.ask(5);
    streams.expect_end("own");
    assert_eq!(streams.requests(), 5, "only bob's two streams share");
}

#[test]
fn streams_that_have_other_items_share_nothing() {
    let (answer, wait) = gate();
    let backend = Backend::answering(move |request| match request.target.as_str() {
        "/n" => {
            wait();
            Answer::ok("end")
        }
        target => checked("stream", &target[1..], "open ").next("/n"),
    });
    let p8 = P8::start(&Config::to(backend.addr).http("workers = 1"));
    let mut clients = ["/1", "/2"].map(|target| p8.stream(target));
    let mut item = numbered("9", "8");
    item["no-seq"] = json!(true);
    p8.publish(&[item]);
    let seen = wait_for_requests(&backend, "/n", 2);
    let mut last: Vec<_> = seen
        .iter()
        .filter_map(|request| request.header("grip-last"))
        .collect();
    last.sort_unstable();
    assert_eq!(last, ["a; last-id=1", "a; last-id=2"]);
    answer.open();
    for client in &mut clients {
        assert_eq!(client.read_to_end(), Ok(b"open end".to_vec()));
    }
}

#[test]
fn an_answer_may_say_that_neither_query_nor_credentials_matter() {
    let (answer, wait) = gate();
    let (second, wait_again) = gate();
    let backend = by_path(move |path, before| {
        if path != "/n" {
            return checked("stream", "1", "open ").next("/n?q");
        }
        match before {
            0 => wait(),
            _ => wait_again(),
        }
        let link = if before == 0 { "/n?again" } else { "/n?more" };
        let answer = checked("stream", "1", "answer ").next(link);
        answer.header("Grip-Share", "yes")
    });
    let p8 = P8::start(&Config::to(backend.addr).http("workers = 1"));
    let open = |cookie: &str| {
        let mut client = p8.client();
        client.request("GET", "/", &[("Cookie", cookie)], b"");
        assert_eq!(client.final_head().status, 200);
        client.expect("open ");
        client
    };
    let hint = || p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    let mut alice = open("user=alice");
    hint();
    wait_for_requests(&backend, "/n", 1);
    answer.open();
    alice.expect("answer ");
    let mut bob = open("user=bob");
    hint();
    wait_for_requests(&backend, "/n", 2);
    second.open();
    alice.expect("answer ");
    bob.expect("answer ");
    assert_eq!(seen_at(&backend, "/n").len(), 2);
    assert_eq!(p8.snapshot().total("link_answers_shared_total"), 1);
    wait_until(DEADLINE, "an end of asking", || {
        p8.snapshot().waiting("session") == 0
    });
}

#[test]
fn a_body_too_large_to_keep_is_asked_for_by_each_session_and_comes_whole() {
    let large = "0123456789".repeat(20_000);
    let body = large.clone();
    let mut streams = Streams::open(&[("/?q", &[][..]); 5], move || Answer::ok(&body));
    streams.ask(1);
    streams.expect_end(&large);
    assert_eq!(streams.requests(), 5);
}

#[test]
fn the_session_that_asked_may_leave_and_the_others_have_their_answer() {
    let mut streams = Streams::open(&[("/?q", &[][..]); 10], || Answer::ok("shared"));
    streams.ask(1);
    streams.clients.truncate(9);
    streams.clients.remove(0);
    wait_until(DEADLINE, "two to leave", || {
        streams.p8.snapshot().subscribers("a") == 8
    });
    streams.expect_end("shared");
    assert_eq!(streams.requests(), 1);
}

#[test]
fn a_session_that_is_led_to_public_addresses_only_takes_no_part_in_what_another_may_ask() {
    let (answer, wait) = gate();
    let private = Backend::answering(move |_| {
        wait();
        Answer::ok("secret")
    });
    let link = format!("http://{}/n", private.addr);
    let backend = Backend::answering(move |_| checked("stream", "1", "open ").next(&link));
    let config = Config::new()
        .route("path_beg = \"/mine\"", &[backend.addr])
        .http("workers = 1");
    let p8 = P8::start(&config);
    let named = private.addr.to_string();
    let [mut first, mut second] = ["h", &named].map(|host| {
        let mut client = p8.client();
        client.request("GET", "/mine", &[("Host", host)], b"");
        assert_eq!(client.final_head().status, 200);
        client.expect("open ");
        client
    });
    p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    wait_until(DEADLINE, "the second one to be refused", || {
        p8.snapshot().total("link_failures_total") == 1
    });
    answer.open();
    assert_eq!(first.read_to_end(), Ok(b"secret".to_vec()));
    second.expect_nothing_unread();
}

#[test]
fn an_answer_that_does_not_say_so_is_nobody_elses_whatever_another_answer_of_its_path_said() {
    let (answer, wait) = gate();
    let backend = Backend::answering(move |request| {
        let query = request.query().to_owned();
        match request.target.split('?').next() {
            Some("/n") if query == "everybody" => {
                Answer::ok("for everybody").header("Grip-Share", "yes")
            }
            Some("/n") => {
                wait();
                Answer::ok(format!("for {query}"))
            }
            _ => checked("stream", "1", "open ").next(&format!("/n?{query}")),
        }
    });
    let p8 = P8::start(&Config::to(backend.addr).http("workers = 1"));
    let hint = || p8.publish(&[stream_with("a", json!({"action": "hint"}))]);
    let mut everybody = p8.stream("/?everybody");
    hint();
    everybody.expect("open for everybody");
    let mut clients = ["alice", "bob"].map(|user| (user, p8.stream(&format!("/?{user}"))));
    hint();
    wait_for_requests(&backend, "/n", 2);
    wait_until(DEADLINE, "both to ask", || {
        p8.snapshot().waiting("session") == 0
    });
    answer.open();
    for (user, client) in &mut clients {
        let expected = format!("open for {user}").into_bytes();
        assert_eq!(client.read_to_end(), Ok(expected), "{user}");
    }
}

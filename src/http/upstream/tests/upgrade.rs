//! Backends that are asked to switch protocols, and those that switch without having been asked.

use std::{rc::Rc, sync::Arc};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    actors::{
        occupancy::Occupancies,
        ports::{Switched, Upgrade},
        supervisor::CrashRecord,
        targets::Targets,
        upstream::{Assignment, Other, Times, Upstream},
    },
    engine::{balance::EjectionLimits, overload::Admission},
    stats::counters::Total,
};

fn asking(target: &TargetKind) -> BackendRequest {
    let mut request = get(target);
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "echo")] {
        request
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    request
}

fn assignment(request: BackendRequest, others: &[&TargetKind]) -> Assignment {
    let host = HeaderValue::from_static("next.example");
    Assignment {
        request,
        at: 0,
        others: others
            .iter()
            .enumerate()
            .map(|(at, target)| Other {
                at: at + 1,
                target: (*target).clone(),
                host: host.clone(),
            })
            .collect(),
        times: Times::of_response(LIMIT),
        ejection: Some(EjectionLimits {
            after: 1,
            ..EjectionLimits::default()
        }),
        admission: Admission::Always,
        informational: None,
    }
}

const SWITCH: &str = "HTTP/1.1 101 Over To You\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

#[test]
fn a_backend_that_switches_hands_its_socket_over_with_what_it_sent_behind_the_head() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            let head = peer.head();
            assert!(
                head.starts_with("GET / HTTP/1.1\r\nHost: example.com\r\n"),
                "{head}"
            );
            assert!(head.contains("\r\nConnection: Upgrade\r\n"), "{head}");
            assert!(head.contains("\r\nUpgrade: echo\r\n"), "{head}");
            peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n");
            peer.send(format!("{SWITCH}hello"));
            assert_eq!(peer.bytes(4), b"ping");
            peer.send("pong");
        });
        let pool = Pool::new(PoolOptions::default());
        let switched = match pool.upgrade(asking(&backend.target)).await {
            Ok(Upgrade::Switched(switched)) => switched,
            _ => panic!("it switches"),
        };
        let Switched {
            reason,
            headers,
            mut stream,
            read,
        } = switched;
        assert_eq!(reason.as_deref(), Some("Over To You"));
        assert_eq!(headers["upgrade"], "echo");
        stream.write_all(b"ping").await.expect("it reads");
        let mut rest = Vec::from(read);
        stream.read_to_end(&mut rest).await.expect("it writes");
        assert_eq!(rest, b"hellopong");
        drop(stream);
        backend.finish().await;
        assert_eq!(
            (pool.counts().opened_total, pool.counts().idle_current),
            (1, 0)
        );
    });
}

#[test]
fn a_backend_that_does_not_switch_answers_as_ever_and_its_connection_is_not_kept() {
    run(async {
        let answers = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
            ("HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n", ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
                "ab",
            ),
        ];
        for (sent, body) in answers {
            let backend = Backend::of_connections(1, move |_, mut peer| {
                peer.head();
                peer.send(sent);
                peer.wait_closed();
            });
            let pool = Pool::new(PoolOptions::default());
            let answer = match pool.upgrade(asking(&backend.target)).await {
                Ok(Upgrade::Refused(answer)) => answer,
                _ => panic!("it does not switch"),
            };
            assert_eq!(read(answer.body).await.expect("a body"), body.as_bytes());
            assert_eq!(pool.counts().idle_current, 0);
            backend.finish().await;
        }
    });
}

#[test]
fn a_kept_connection_is_not_used_to_switch() {
    run(async {
        let backend = Backend::new(|listener| {
            let mut kept = accept(&listener);
            kept.head();
            kept.send(OK);
            let mut fresh = accept(&listener);
            fresh.head();
            fresh.send(SWITCH);
            kept.wait_closed();
        });
        let pool = Pool::new(PoolOptions::default());
        assert_eq!(
            whole(&pool, get(&backend.target)).await,
            Ok((200, "ok".to_owned()))
        );
        let answer = pool.upgrade(asking(&backend.target)).await;
        assert!(matches!(answer, Ok(Upgrade::Switched(_))));
        assert_eq!(pool.counts().idle_current, 1);
        drop(pool);
        backend.finish().await;
    });
}

#[test]
fn a_backend_that_gives_no_answer_to_it_is_told_apart() {
    run(async {
        for (sent, code) in [
            ("", "closed-before-answer"),
            ("HTTP/1.1 103 Early Hints\r\n\r\n", "bad-answer"),
            ("HTTP/1.1 101 Over To Y", "bad-answer"),
            ("echo at your service\r\n\r\n", "bad-answer"),
        ] {
            let backend = Backend::of_connections(1, move |_, mut peer| {
                peer.head();
                peer.send(sent);
            });
            let pool = Pool::new(PoolOptions::default());
            let failure = pool.upgrade(asking(&backend.target)).await.err();
            let failure = failure.expect("no answer");
            assert_eq!(failure.error.code(), code, "{sent:?}: {}", failure.error);
            assert!(failure.unsent.is_none() && !failure.error.before_sending());
            backend.finish().await;
        }
    });
}

#[test]
fn the_next_target_is_asked_if_one_cannot_be_reached() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            let head = peer.head();
            assert!(head.contains("\r\nHost: next.example\r\n"), "{head}");
            assert!(head.contains("\r\nUpgrade: echo\r\n"), "{head}");
            peer.send(SWITCH);
        });
        let nobody = target(1);
        let targets = Targets::new(Rc::default(), Occupancies::default());
        let answered = Upstream::upgrade(
            assignment(asking(&nobody), &[&nobody, &backend.target]),
            Rc::new(Pool::new(PoolOptions::default())),
            targets.clone(),
            CrashRecord::new("upstream"),
        );
        let answered = answered.await.expect("no crash").expect("an answer");
        assert!(matches!(answered.response, Upgrade::Switched(_)));
        assert_eq!(answered.target, 2);
        let total = |total| targets.counters().total(total);
        assert_eq!(total(Total::Upstreams), 0);
        assert_eq!(
            (total(Total::Failovers), total(Total::TargetsEjected)),
            (2, 1)
        );
        let under_way = |address: &TargetKind| {
            let all = targets.snapshot().into_iter();
            let mut those = all.filter(|one| one.target == address.to_string());
            those.next().map(|one| one.requests_current)
        };
        assert_eq!(under_way(&nobody), Some(0));
        assert_eq!(under_way(&backend.target), Some(1), "as long as it is open");
        drop(answered);
        assert_eq!(under_way(&backend.target), Some(0));
        backend.finish().await;
    });
}

#[test]
fn a_backend_that_takes_its_time_is_given_up() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
            peer.wait_closed();
        });
        let crashes: Arc<CrashRecord> = CrashRecord::new("upstream");
        let mut assignment = assignment(asking(&backend.target), &[&backend.target]);
        assignment.times.response = Duration::from_millis(50);
        let pool = Rc::new(Pool::new(PoolOptions::default()));
        let answered = Upstream::upgrade(
            assignment,
            pool,
            Targets::new(Rc::default(), Occupancies::default()),
            crashes,
        )
        .await;
        let unanswered = answered.expect("no crash").err().expect("no answer");
        assert_eq!(unanswered.error, FetchError::AnswerTimeout);
        assert_eq!(unanswered.tried.len(), 1);
        backend.finish().await;
    });
}

#[test]
fn a_switch_that_nobody_asked_for_is_a_bad_answer() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
            peer.send(SWITCH);
            peer.wait_closed();
        });
        let pool = Pool::new(PoolOptions::default());
        let error = answer(&pool, get(&backend.target)).await.err();
        assert_eq!(error.map(|error| error.code()), Some("bad-answer"));
        backend.finish().await;
    });
}

//! When a connection is used again, when it is not, and what happens if it was a dead one.

use std::{sync::mpsc, time::Instant};

use super::*;

fn ok() -> Result<(u16, String), FetchError> {
    Ok((200, "ok".to_owned()))
}

/// Answers every request of this many connections.
fn answering(answer: &'static str, connections: usize) -> Backend {
    Backend::new(move |listener| {
        thread::scope(|scope| {
            for _ in 0..connections {
                let mut peer = accept(&listener);
                scope.spawn(move || {
                    while peer.has_more() {
                        let body = if peer.head().starts_with("POST") {
                            5
                        } else {
                            0
                        };
                        peer.bytes(body);
                        peer.send(answer);
                    }
                });
            }
        });
    })
}

#[test]
fn a_connection_is_used_again() {
    run(async {
        for answer in [
            OK,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ] {
            let backend = answering(answer, 1);
            let pool = Pool::new(PoolOptions::default());
            for request in [get, post, get, post] {
                assert_eq!(whole(&pool, request(&backend.target)).await, ok());
            }
            let counts = PoolCounts {
                opened_total: 1,
                reused_total: 3,
                idle_current: 1,
                ..PoolCounts::default()
            };
            assert_eq!(pool.counts(), counts);
            drop(pool);
            backend.finish().await;
        }
    });
}

#[test]
fn a_connection_that_the_backend_ends_is_not_kept() {
    run(async {
        for answer in [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        ] {
            let backend = answering(answer, 1);
            let pool = Pool::new(PoolOptions::default());
            assert_eq!(whole(&pool, get(&backend.target)).await, ok());
            assert_eq!(pool.counts().idle_current, 0);
            backend.finish().await;
        }
    });
}

#[test]
fn a_backend_that_closes_after_each_answer_without_saying_so_fails_no_get() {
    run(async {
        let rounds = 200;
        let backend = Backend::new(move |listener| {
            listener
                .set_nonblocking(false)
                .expect("a blocking listener");
            for _ in 0..rounds {
                let mut peer = accept(&listener);
                peer.head();
                peer.send(OK);
            }
        });
        let pool = Pool::new(PoolOptions::default());
        for round in 0..rounds {
            assert_eq!(
                whole(&pool, get(&backend.target)).await,
                ok(),
                "round {round}"
            );
        }
        backend.finish().await;
    });
}

#[test]
fn a_message_is_sent_again_only_where_that_is_safe() {
    let stream = || Pieces::stream(vec!["hello".into()], Then::End, Some(5));
    let full = || BackendBody::Full(Bytes::from_static(b"hello"));
    let table = [
        (Method::GET, BackendBody::Empty, true),
        (Method::HEAD, BackendBody::Empty, true),
        (Method::OPTIONS, BackendBody::Empty, true),
        (Method::TRACE, BackendBody::Empty, true),
        (Method::DELETE, BackendBody::Empty, true),
        (Method::PUT, full(), true),
        (Method::PUT, stream(), false),
        (Method::POST, full(), false),
        (Method::POST, BackendBody::Empty, false),
        (Method::PATCH, full(), false),
    ];
    for (method, body, again) in table {
        run(async move {
            let shown = method.clone();
            let backend = Backend::of_connections(if again { 2 } else { 1 }, |index, mut peer| {
                let head = peer.head();
                if index == 0 {
                    peer.send(OK);
                    // The second request is read, and never answered.
                    let head = peer.head();
                    peer.bytes(if head.contains("Content-Length: 5") {
                        5
                    } else {
                        0
                    });
                } else {
                    peer.bytes(if head.contains("Content-Length: 5") {
                        5
                    } else {
                        0
                    });
                    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
                }
            });
            let pool = Pool::new(PoolOptions::default());
            assert_eq!(whole(&pool, get(&backend.target)).await, ok());
            let second = pool
                .fetch(request(method, &backend.target, body), None)
                .await;
            match second {
                Ok(answer) => assert!(again && answer.status == 204, "{shown}"),
                Err(failure) => {
                    assert!(!again, "{shown}: {}", failure.error);
                    assert_eq!(failure.error.code(), "closed-before-answer");
                    assert!(failure.unsent.is_none(), "{shown} was sent");
                }
            }
            assert_eq!(pool.counts().retried_total, u64::from(again), "{shown}");
            backend.finish().await;
        });
    }
}

#[test]
fn a_message_is_not_sent_again_once_an_answer_began() {
    run(async {
        for began in ["HTTP/1.1 2", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
            let backend = Backend::of_connections(1, move |_, mut peer| {
                peer.head();
                peer.send(OK);
                peer.head();
                peer.send(began);
            });
            let pool = Pool::new(PoolOptions::default());
            assert_eq!(whole(&pool, get(&backend.target)).await, ok());
            let error = whole(&pool, get(&backend.target)).await.err();
            assert_eq!(error.map(|error| error.code()), Some("bad-answer"));
            backend.finish().await;
        }
    });
}

#[test]
fn a_fresh_connection_gets_one_attempt() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
        });
        let pool = Pool::new(PoolOptions::default());
        let error = whole(&pool, get(&backend.target)).await.err();
        assert_eq!(
            error.map(|error| error.code()),
            Some("closed-before-answer")
        );
        assert_eq!(pool.counts().retried_total, 0);
        backend.finish().await;
    });
}

#[test]
fn a_post_survives_an_idle_connection_that_was_closed() {
    run(async {
        for last_words in [
            "",
            "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        ] {
            let (close, asked) = mpsc::channel::<()>();
            let (closed, is_closed) = mpsc::channel::<()>();
            let backend = Backend::of_connections(2, move |index, mut peer| {
                peer.head();
                peer.send(OK);
                if index == 0 {
                    asked.recv().expect("the test asks");
                    peer.send(last_words);
                    drop(peer);
                    closed.send(()).expect("the test waits");
                }
            });
            let pool = Pool::new(PoolOptions::default());
            assert_eq!(whole(&pool, get(&backend.target)).await, ok());
            assert_eq!(pool.counts().idle_current, 1);
            close.send(()).expect("the backend waits");
            // Blocks the thread, so that the pool cannot have noticed.
            is_closed.recv().expect("it closes");
            assert_eq!(whole(&pool, post(&backend.target)).await, ok());
            assert_eq!(pool.counts().opened_total, 2);
            backend.finish().await;
        }
    });
}

#[test]
fn idle_connections_are_bounded_in_number_age_and_idleness() {
    run(async {
        let first = answering(OK, 2);
        let second = answering(OK, 1);
        let options = PoolOptions {
            idle_max: 2,
            ..PoolOptions::default()
        };
        let pool = Pool::new(options);
        let (one, two) = tokio::join!(
            answer(&pool, get(&first.target)),
            answer(&pool, get(&first.target))
        );
        for answer in [one, two] {
            read(answer.expect("an answer").body).await.expect("a body");
        }
        assert_eq!(pool.counts().idle_current, 2);
        // The third one takes the place of the longest idle.
        assert_eq!(whole(&pool, get(&second.target)).await, ok());
        assert_eq!(pool.counts().idle_current, 2);
        assert_eq!(whole(&pool, get(&first.target)).await, ok());
        assert_eq!(pool.counts().opened_total, 3);

        pool.sweep(Instant::now());
        assert_eq!(pool.counts().idle_current, 2);
        pool.sweep(Instant::now() + options.idle_limit);
        assert_eq!(pool.counts().idle_current, 0);
        first.finish().await;
        second.finish().await;
    });
}

#[test]
fn a_pool_may_keep_nothing() {
    run(async {
        for options in [
            PoolOptions {
                idle_max: 0,
                ..PoolOptions::default()
            },
            PoolOptions {
                age_limit: Duration::ZERO,
                ..PoolOptions::default()
            },
        ] {
            let backend = answering(OK, 2);
            let pool = Pool::new(options);
            assert_eq!(whole(&pool, get(&backend.target)).await, ok());
            assert_eq!(whole(&pool, get(&backend.target)).await, ok());
            assert_eq!(
                (pool.counts().opened_total, pool.counts().idle_current),
                (2, 0)
            );
            backend.finish().await;
        }
        let backend = answering(OK, 2);
        let pool = Pool::new(PoolOptions {
            idle_limit: Duration::ZERO,
            ..PoolOptions::default()
        });
        assert_eq!(whole(&pool, get(&backend.target)).await, ok());
        assert_eq!(whole(&pool, get(&backend.target)).await, ok());
        assert_eq!(pool.counts().opened_total, 2);
        drop(pool);
        backend.finish().await;
    });
}

#[test]
fn what_a_burst_leaves_goes_by_and_by() {
    run(async {
        let backend = answering(OK, 40);
        let pool = Pool::new(PoolOptions::default());
        let answers = (0..40).map(|_| answer(&pool, get(&backend.target)));
        for answer in futures_util::future::join_all(answers).await {
            read(answer.expect("an answer").body).await.expect("a body");
        }
        assert_eq!(pool.counts().idle_current, 40);
        while pool.counts().idle_current > 8 {
            actix::clock::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(whole(&pool, get(&backend.target)).await, ok());
        assert_eq!(pool.counts().opened_total, 40, "the others are used");
        drop(pool);
        backend.finish().await;
    });
}

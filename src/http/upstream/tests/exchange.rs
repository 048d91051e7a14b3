//! Answers' heads, failures, retries and cancellation.

use std::{cell::RefCell, rc::Rc, sync::mpsc};

use super::*;

#[test]
fn a_head_is_passed_on_with_its_own_reason() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
            peer.send("HTTP/1.1 200 Fine By Me\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n");
            peer.head();
            peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        });
        let pool = Pool::new(PoolOptions::default());
        let first = answer(&pool, get(&backend.target))
            .await
            .expect("an answer");
        assert_eq!(
            (first.status, first.reason.as_deref()),
            (200, Some("Fine By Me"))
        );
        let values: Vec<_> = first.headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        let second = answer(&pool, get(&backend.target))
            .await
            .expect("an answer");
        assert_eq!((second.status, second.reason), (404, None));
        backend.finish().await;
    });
}

#[test]
fn informational_heads_come_before_the_answer_and_never_instead_of_it() {
    run(async {
        let backend = Backend::of_connections(2, |_, mut peer| {
            peer.head();
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            peer.send(
                "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Working\r\n\r\n",
            );
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        });
        let seen = Rc::new(RefCell::new(Vec::new()));
        let pool = Pool::new(PoolOptions::default());
        let noted = Rc::clone(&seen);
        let listener = Rc::new(move |status: u16, headers: &HeaderMap| {
            noted
                .borrow_mut()
                .push((status, headers.get("link").cloned()));
        });
        let answer = pool.fetch(get(&backend.target), Some(listener)).await;
        let answer = answer.ok().expect("an answer");
        let link = HeaderValue::from_static("</a.css>");
        assert_eq!(*seen.borrow(), [(103, Some(link)), (102, None)]);
        assert_eq!(answer.status, 200);
        assert_eq!(read(answer.body).await.expect("a body"), b"ok");
        assert_eq!(
            whole(&pool, get(&backend.target)).await,
            Ok((200, "ok".to_owned()))
        );
        backend.finish().await;
    });
}

#[test]
fn an_informational_head_is_passed_on_at_once() {
    run(async {
        let (proceed, wait) = mpsc::channel::<()>();
        let backend = Backend::of_connections(1, move |_, mut peer| {
            peer.head();
            peer.send("HTTP/1.1 103 Early Hints\r\n\r\n");
            wait.recv().expect("the listener was called");
            peer.send(OK);
        });
        let pool = Pool::new(PoolOptions::default());
        let listener = Rc::new(move |_: u16, _: &HeaderMap| proceed.send(()).expect("it waits"));
        let answer = pool.fetch(get(&backend.target), Some(listener)).await;
        assert_eq!(answer.ok().map(|answer| answer.status), Some(200));
        backend.finish().await;
    });
}

#[test]
fn bad_answers_are_told_apart() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(257));
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(70_000));
    let table = [
        ("", "closed-before-answer"),
        ("HTTP/1.1 200 OK\r\nA: ", "bad-answer"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nA b\r\n\r\n", "bad-answer"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "bad-answer",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "bad-answer",
        ),
        (&many, "head-too-large"),
        (&long, "head-too-large"),
    ];
    for (sent, code) in table {
        let sent = sent.to_owned();
        run(async move {
            let backend = Backend::of_connections(1, move |_, mut peer| {
                peer.head();
                // The end of a head that is too large meets a closed socket.
                let _written = peer.stream.write_all(sent.as_bytes());
            });
            let pool = Pool::new(PoolOptions::default());
            let failure = pool
                .fetch(get(&backend.target), None)
                .await
                .err()
                .expect("no answer");
            assert_eq!(failure.error.code(), code, "{}", failure.error);
            assert!(failure.unsent.is_none());
            backend.finish().await;
        });
    }
}

#[test]
fn at_most_256_headers_pass() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
            let headers = "A: b\r\n".repeat(255);
            peer.send(format!(
                "HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n"
            ));
        });
        let pool = Pool::new(PoolOptions::default());
        let answer = answer(&pool, get(&backend.target))
            .await
            .expect("an answer");
        assert_eq!(answer.headers.len(), 256);
        backend.finish().await;
    });
}

#[test]
fn a_refused_connection_gives_the_request_back() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    run(async move {
        let pool = Pool::new(PoolOptions::default());
        let mut request = post(&target(port));
        request.uri = "/a%20b?c".to_owned();
        let failure = pool.fetch(request, None).await.err().expect("no answer");
        assert_eq!(
            failure.error,
            FetchError::ConnectRefused {
                target: format!("127.0.0.1:{port}")
            }
        );
        assert!(failure.error.before_sending());
        let unsent = failure.unsent.expect("nothing was sent");
        assert_eq!(
            (unsent.method, unsent.uri.as_str()),
            (Method::POST, "/a%20b?c")
        );
        assert_eq!(unsent.target, target(port));
        assert!(matches!(unsent.body, BackendBody::Full(body) if body == "hello"));
        // The request that came back can go to another target.
        let backend = Backend::of_connections(1, |_, mut peer| {
            assert!(peer.head().contains("\r\nContent-Length: 5\r\n"));
            assert_eq!(peer.bytes(5), b"hello");
            peer.send(OK);
        });
        let again = post(&backend.target);
        let again = BackendRequest {
            uri: unsent.uri,
            headers: unsent.headers,
            ..again
        };
        assert_eq!(whole(&pool, again).await, Ok((200, "ok".to_owned())));
        backend.finish().await;
    });
}

#[test]
fn targets_that_cannot_be_reached_are_told_apart() {
    let table = [
        (
            Server::new(&"a".repeat(300), 1).into(),
            "resolve-failed",
            true,
        ),
        (TargetKind::Test, "no-address", false),
        (TargetKind::Demo, "no-address", false),
    ];
    run(async move {
        let pool = Pool::new(PoolOptions::default());
        for (target, code, next) in table {
            let failure = pool
                .fetch(get(&target), None)
                .await
                .err()
                .expect("no answer");
            assert_eq!(failure.error.code(), code, "{}", failure.error);
            assert_eq!(failure.error.before_sending(), next, "{}", failure.error);
            assert!(failure.unsent.is_some());
        }
    });
}

#[test]
fn connecting_is_bounded_in_time() {
    run(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        // Once its queue is full, a listener that accepts nothing lets connects hang.
        let moment = Duration::from_millis(100);
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, moment) {
            queued.push(stream);
        }
        let target = target(address.port());
        let options = PoolOptions {
            connect_timeout: moment,
            ..PoolOptions::default()
        };
        let pool = Pool::new(options);
        let failure = pool
            .fetch(get(&target), None)
            .await
            .err()
            .expect("no answer");
        assert_eq!(failure.error.code(), "connect-timeout");
        assert!(failure.unsent.is_some());
    });
}

#[test]
fn every_address_of_a_name_is_tried() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
            peer.send(OK);
        });
        let shown = backend.target.to_string();
        let (_, port) = shown.split_once(':').expect("an address");
        let addresses = ["[::1]", "127.0.0.2", "127.0.0.1"]
            .map(|host| format!("{host}:{port}").parse().expect("an address"));
        let stream = super::super::dial::first_of(addresses, &backend.target).await;
        let stream = stream.expect("the last one accepts");
        assert_eq!(stream.peer_addr().ok(), addresses.last().copied());
        drop(stream);
        backend
            .thread
            .join()
            .expect_err("its connection brought no request");
        let refused = super::super::dial::first_of(addresses, &TargetKind::Test).await;
        assert_eq!(
            refused.err().map(|error| error.code()),
            Some("connect-refused")
        );
        let none = super::super::dial::first_of([], &TargetKind::Test).await;
        assert_eq!(none.err().map(|error| error.code()), Some("resolve-failed"));
    });
}

#[test]
fn names_and_both_kinds_of_addresses_work() {
    run(async {
        for (listen, host) in [("127.0.0.1", "localhost"), ("::1", "::1")] {
            let listener = TcpListener::bind((listen, 0)).expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let backend = thread::spawn(move || {
                let mut peer = accept(&listener);
                peer.head();
                peer.send(OK);
            });
            let pool = Pool::new(PoolOptions::default());
            let target = TargetKind::from(Server::new(host, port));
            assert_eq!(
                whole(&pool, get(&target)).await,
                Ok((200, "ok".to_owned())),
                "{host}"
            );
            backend.join().expect("the backend's script holds");
        }
    });
}

#[test]
fn an_early_answer_is_delivered_while_the_body_is_being_sent() {
    // More than both kernels' buffers take.
    let body = || Bytes::from(vec![b'x'; 20_000_000]);
    let table: [fn(Bytes) -> BackendBody; 4] = [
        BackendBody::Full,
        |bytes| Pieces::stream(vec![bytes], Then::End, Some(20_000_000)),
        |bytes| Pieces::stream(vec![bytes], Then::End, None),
        |bytes| Pieces::stream(vec![bytes], Then::Wait, None),
    ];
    for make in table {
        run(async move {
            let (delivered, wait) = mpsc::channel::<()>();
            let backend = Backend::of_connections(1, move |_, mut peer| {
                peer.head();
                peer.send("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nbig");
                wait.recv().expect("the answer is delivered");
                peer.wait_closed();
            });
            let pool = Pool::new(PoolOptions::default());
            let request = request(Method::POST, &backend.target, make(body()));
            let answered = whole(&pool, request).await;
            assert_eq!(answered, Ok((413, "big".to_owned())));
            assert_eq!(
                pool.counts().idle_current,
                0,
                "the body was not sent to its end"
            );
            delivered.send(()).expect("the backend waits");
            backend.finish().await;
        });
    }
}

#[test]
fn an_early_answer_is_delivered_even_if_the_backend_resets_the_connection() {
    run(async {
        let rounds = 100;
        let backend = Backend::of_connections(rounds, |_, mut peer| {
            peer.head();
            peer.send("HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\n\r\nbig");
            // Closing with unread bytes resets the connection.
        });
        let pool = Pool::new(PoolOptions::default());
        let body = Bytes::from(vec![b'x'; 5_000_000]);
        for round in 0..rounds {
            let body = BackendBody::Full(body.clone());
            let answer = answer(&pool, request(Method::POST, &backend.target, body)).await;
            assert_eq!(answer.map(|answer| answer.status), Ok(413), "round {round}");
        }
        backend.finish().await;
    });
}

#[test]
fn dropping_the_fetch_closes_the_connection() {
    run(async {
        for make in [get, post, |target: &TargetKind| {
            let body = BackendBody::Full(Bytes::from(vec![b'x'; 5_000_000]));
            request(Method::POST, target, body)
        }] {
            let (sender, came) = oneshot::channel();
            let backend = Backend::new(move |listener| {
                let mut peer = accept(&listener);
                peer.head();
                sender.send(()).expect("the test waits");
                peer.wait_closed();
            });
            let pool = Pool::new(PoolOptions::default());
            let fetch = pool.fetch(make(&backend.target), None);
            tokio::select! {
                _ = fetch => panic!("no answer was sent"),
                came = came => came.expect("a request"),
            }
            backend.finish().await;
            assert_eq!(pool.counts().idle_current, 0);
        }
    });
}

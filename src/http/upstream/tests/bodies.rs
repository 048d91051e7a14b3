//! Bodies of answers: where they end, how they break, and who waits for whom.

use super::*;

/// Answers one GET with these bytes and then closes.
async fn body_of(bytes: &'static str) -> (Option<u64>, io::Result<Vec<u8>>) {
    let backend = Backend::of_connections(1, move |_, mut peer| {
        peer.head();
        peer.send(bytes);
    });
    let pool = Pool::new(PoolOptions::default());
    let answer = answer(&pool, get(&backend.target))
        .await
        .expect("an answer");
    let length = answer.body.size_hint().exact();
    let body = read(answer.body).await;
    backend.finish().await;
    (length, body)
}

#[test]
fn whole_bodies_end_cleanly() {
    run(async {
        let table: [(&str, Option<u64>, &str); 6] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Some(3), "abc"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Some(0), ""),
            ("HTTP/1.1 200 OK\r\n\r\nabc", None, "abc"),
            ("HTTP/1.0 200 OK\r\n\r\nabc", None, "abc"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
                None,
                "abc",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n\
                 3\r\nabc\r\n0\r\nT: x\r\n\r\n",
                None,
                "abc",
            ),
        ];
        for (bytes, length, body) in table {
            let (got_length, got_body) = body_of(bytes).await;
            assert_eq!(got_length, length, "{bytes}");
            assert_eq!(got_body.expect("a clean end"), body.as_bytes(), "{bytes}");
        }
    });
}

#[test]
fn a_body_cut_short_is_an_error() {
    run(async {
        for bytes in [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ] {
            let error = body_of(bytes).await.1.expect_err("it was cut");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{bytes}");
            let cause = error
                .get_ref()
                .and_then(|cause| cause.downcast_ref::<FetchError>());
            assert_eq!(cause.map(FetchError::code), Some("body-cut"), "{bytes}");
        }
    });
}

#[test]
fn answers_that_have_no_body_keep_the_connection_and_their_headers() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            for status in ["200 OK", "204 No Content", "304 Not Modified", "200 OK"] {
                peer.head();
                let body = if status.starts_with("204") {
                    ""
                } else {
                    "Content-Length: 1000\r\n"
                };
                peer.send(format!("HTTP/1.1 {status}\r\n{body}\r\n"));
            }
        });
        let pool = Pool::new(PoolOptions::default());
        let head = |method| request(method, &backend.target, BackendBody::Empty);
        for (method, status) in [
            (Method::HEAD, 200),
            (Method::GET, 204),
            (Method::GET, 304),
            (Method::HEAD, 200),
        ] {
            let answer = answer(&pool, head(method)).await.expect("an answer");
            assert_eq!(answer.status, status);
            assert_eq!(answer.headers.contains_key("content-length"), status != 204);
            assert!(answer.body.is_end_stream());
            assert_eq!(read(answer.body).await.expect("a body"), b"");
        }
        assert_eq!(pool.counts().opened_total, 1);
        backend.finish().await;
    });
}

#[test]
fn dropping_a_body_before_its_end_closes_the_connection() {
    run(async {
        for head in [
            "Content-Length: 9",
            "Transfer-Encoding: chunked",
            "X: close-delimited",
        ] {
            let backend = Backend::of_connections(1, move |_, mut peer| {
                peer.head();
                peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n3\r\nabc"));
                peer.wait_closed();
            });
            let pool = Pool::new(PoolOptions::default());
            let mut answer = answer(&pool, get(&backend.target))
                .await
                .expect("an answer");
            assert!(next(&mut answer.body).await.is_some());
            drop(answer);
            backend.finish().await;
            assert_eq!(pool.counts().idle_current, 0);
        }
    });
}

#[test]
fn a_reader_that_takes_nothing_makes_the_backend_wait() {
    run(async {
        let size = 50_000_000;
        let (sender, stopped) = oneshot::channel();
        let (proceed, resumed) = std::sync::mpsc::channel::<()>();
        let backend = Backend::new(move |listener| {
            let mut peer = accept(&listener);
            peer.head();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
            let body = vec![b'x'; size];
            peer.stream
                .set_write_timeout(Some(Duration::from_millis(300)))
                .expect("a timeout");
            let mut written = 0;
            while let Ok(count) = peer.stream.write(&body[written..]) {
                written += count;
                assert!(written < size, "nobody read, and all was taken");
            }
            sender.send(written).expect("the test waits");
            resumed.recv().expect("the test goes on");
            peer.stream.set_write_timeout(None).expect("no timeout");
            peer.send(&body[written..]);
            peer.wait_closed();
        });
        let pool = Pool::new(PoolOptions::default());
        let answer = answer(&pool, get(&backend.target))
            .await
            .expect("an answer");
        let written = stopped.await.expect("the backend was stopped");
        assert!(written < size / 2, "{written} bytes were taken");
        proceed.send(()).expect("the backend waits");
        assert_eq!(read(answer.body).await.expect("a whole body").len(), size);
        assert_eq!(pool.counts().idle_current, 1);
        drop(pool);
        backend.finish().await;
    });
}

#[test]
fn both_bodies_flow_at_the_same_time() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.head();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
            for _ in 0..50 {
                let piece = peer.bytes(100_000);
                peer.send(piece);
            }
        });
        let pool = Pool::new(PoolOptions::default());
        let pieces = (0..50).map(|_| Bytes::from(vec![b'x'; 100_000])).collect();
        let body = Pieces::stream(pieces, Then::End, Some(5_000_000));
        let request = request(Method::POST, &backend.target, body);
        assert_eq!(
            whole(&pool, request).await.map(|(_, body)| body.len()),
            Ok(5_000_000)
        );
        backend.finish().await;
    });
}

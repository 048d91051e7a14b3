//! HTTP/2 to a server that does with each stream what the test says.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use h2::{
    server::{Builder, SendResponse},
    Reason, RecvStream,
};
use http::{Request, Response};
use tokio::net::TcpListener;

use super::*;

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: Cell<usize>,
    requests: RefCell<Vec<Request<()>>>,
}

/// One request as the server has it.
struct Stream {
    nth: usize,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
}

impl Stream {
    /// Answers with this body, its end included.
    fn answer(mut self, body: &'static str) {
        let response = Response::new(());
        let mut send = self.respond.send_response(response, false).expect("a head");
        send.send_data(Bytes::from_static(body.as_bytes()), true)
            .expect("a body");
    }

    async fn body(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(Ok(bytes)) = self.request.body_mut().data().await {
            all.extend_from_slice(&bytes);
            let window = self.request.body_mut().flow_control();
            window.release_capacity(bytes.len()).expect("a window");
        }
        all
    }
}

/// Starts a server that takes so many streams at a time on a connection.
async fn server<F: Future<Output = ()> + 'static>(
    streams_max: u32,
    serve: impl Fn(Stream) -> F + Clone + 'static,
) -> (TargetKind, Rc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Rc::new(Seen::default());
    let noting = seen.clone();
    actix_rt::spawn(async move {
        let streams = Rc::new(Cell::new(0));
        while let Ok((socket, _)) = listener.accept().await {
            noting.connections.set(noting.connections.get() + 1);
            let (noting, serve, streams) = (noting.clone(), serve.clone(), streams.clone());
            actix_rt::spawn(async move {
                let mut builder = Builder::new();
                builder.max_concurrent_streams(streams_max);
                let mut connection = builder.handshake(socket).await.expect("HTTP/2");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let nth = streams.replace(streams.get() + 1);
                    let head = request.headers().clone();
                    let mut copy = Request::builder()
                        .method(request.method().clone())
                        .uri(request.uri().clone())
                        .body(())
                        .expect("a request");
                    *copy.headers_mut() = head;
                    noting.requests.borrow_mut().push(copy);
                    if request.headers().contains_key("x-last") {
                        connection.graceful_shutdown();
                    }
                    let stream = Stream {
                        nth,
                        request,
                        respond,
                    };
                    actix_rt::spawn(serve(stream));
                }
            });
        }
    });
    let target = Server {
        http2: true,
        ..Server::new("127.0.0.1", port)
    };
    (target.into(), seen)
}

#[test]
fn many_requests_share_a_connection_and_look_as_http2_has_them() {
    run(async {
        let (target, seen) = server(100, |stream| async { stream.answer("ok") }).await;
        let pool = Pool::new(PoolOptions::default());
        let requests = (0..100).map(|_| whole(&pool, get(&target)));
        for answer in futures_util::future::join_all(requests).await {
            assert_eq!(answer, Ok((200, "ok".to_owned())));
        }
        let mut odd = request(Method::GET, &target, BackendBody::Empty);
        odd.uri = "/a?b=%20".to_owned();
        odd.headers.insert("x-a", HeaderValue::from_static("1"));
        assert_eq!(whole(&pool, odd).await, Ok((200, "ok".to_owned())));
        assert_eq!((seen.connections.get(), pool.counts().opened_total), (1, 1));
        assert_eq!(pool.counts().idle_current, 1);
        let requests = seen.requests.borrow();
        let last = requests.last().expect("a request");
        assert_eq!(last.uri(), "http://example.com/a?b=%20");
        let names: Vec<_> = last.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-a"]);
    });
}

#[test]
fn bodies_pass_both_ways_and_trailers_are_dropped() {
    run(async {
        let (target, seen) = server(100, |mut stream| async move {
            let body = stream.body().await;
            let response = Response::new(());
            let mut send = stream
                .respond
                .send_response(response, false)
                .expect("a head");
            let text = format!("{} bytes", body.len());
            send.send_data(Bytes::from(text), false).expect("a body");
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("1"));
            send.send_trailers(trailers).expect("trailers");
        })
        .await;
        let pool = Pool::new(PoolOptions::default());
        let large = vec![Bytes::from(vec![b'x'; 100_000]); 10];
        for (body, expected) in [
            (BackendBody::Full(Bytes::from_static(b"hello")), "5 bytes"),
            (Pieces::stream(large, Then::End, None), "1000000 bytes"),
            (BackendBody::Empty, "0 bytes"),
        ] {
            let request = request(Method::POST, &target, body);
            assert_eq!(whole(&pool, request).await, Ok((200, expected.to_owned())));
        }
        for request in seen.requests.borrow().iter() {
            assert!(!request.headers().contains_key("transfer-encoding"));
        }
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn more_requests_than_a_connection_takes_get_more_connections_or_wait() {
    run(async {
        let (target, seen) = server(3, |stream| async {
            tokio::task::yield_now().await;
            stream.answer("ok");
        })
        .await;
        let pool = Pool::new(PoolOptions::default());
        for _ in 0..2 {
            let requests = (0..40).map(|_| whole(&pool, get(&target)));
            for answer in futures_util::future::join_all(requests).await {
                assert_eq!(answer, Ok((200, "ok".to_owned())));
            }
        }
        assert_eq!(seen.requests.borrow().len(), 80, "none was asked twice");
    });
}

#[test]
fn a_refused_stream_is_sent_again_whatever_its_method() {
    run(async {
        let (target, seen) = server(100, |mut stream| async move {
            match stream.nth {
                0 => stream.respond.send_reset(Reason::REFUSED_STREAM),
                _ => stream.answer("ok"),
            }
        })
        .await;
        let pool = Pool::new(PoolOptions::default());
        assert_eq!(
            whole(&pool, post(&target)).await,
            Ok((200, "ok".to_owned()))
        );
        assert_eq!(seen.requests.borrow().len(), 2);
        assert_eq!(pool.counts().retried_total, 1);
    });
}

#[test]
fn a_reset_stream_is_a_bad_answer_and_is_not_sent_again() {
    run(async {
        let (target, seen) = server(100, |mut stream| async move {
            match stream.nth {
                0 => stream.answer("ok"),
                _ => stream.respond.send_reset(Reason::INTERNAL_ERROR),
            }
        })
        .await;
        let pool = Pool::new(PoolOptions::default());
        assert_eq!(whole(&pool, get(&target)).await, Ok((200, "ok".to_owned())));
        let error = answer(&pool, get(&target)).await.err().expect("no answer");
        assert_eq!(error.code(), "bad-answer", "{error}");
        assert_eq!(
            (seen.connections.get(), seen.requests.borrow().len()),
            (1, 2)
        );
    });
}

#[test]
fn a_server_that_goes_away_answers_what_it_has_and_the_next_goes_elsewhere() {
    run(async {
        let (target, seen) = server(100, |stream| async { stream.answer("ok") }).await;
        let pool = Pool::new(PoolOptions::default());
        for _ in 0..3 {
            let mut last = post(&target);
            last.headers.insert("x-last", HeaderValue::from_static("1"));
            assert_eq!(whole(&pool, last).await, Ok((200, "ok".to_owned())));
        }
        assert_eq!(
            whole(&pool, post(&target)).await,
            Ok((200, "ok".to_owned()))
        );
        let requests = seen.requests.borrow();
        assert_eq!(requests.len(), 4, "none was answered twice");
        assert!(seen.connections.get() > 1);
    });
}

#[test]
fn dropping_a_fetch_cancels_its_stream_alone() {
    run(async {
        let (asked, told) = tokio::sync::mpsc::unbounded_channel();
        let (target, seen) = server(100, move |mut stream| {
            let asked = asked.clone();
            async move {
                if stream.request.uri().path() == "/other" {
                    return stream.answer("ok");
                }
                let _ = asked.send("asked");
                let reset = poll_fn(|cx| stream.respond.poll_reset(cx)).await;
                if let Ok(Reason::CANCEL) = reset {
                    let _ = asked.send("cancelled");
                }
            }
        })
        .await;
        let mut told = told;
        let pool = Pool::new(PoolOptions::default());
        let slow = actix_rt::spawn({
            let (pool, target) = (pool.clone(), target.clone());
            async move { drop(pool.fetch(get(&target), None).await) }
        });
        assert_eq!(told.recv().await, Some("asked"));
        slow.abort();
        assert_eq!(told.recv().await, Some("cancelled"));
        let mut other = get(&target);
        other.uri = "/other".to_owned();
        assert_eq!(whole(&pool, other).await, Ok((200, "ok".to_owned())));
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn a_body_that_is_not_read_holds_its_server_back_and_no_other_stream() {
    run(async {
        let sent = Rc::new(Cell::new(0));
        let counted = sent.clone();
        let (target, _seen) = server(100, move |mut stream| {
            let counted = counted.clone();
            async move {
                if stream.request.uri().path() == "/other" {
                    return stream.answer("ok");
                }
                let response = Response::new(());
                let mut send = stream
                    .respond
                    .send_response(response, false)
                    .expect("a head");
                for _ in 0..1000 {
                    send.reserve_capacity(10_000);
                    while send.capacity() < 10_000 {
                        if poll_fn(|cx| send.poll_capacity(cx)).await.is_none() {
                            return;
                        }
                    }
                    if send
                        .send_data(Bytes::from(vec![b'x'; 10_000]), false)
                        .is_err()
                    {
                        return;
                    }
                    counted.set(counted.get() + 10_000);
                }
                let _ = send.send_data(Bytes::new(), true);
            }
        })
        .await;
        let pool = Pool::new(PoolOptions::default());
        let unread = answer(&pool, get(&target)).await.expect("a head");
        for _ in 0..50 {
            let mut other = get(&target);
            other.uri = "/other".to_owned();
            assert_eq!(whole(&pool, other).await, Ok((200, "ok".to_owned())));
        }
        assert!((100_000..200_000).contains(&sent.get()), "{}", sent.get());
        let all = read(unread.body).await.expect("all of it");
        assert_eq!(all.len(), 10_000_000);
    });
}

#[test]
fn a_server_of_http1_without_tls_gives_a_bad_answer() {
    run(async {
        let backend = Backend::of_connections(1, |_, mut peer| {
            peer.bytes(24);
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            peer.wait_closed();
        });
        let TargetKind::Server(server) = &backend.target else {
            panic!("a server")
        };
        let target = TargetKind::from(Server {
            http2: true,
            ..Server::clone(server)
        });
        let pool = Pool::new(PoolOptions::default());
        let error = answer(&pool, get(&target)).await.err().expect("no answer");
        assert!(
            ["bad-answer", "closed-before-answer"].contains(&error.code()),
            "{error}"
        );
        backend.finish().await;
    });
}

#[test]
fn idle_connections_are_bounded_and_a_failing_body_is_the_clients_fault() {
    run(async {
        let (target, seen) = server(100, |mut stream| async move {
            stream.body().await;
            stream.answer("ok");
        })
        .await;
        let none = Pool::new(PoolOptions {
            idle_max: 0,
            ..PoolOptions::default()
        });
        for _ in 0..2 {
            assert_eq!(whole(&none, get(&target)).await, Ok((200, "ok".to_owned())));
        }
        assert_eq!((none.counts().idle_current, seen.connections.get()), (0, 2));

        let pool = Pool::new(PoolOptions::default());
        assert_eq!(whole(&pool, get(&target)).await, Ok((200, "ok".to_owned())));
        pool.sweep(Instant::now() + PoolOptions::default().idle_limit);
        assert_eq!(pool.counts().idle_current, 0);

        let body = Pieces::stream(vec![Bytes::from_static(b"a")], Then::Fail, None);
        let failing = request(Method::POST, &target, body);
        let error = answer(&pool, failing).await.err().expect("no answer");
        assert_eq!(error.code(), "request-body-cut", "{error}");
    });
}

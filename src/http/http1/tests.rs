//! Requests over a real socket, however their bytes are cut, and what the service and the client get.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use actix_http::Request;
use actix_server::Server;
use actix_service::{map_config, IntoServiceFactory, ServiceFactory, ServiceFactoryExt};
use actix_web::{
    dev::AppConfig,
    web::{self, Bytes},
    App, HttpRequest, HttpResponse,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::Http1;
use crate::{
    actors::{
        session::{Session, SessionState},
        session_context::RunningSession,
    },
    engine::client_limits::{ClientLimits, RequestLimits},
    http::slot::Slot,
    stats::counters::Counters,
};

/// What the service says of a request: all that it has got of it.
async fn tell(request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut told = format!("{} {}\n", request.method(), request.uri());
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    headers.sort();
    told.push_str(&headers.concat());
    told.push_str(&body.escape_ascii().to_string());
    let mut response = HttpResponse::Ok().body(told);
    response.head_mut().set_camel_case_headers(true);
    response
}

/// Serves `input`, sent in pieces of the sizes that `cut` gives; returns all that comes back.
async fn served(limits: RequestLimits, input: &[u8], mut cut: impl FnMut() -> usize) -> String {
    let app = App::new().default_service(web::to(tell));
    let app = app
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let app = map_config(app, |_| AppConfig::default());
    let app = ServiceFactory::<Request>::new_service(&app, ()).await;
    let http1 = Rc::new(Http1 {
        app: Rc::new(app.unwrap_or_else(|()| panic!("no service"))),
        counters: Rc::new(Counters::default()),
        stopping: Server::build().graceful_shutdown_signal(),
        scratch: Rc::new(RefCell::new(vec![0; 4_096].into())),
        buffer: Cell::default(),
        date: RefCell::default(),
    });
    let (client, socket) = UnixStream::pair().unwrap();
    let state = Rc::<RefCell<SessionState>>::default();
    let (_session, address) = RunningSession::new(Session::new(state.clone()));
    let slot = Slot::new(socket.into(), limits, address.downgrade(), state);
    let serving = async {
        http1.serve(slot.clone()).await;
        slot.close();
    };
    let (mut from, mut to) = client.into_split();
    let sending = async {
        let mut rest = input;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(cut().clamp(1, rest.len()));
            rest = others;
            if to.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        to
    };
    let receiving = async {
        let mut answers = Vec::new();
        let _ = from.read_to_end(&mut answers).await;
        String::from_utf8(answers).unwrap()
    };
    let ((), _, answers) = tokio::join!(serving, sending, receiving);
    let undated = answers.lines().filter(|line| !line.starts_with("Date: "));
    undated.fold(String::new(), |all, line| all + line + "\n")
}

const INPUT: &str =
    "POST /1?a=b HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-one:\t2 \r\nContent-Length: 5\r\n\r\nGET /\
    \r\n\r\nPUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    3;a=\"b\"\r\nx\r\n\r\nb \t;c\r\nhello world\r\n00\r\nA: b\r\n\r\n\
    HEAD /3 HTTP/1.1\r\n\r\n\
    POST /4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
    POST /5 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\ny\
    GET http://a/`6 HTTP/1.1\r\n\r\n";

#[actix_rt::test]
async fn requests_are_the_same_however_their_bytes_are_cut() {
    let last = [
        "GET /7 HTTP/1.0\r\n\r\n",
        "GET /7 HTTP/1.1\r\nA : b\r\n\r\n",
    ];
    for last in last {
        let input = [INPUT, last].concat();
        let limits = ClientLimits::default().requests;
        let whole = served(limits, input.as_bytes(), || usize::MAX).await;
        let answers = whole.matches("HTTP/1.").count();
        assert_eq!(answers, 8, "{whole}");
        assert!(whole.contains("HTTP/1.1 100 Continue\n"), "{whole}");
        for told in [
            "x-one: 1\nx-one: 2\nGET /",
            "x\\r\\nhello world",
            "GET /%606\n",
            "HTTP/1.0 200 OK",
        ] {
            assert!(whole.contains(told), "{told}: {whole}");
        }
        assert_eq!(
            whole.contains("HTTP/1.0 400 Bad Request"),
            last.contains("A :")
        );
        for step in [1, 2, 3, 7, 64] {
            assert_eq!(
                served(limits, input.as_bytes(), || step).await,
                whole,
                "{step}"
            );
        }
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..20 {
            let cut = served(limits, input.as_bytes(), || rng.usize(1..90)).await;
            assert_eq!(cut, whole);
        }
    }
}

#[actix_rt::test]
async fn a_body_that_is_none_is_refused_and_nothing_follows() {
    let limits = ClientLimits::default().requests;
    let input = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET / HTTP/1.1\r\n\r\n";
    let answers = served(limits, input, || usize::MAX).await;
    assert!(
        answers.starts_with("HTTP/1.1 400 Bad Request\n"),
        "{answers}"
    );
    assert!(answers.contains("Connection: close\n"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.").count(), 1, "{answers}");
}

#[actix_rt::test]
async fn silence_is_answered_once_something_has_come() {
    let mut limits = ClientLimits::default().requests;
    limits.patience.head = Duration::from_millis(20);
    limits.patience.keep_alive = Duration::from_millis(20);
    limits.patience.body = Duration::from_millis(20);
    for (input, starts) in [
        ("", ""),
        ("GET / HTT", "HTTP/1.0 408 "),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 408 ",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let answers = served(limits, input.as_bytes(), || usize::MAX).await;
        assert!(answers.starts_with(starts), "{input}: {answers}");
        assert!(answers.is_empty() == input.is_empty(), "{input}: {answers}");
    }
}

//! P-8 as a library inside another process: nothing of it is global.
//!
//! A whole service that mounts it is the crate `tests/embed_consumer`.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::test::TestRequest;
use actix_web::{web, App, HttpRequest, HttpResponse, HttpServer};
use p8::engine::route::{Jsonp, Route, RouteTable, Target};
use p8::grip::instruct::{self, Instruct};
use p8::{Broker, BrokerOptions};

use crate::support::grip::hold;
use crate::support::publish::{close_item, stream_item};
use crate::support::wait::DEADLINE;
use crate::support::{Backend, Client, Config, P8};

#[test]
fn two_servers_in_one_process_share_nothing() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let one = P8::start(&Config::to(backend.addr));
    let two = P8::start(&Config::to(backend.addr));
    let (mut at_one, mut at_two) = (one.stream("/"), two.stream("/"));
    one.publish(&[stream_item("a", "from one"), close_item("a")]);
    assert_eq!(at_one.read_to_end().expect("an end"), b"from one");
    assert_eq!(two.snapshot().subscribers("a"), 1);
    two.publish(&[stream_item("a", "from two"), close_item("a")]);
    assert_eq!(at_two.read_to_end().expect("an end"), b"from two");
    assert_eq!(one.snapshot().total("items_published_total"), 2);
}

#[test]
fn a_server_that_stops_leaves_the_other_running() {
    let backend = Backend::answering(|_| hold("stream", "a", ""));
    let one = P8::start(&Config::to(backend.addr));
    let two = P8::start(&Config::to(backend.addr).http("drain_secs = 0"));
    let mut at_one = one.stream("/");
    drop(two);
    one.publish(&[stream_item("a", "still here"), close_item("a")]);
    assert_eq!(at_one.read_to_end().expect("an end"), b"still here");
}

#[test]
fn a_stop_ends_held_streams_in_good_order() {
    let backend = Backend::answering(|_| hold("stream", "a", "open\n"));
    let p8 = P8::start(&Config::to(backend.addr));
    let mut client = p8.stream("/");
    client.expect("open\n");
    drop(p8);
    assert_eq!(
        client.read_to_end(),
        Ok(Vec::new()),
        "a proper end, not a cut"
    );
}

/// What a backend would say with `Grip-*` headers.
fn instructed(status: u16, mode: &str) -> Instruct {
    instructed_on("a", status, mode)
}

fn instructed_on(channel: &str, status: u16, mode: &str) -> Instruct {
    let pairs = [
        ("grip-hold", mode),
        ("grip-channel", channel),
        ("grip-set-meta", "url=/check"),
    ];
    let pairs = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let headers = pairs.into_iter().collect();
    instruct::parse(status, None, &headers, "nothing new".into()).expect("good instructions")
}

/// Runs what an embedder does with a broker; fails if it does not come to an end.
fn with_broker<F: Future<Output = ()>>(work: impl FnOnce(Broker) -> F) {
    actix_rt::System::new().block_on(async {
        let broker = Broker::start(BrokerOptions::default()).await;
        let work = work(broker.expect("a broker"));
        let ended = tokio::time::timeout(DEADLINE, work).await;
        assert!(ended.is_ok(), "it does not end");
    });
}

/// Holds a request nobody sent.
async fn held(broker: &Broker, mode: &str) -> HttpResponse {
    let request = TestRequest::default().to_http_request();
    broker.hold(&request, instructed(200, mode)).await
}

#[test]
fn a_broker_that_was_stopped_refuses_holds() {
    with_broker(|broker| async move {
        broker.stop();
        // The clock goes on by itself when this thread has nothing else to do.
        tokio::time::pause();
        let patient = tokio::time::timeout(Duration::from_secs(9), held(&broker, "stream"));
        let response = patient.await.expect("an answer");
        assert_eq!(response.status().as_u16(), 503);
        let reason = response.headers().get("p8-reason");
        assert_eq!(reason.expect("a reason"), "channel-unavailable");
    });
}

#[test]
fn items_whose_filter_can_ask_nobody_are_skipped_and_counted() {
    with_broker(|broker| async move {
        let request = TestRequest::default().to_http_request();
        let instruct = instructed_on("a; filter=http-check, b", 200, "stream");
        let response = broker.hold(&request, instruct).await;
        for (channel, content) in [("a", "filtered"), ("b", "plain")] {
            let item = format!(
                r#"{{"items":[{{"channel":"{channel}","http-stream":{{"content":"{content}"}}}}]}}"#
            );
            let items = p8::grip::publish::parse_request(item.as_bytes()).expect("an item");
            broker.publish_all(items).await.expect("room");
        }
        while broker.stats().await.dropped["filter-error"] == 0 {
            tokio::task::yield_now().await;
        }
        broker.drain().await;
        let body = to_bytes(response.into_body()).await.expect("a body");
        assert_eq!(body, "nothing newplain");
    });
}

#[test]
fn holds_that_begin_after_the_drain_end_at_once() {
    with_broker(|broker| async move {
        let before = held(&broker, "stream").await;
        broker.drain().await;
        for response in [
            before,
            held(&broker, "stream").await,
            held(&broker, "response").await,
        ] {
            assert_eq!(response.status().as_u16(), 200);
            let body = to_bytes(response.into_body()).await.expect("a body");
            assert_eq!(body, "nothing new");
        }
    });
}

/// A service that holds every request as a stream, with the status in its path; it ends with the
/// test process.
fn holding_service() -> SocketAddr {
    async fn hold(
        request: HttpRequest,
        status: web::Path<u16>,
        broker: web::Data<Broker>,
    ) -> HttpResponse {
        let instruct = instructed(*status, "stream");
        broker.hold(&request, instruct).await
    }
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let broker = Broker::start(BrokerOptions::default()).await;
            let broker = web::Data::new(broker.expect("a broker"));
            let app = move || {
                let app = App::new().app_data(broker.clone());
                app.route("/{status}", web::to(hold))
            };
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let here = listener.local_addr().expect("an address");
            tell.send(here).expect("the test waits");
            let server = HttpServer::new(app).workers(1).disable_signals();
            let server = server.h1_allow_half_closed(false);
            server.listen(listener).expect("a listener").run().await
        })
    });
    address.recv().expect("the service starts")
}

#[test]
fn responses_that_have_no_body_are_not_held_as_streams() {
    let mut client = Client::connect(holding_service());
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)] {
        client.request(method, &format!("/{status}"), &[], b"");
        assert_eq!(client.head_for(method).status, status, "{method}");
    }
    client.request("GET", "/200", &[], b"");
    assert_eq!(client.final_head().status, 200);
    client.expect("nothing new");
}

/// A service that mounts the proxy, with cross-origin headers and JSON-P, before that backend.
fn proxying_service(backend: SocketAddr) -> SocketAddr {
    let mut route = Route::new("*");
    route.aco = true;
    route.jsonp = Some(Jsonp::default());
    let target = Target::http(&backend.ip().to_string(), backend.port());
    route.targets.push(target);
    let routes = RouteTable::new(vec![route]).expect("one route");
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            let broker = Broker::start(BrokerOptions::default().routes(routes)).await;
            let broker = broker.expect("a broker");
            let app = move || App::new().configure(p8::http::proxy(&broker));
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let here = listener.local_addr().expect("an address");
            tell.send(here).expect("the test waits");
            let server = HttpServer::new(app).workers(1).disable_signals();
            server.listen(listener).expect("a listener").run().await
        })
    });
    address.recv().expect("the service starts")
}

#[test]
fn holds_in_another_server_are_shown_to_other_origins_too() {
    let backend = Backend::answering(|request| {
        let mode = if request.target == "/stream" {
            "stream"
        } else {
            "response"
        };
        hold(mode, "a", "late").header("Grip-Timeout", "5")
    });
    let service = proxying_service(backend.addr);
    let origin = [("Origin", "http://page.test")];
    let asked = ["/?callback=f", "/", "/stream"].map(|target| {
        let mut client = Client::connect(service);
        client.request("GET", target, &origin, b"");
        client
    });
    let [mut by_script, mut by_page, mut stream] = asked;
    let script = by_script.reply();
    let call = "/**/f({\"body\":\"late\",\"code\":200,";
    assert!(script.text().starts_with(call), "{}", script.text());
    let no_cors = script.head.names_with("access-control-");
    assert_eq!(no_cors, [] as [&str; 0]);
    let late = by_page.reply();
    assert_eq!(late.text(), "late");
    for head in [late.head, stream.final_head()] {
        let allowed = head.header("access-control-allow-origin");
        assert_eq!(allowed, Some("http://page.test"));
        assert_eq!(head.header("vary"), Some("Origin"));
    }
    stream.expect("late");
}

//! The examples do what their first lines promise.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use crate::support::publish::{body_of, stream_item};
use crate::support::{Client, Config, P8};

#[path = "../examples/backend_long_poll.rs"]
#[expect(dead_code, reason = "`main`: the test calls what it calls")]
mod backend_long_poll;
#[path = "../examples/backend_stream.rs"]
#[expect(dead_code, reason = "`main`: the test calls what it calls")]
mod backend_stream;
#[path = "../examples/backend_ws.rs"]
#[expect(dead_code, reason = "`main`: the test calls what it calls")]
mod backend_ws;
#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/publish.rs"]
#[expect(dead_code, reason = "`main`: the test calls what it calls")]
mod publish;

#[test]
fn the_stream_backend_and_the_publisher() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let p8 = P8::start(&Config::to(listener.local_addr().expect("an address")));
    thread::spawn(move || backend_stream::serve(&listener));
    let mut client = p8.stream("/");
    client.expect("data: welcome\n\n");
    let control = p8.control.to_string();
    publish::publish(&control, "feed", "data: a \"quoted\" \u{17e}\n").expect("it is published");
    client.expect("data: a \"quoted\" \u{17e}\n\n");
    let refusal = publish::publish(&control, "feed", &"x".repeat(1_000_000));
    assert_eq!(
        refusal.expect_err("too much").to_string(),
        "Request body too large."
    );
}

#[test]
fn the_long_poll_backend() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let p8 = P8::start(&Config::to(listener.local_addr().expect("an address")));
    let control = p8.control.to_string();
    thread::spawn(move || backend_long_poll::serve(&listener, &control));
    assert_eq!(p8.get("/number").text(), "0\n");
    let mut waiting = p8.long_poll("/number?known=0", "number", 1);
    assert_eq!(p8.client().post("/number", b"").text(), "1\n");
    assert_eq!(waiting.reply().text(), "1\n");
    assert_eq!(p8.get("/number?known=0").text(), "1\n");
}

#[test]
fn the_websocket_backend() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let p8 = P8::start(&Config::over_http(
        listener.local_addr().expect("an address"),
    ));
    let control = p8.control.to_string();
    thread::spawn(move || backend_ws::serve(&listener, &control));
    let mut clients = [p8.ws("/"), p8.ws("/")];
    for client in &mut clients {
        client.expect_text("welcome");
    }
    clients[0].send_text("c:{\"hello\"}");
    for client in &mut clients {
        client.expect_text("c:{\"hello\"}");
    }
    clients[1].ping("x");
    clients[1].expect_pong("x");
    clients[1].close(3000, "bye");
    assert_eq!(clients[1].expect_close(3000), "bye");
}

#[test]
fn the_embedding_service() {
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let options = p8::BrokerOptions::default();
            let broker = p8::Broker::start(options).await.expect("a broker");
            let app = move || actix_web::App::new().configure(embed::mount(&broker));
            let server = actix_web::HttpServer::new(app).workers(1).disable_signals();
            let server = server.bind("127.0.0.1:0").expect("a port");
            tell.send(server.addrs()[0]).expect("the test waits");
            server.run().await
        })
    });
    let address = address.recv().expect("the service starts");
    let mut live = Client::connect(address);
    live.request("GET", "/live", &[], b"");
    live.final_head();
    live.expect("[live]\n");
    assert_eq!(
        Client::connect(address).post("/say", b"hello").status(),
        202
    );
    live.expect("hello\n");
    let body = body_of(&[stream_item("chat", "from elsewhere\n")]);
    let reply = Client::connect(address).post("/p8/publish", &body);
    assert_eq!(reply.status(), 200);
    live.expect("from elsewhere\n");
    let page = Client::connect(address).get("/ops/admin/");
    assert_eq!(page.status(), 200);
}

//! SockJS clients on HTTP/2: by polling, and by a WebSocket on a stream.

use crate::support::events::echo;
use crate::support::http2::{get, Http2Client};
use crate::support::ws::WsClient;
use crate::support::{Config, P8};

fn post(path: &str) -> http::Request<()> {
    let mut request = get(path, &[]);
    *request.method_mut() = http::Method::POST;
    request
}

#[test]
fn sockjs_is_spoken_on_streams() {
    let backend = echo();
    let config = Config::over_http_with("sockjs = \"/echo\"", &[backend.addr], "");
    let p8 = P8::start(&config);
    let mut client = Http2Client::connect(p8.clients);
    let info = client.get("/echo/info").text();
    assert!(info.contains("\"websocket\":true"), "{info}");

    let opened = client.request(post("/echo/000/poll/xhr"), b"");
    assert_eq!(opened.text(), "o\n");
    let polled = client.begin(post("/echo/000/poll/xhr"), true);
    let sent = client.request(post("/echo/000/poll/xhr_send"), br#"["by poll"]"#);
    assert_eq!(sent.status, 200);
    assert_eq!(client.finish(polled).text(), "a[\"by poll\"]\n");

    let path = "/echo/000/socket/websocket";
    let (headers, stream) = client.web_socket(path, &[]).expect("it accepts");
    let mut socket = WsClient::on_stream(&headers, stream);
    socket.expect_text("o");
    socket.send_text(r#"["by socket"]"#);
    socket.expect_text(r#"a["by socket"]"#);
    socket.close(1000, "");
    socket.expect_text(r#"c[1000,"Connection closed"]"#);
    socket.expect_close(1000);
}

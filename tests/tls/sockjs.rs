//! SockJS clients behind TLS: by WebSocket and by polling.

use tokio_tungstenite::tungstenite::{client, Message};

use super::Secure;
use crate::support::events::echo;
use crate::support::wait::DEADLINE;
use crate::support::{wait_until, Config};

#[test]
fn sockjs_is_spoken_over_tls() {
    let backend = echo();
    let config = Config::over_http_with("sockjs = \"/echo\"", &[backend.addr], "")
        .proxy("set_x_forwarded_protocol = \"proto-only\"");
    let secure = Secure::start(config);
    let info = secure.client().get("/echo/info").text();
    assert!(info.contains("\"websocket\":true"), "{info}");

    let connected = secure.trust.try_connect(secure.p8.secure(), "localhost");
    let stream = connected.expect("a handshake").0;
    let url = "wss://localhost/echo/000/socket/websocket";
    let (mut socket, _) = client(url, stream).expect("a handshake");
    assert_eq!(socket.read().expect("an opening"), Message::text("o"));
    socket
        .send(Message::text(r#"["by socket"]"#))
        .expect("sent");
    let back = socket.read().expect("an echo");
    assert_eq!(back, Message::text(r#"a["by socket"]"#));

    let (mut polls, mut sends) = (secure.client(), secure.client());
    assert_eq!(polls.post("/echo/000/poll/xhr", b"").text(), "o\n");
    polls.request("POST", "/echo/000/poll/xhr", &[], b"");
    let sent = sends.post("/echo/000/poll/xhr_send", br#"["by poll"]"#);
    assert_eq!(sent.status(), 200);
    assert_eq!(polls.reply().text(), "a[\"by poll\"]\n");

    for request in backend.seen() {
        let told = request.header("x-forwarded-proto");
        assert!(matches!(told, Some("https" | "wss")), "{told:?}");
    }
    socket.close(None).expect("a close");
    while socket.read().is_ok() {}
    wait_until(DEADLINE, "the socket to be gone", || {
        secure.p8.snapshot().total("sessions_current") <= 1
    });
}

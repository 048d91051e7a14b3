//! What the client says.

use super::*;

impl World {
    pub(super) fn client_speaks(&mut self) {
        if self.has_client_closed || !self.has_begun || !self.run.session.wants_client() {
            return;
        }
        let number = self.number();
        let is_taken = self.is_open() && !self.is_left && !self.has_disconnected;
        if self.rng.u8(..4) == 0 {
            let kind = ["ping", "pong"][self.rng.usize(..2)];
            return self.client_pings(kind, number, is_taken);
        }
        let is_first = self.client_message.is_none();
        let is_last = self.rng.u8(..3) > 0;
        let content = format!("c{number}");
        let before = if is_first { "" } else { "+" };
        let behind = if is_last { "" } else { "+" };
        let said = format!("text {before}{content}{behind}");
        let whole = self.client_message.take().unwrap_or_default() + &content;
        if !is_last {
            self.client_message = Some(whole);
        } else if is_taken {
            self.requests.sent.push_back((WsKind::Text, bytes(&whole)));
        }
        let lines = self.act(&format!("client {said}"));
        if self.is_direct {
            let expected = is_taken.then(|| format!("backend {said}"));
            assert_eq!(lines, Vec::from_iter(expected));
        }
    }

    pub(super) fn client_pings(&mut self, kind: &str, number: u32, is_taken: bool) {
        let answers = kind == "ping" && (self.run.session.route.auto_pong || self.is_left);
        let (is_open, said) = (self.is_open(), format!("{kind} c{number}"));
        if is_taken && !answers {
            let kind = match kind {
                "ping" => WsKind::Ping,
                _ => WsKind::Pong,
            };
            let sent = (kind, bytes(&format!("c{number}")));
            self.requests.sent.push_back(sent);
        }
        let lines = self.act(&format!("client {said}"));
        let pong = format!("client pong c{number}");
        let is_answered = answers && is_open;
        assert_eq!(lines.contains(&pong), is_answered, "{lines:?}");
        if self.is_direct && is_taken && !answers {
            assert_eq!(lines, [format!("backend {said}")]);
        }
    }

    pub(super) fn client_closes(&mut self) {
        if self.has_client_closed || !self.has_begun {
            return;
        }
        let text = ["close", "close 1000", "close 4999 bye"][self.rng.usize(..3)];
        if self.is_open() || self.client_close.is_none() {
            self.client_close = close(text.strip_prefix("close ").unwrap_or_default());
        }
        let is_told = self.heard.close_at.is_some();
        let (is_left, was_closed) = (self.is_left, self.pipe.closes);
        // Before the machine hears it, as what it wants is checked by it.
        self.has_client_closed = true;
        self.act(&format!("client {text}"));
        assert!(self.is_over() || !(is_told || is_left));
        if self.is_direct && !self.is_silent {
            assert!(was_closed + self.pipe.closes >= 1, "the backend hears it");
        }
    }
}

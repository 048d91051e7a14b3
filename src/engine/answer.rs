//! How the response to a proxied request is written on HTTP/1: its head, and what frames its body.
//!
//! Held responses have their own writer, `wire`. Source: RFC 9112 sections 4, 6, 7.1, 9.6; RFC 9110
//! sections 6.6.1 and 8.6.

use super::wire::{self, Reply};

/// How long a response says that its body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It has none, and says nothing of a length.
    None,
    /// So many bytes.
    Known(u64),
    /// As many as come.
    Unknown,
}

/// How the bytes of a body follow the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// None follow.
    Nothing,
    /// So many.
    Counted(u64),
    /// In chunks, with one at the end that is empty.
    Chunked,
    /// Until the connection ends.
    ToTheEnd,
}

/// A response about to be written.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// The phrase behind it.
    pub reason: &'a str,
    /// How long its body is.
    pub length: Length,
    /// A body of unknown length is not cut into chunks.
    pub is_unchunked: bool,
    /// Its headers advertise a protocol.
    pub has_upgrade: bool,
    /// What it must know of the request.
    pub reply: Reply,
}

impl Answer<'_> {
    /// Returns how the body follows.
    pub fn framed(&self) -> Framed {
        if !self.reply.has_body(self.status) {
            return Framed::Nothing;
        }
        match self.length {
            Length::None | Length::Known(0) => Framed::Nothing,
            Length::Known(length) => Framed::Counted(length),
            Length::Unknown if self.is_chunked() => Framed::Chunked,
            Length::Unknown => Framed::ToTheEnd,
        }
    }

    /// Tells whether another request may follow on the connection.
    pub fn keeps_connection(&self) -> bool {
        self.reply.keep_alive && self.framed() != Framed::ToTheEnd
    }

    fn is_chunked(&self) -> bool {
        !self.is_unchunked && !self.reply.http10
    }

    /// Writes the head: names in title case, `date` if `headers` have none.
    ///
    /// What `headers` say of the connection and of the framing gives way to what is so; a response of
    /// status 304, or of unknown length and without chunks, may name a length of its own.
    pub fn put_head<'h>(
        &self,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
        date: &[u8],
        out: &mut Vec<u8>,
    ) {
        wire::put_status_line(out, self.status, self.reason, self.reply.http10);
        let says_length = self.put_length(out);
        self.put_connection(out);
        let mut has_date = false;
        for (name, value) in headers {
            match name {
                "connection" => continue,
                "content-length" | "transfer-encoding" if !says_length => continue,
                "date" => has_date = true,
                _ => {}
            }
            wire::put_header(out, name, value);
        }
        if !has_date {
            wire::put_header(out, "date", date);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Writes what frames the body; true if that is left to the response's own headers.
    fn put_length(&self, out: &mut Vec<u8>) -> bool {
        match (self.status, self.length) {
            (304, _) => true,
            (status, _) if wire::is_bodiless(status) => false,
            (_, Length::None) => false,
            (_, Length::Known(length)) => {
                wire::put_content_length(out, length);
                false
            }
            (_, Length::Unknown) if self.is_chunked() => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                false
            }
            (_, Length::Unknown) => true,
        }
    }

    fn put_connection(&self, out: &mut Vec<u8>) {
        let said: &[u8] = match (self.keeps_connection(), self.reply.http10, self.has_upgrade) {
            (false, false, true) => b"Connection: close, upgrade\r\n",
            (true, true, true) => b"Connection: keep-alive, upgrade\r\n",
            (_, _, true) => b"Connection: Upgrade\r\n",
            (true, true, false) => b"Connection: keep-alive\r\n",
            (false, false, false) => b"Connection: close\r\n",
            (true, false, false) | (false, true, false) => b"",
        };
        out.extend_from_slice(said);
    }
}

/// Writes the line before a chunk of so many bytes.
pub fn put_chunk_line(out: &mut Vec<u8>, length: usize) {
    let mut digits = [0; 18];
    out.extend_from_slice(wire::hex_line(length, &mut digits));
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Reply = Reply {
        http10: false,
        keep_alive: true,
        head_only: false,
    };
    const OLD: Reply = Reply {
        http10: true,
        ..KEPT
    };
    const HEAD: Reply = Reply {
        head_only: true,
        ..KEPT
    };

    fn answer(status: u16, length: Length, reply: Reply) -> Answer<'static> {
        Answer {
            status,
            reason: "Said",
            length,
            is_unchunked: false,
            has_upgrade: false,
            reply,
        }
    }

    fn head(answer: &Answer<'_>, headers: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        answer.put_head(headers, b"today", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn heads_say_what_follows() {
        let own = [("content-length", "99"), ("connection", "x"), ("x-a", "b")];
        let (three, chunked) = ("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n");
        let closing = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
        let kept = "Content-Length: 3\r\nConnection: keep-alive\r\n";
        let (known, unknown) = (Length::Known(3), Length::Unknown);
        for (status, length, reply, framed, lines) in [
            (200, known, KEPT, Framed::Counted(3), three),
            (
                200,
                Length::Known(0),
                KEPT,
                Framed::Nothing,
                "Content-Length: 0\r\n",
            ),
            (200, Length::None, KEPT, Framed::Nothing, ""),
            (200, unknown, KEPT, Framed::Chunked, chunked),
            (200, unknown, Reply::CLOSING, Framed::Chunked, closing),
            (200, known, HEAD, Framed::Nothing, three),
            (200, unknown, HEAD, Framed::Nothing, chunked),
            (204, known, KEPT, Framed::Nothing, ""),
            (304, Length::None, KEPT, Framed::Nothing, ""),
            (200, known, OLD, Framed::Counted(3), kept),
            (200, unknown, OLD, Framed::ToTheEnd, ""),
        ] {
            let answer = answer(status, length, reply);
            assert_eq!(answer.framed(), framed, "{answer:?}");
            let version = if reply.http10 { "1.0" } else { "1.1" };
            let own_length = match (status, framed) {
                (304, _) | (_, Framed::ToTheEnd) => "Content-Length: 99\r\n",
                _ => "",
            };
            let expected = format!(
                "HTTP/{version} {status} Said\r\n{lines}{own_length}X-A: b\r\nDate: today\r\n\r\n"
            );
            assert_eq!(head(&answer, &own), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_protocol_is_advertised_with_its_connection_option() {
        let advertised = |reply| {
            let answer = Answer {
                has_upgrade: true,
                ..answer(426, Length::Known(0), reply)
            };
            let head = head(&answer, &[("upgrade", "x"), ("date", "then")]);
            assert!(head.ends_with("Upgrade: x\r\nDate: then\r\n\r\n"), "{head}");
            head.lines().nth(2).unwrap().to_owned()
        };
        assert_eq!(advertised(KEPT), "Connection: Upgrade");
        assert_eq!(advertised(Reply::CLOSING), "Connection: close, upgrade");
        assert_eq!(advertised(OLD), "Connection: keep-alive, upgrade");
    }

    #[test]
    fn what_only_the_end_of_the_connection_ends_keeps_no_connection() {
        let stream = Answer {
            is_unchunked: true,
            ..answer(200, Length::Unknown, KEPT)
        };
        assert_eq!(stream.framed(), Framed::ToTheEnd);
        assert!(!stream.keeps_connection());
        assert!(head(&stream, &[]).contains("Connection: close"));
        let mut line = Vec::new();
        put_chunk_line(&mut line, 0x1f4);
        assert_eq!(line, b"1f4\r\n");
    }
}

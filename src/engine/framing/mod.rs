//! The guard before the HTTP/1 parser: decides which received bytes belong to the current request.
//!
//! It sees every byte of a client connection first. It lets pass one complete and checked head, then
//! exactly that request's body, and nothing more until the response is finished. So nothing unread can
//! sit in the parser behind it when a socket is taken away, and nothing that two parsers could read in
//! two ways ever reaches it. It reads no socket, keeps no bytes, and does not decode bodies.
//!
//! ```text
//! Head --PassHead--> Counted | Chunked --PassBody...--> Passed --next_request--> Head
//!   \----- no body -------------------------------------^      any fault --> Refused, for good
//! ```
//!
//! Source: RFC 9112 sections 2 to 7; `docs/compatibility.md` for the texts sent to clients.

mod chunked;
mod error;
mod head;
mod http2;
mod rewrite;
mod target;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use error::FramingError;
pub use http2::{SameRequest, StreamHead};

use chunked::{Chunked, Step};
use head::HeadScan;

/// Bounds the request head.
///
/// **Bounds**: the head counts from the request line to the empty line; both values are lowered to what
/// the parser behind the guard can take (65,536 bytes, 94 headers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramingLimits {
    /// Longest head that passes, in bytes.
    pub head_bytes_max: usize,
    /// Most headers that pass.
    pub headers_max: usize,
}

impl Default for FramingLimits {
    fn default() -> Self {
        FramingLimits {
            head_bytes_max: 8_192,
            headers_max: 64,
        }
    }
}

/// Says what to do with the waiting bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing may pass before more bytes arrive.
    NeedMore,
    /// The head of the next request passes.
    PassHead {
        /// How many waiting bytes the head takes up.
        len: usize,
        /// What to pass instead of those bytes.
        rewritten: Option<Bytes>,
        /// What the head says about the connection and the body.
        head: HeadFacts,
    },
    /// So many waiting bytes are body, and pass.
    PassBody(usize),
    /// The request has passed whole; what waits belongs to the next one.
    Complete,
    /// Nothing more may pass on this connection, which is closed: after the error's answer, or without
    /// one when a response has begun.
    Refuse(FramingError),
}

/// What a passed head says about the connection and the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadFacts {
    /// The client speaks HTTP/1.0.
    pub http10: bool,
    /// The client allows another request on this connection.
    pub keep_alive: bool,
    /// The method is HEAD.
    pub method_is_head: bool,
    /// How the body is framed.
    pub body: Body,
    /// What the client wants to upgrade to.
    pub upgrade: Upgrade,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
}

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// No body was announced.
    None,
    /// `Content-Length`; may be 0.
    Counted(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What a client wants to upgrade to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing.
    None,
    /// Something that is not served: HTTP by another name (`h2c`, `HTTP/2.0`, `TLS/1.0`), whose requests
    /// would pass the routes by; any upgrade on HTTP/1.0, of a request with a body, or without the
    /// connection option. The passed head no longer says so: the request is answered as if it had not asked.
    Ignored,
    /// A protocol that only its backend knows. The passed head names it in `Upgrade`, but has lost the
    /// connection option: actix-http reads the request as any other.
    Other,
    /// WebSocket. actix-http reads all that follows the head as an endless payload, so the connection
    /// is either taken over or closed after the answer.
    WebSocket,
}

/// Follows the requests of one client connection.
#[derive(Debug)]
pub struct Framing {
    head_bytes_max: u32,
    headers_max: u16,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadScan),
    Counted(u64),
    Chunked(Chunked),
    Passed,
    Refused(FramingError),
}

impl Framing {
    /// Starts before the first request of a connection.
    pub fn new(limits: FramingLimits) -> Self {
        Framing {
            head_bytes_max: limits.head_bytes_max.min(65_536) as u32,
            headers_max: limits.headers_max.min(94) as u16,
            state: State::Head(HeadScan::default()),
        }
    }

    /// Judges the bytes that were received and have not passed yet.
    ///
    /// A verdict to pass counts as carried out: the next call starts behind the passed bytes. After
    /// `NeedMore` the next call repeats the same bytes with more behind them. Each byte is looked at a
    /// bounded number of times however the input is cut.
    pub fn on_bytes(&mut self, waiting: &[u8]) -> Verdict {
        match &mut self.state {
            State::Head(_) => self.on_head(waiting),
            State::Counted(left) => {
                let n = waiting
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                if n == 0 {
                    return Verdict::NeedMore;
                }
                self.on_counted_body(n as u64);
                Verdict::PassBody(n)
            }
            State::Chunked(chunked) => {
                if waiting.is_empty() {
                    return Verdict::NeedMore;
                }
                let (n, step) = chunked.advance(waiting);
                match step {
                    Step::More => {}
                    Step::Ended => self.state = State::Passed,
                    Step::Refused(error) => self.state = State::Refused(error),
                }
                match &self.state {
                    State::Refused(error) if n == 0 => Verdict::Refuse(*error),
                    _ => Verdict::PassBody(n),
                }
            }
            State::Passed => Verdict::Complete,
            State::Refused(error) => Verdict::Refuse(*error),
        }
    }

    /// Returns how many bytes of a `Content-Length` body have not passed yet; `None` outside such a body.
    ///
    /// While nothing waits, up to so many bytes may be read from the socket straight past the guard.
    pub fn counted_body_left(&self) -> Option<u64> {
        match self.state {
            State::Counted(left) => Some(left),
            _ => None,
        }
    }

    /// Notes that `n` bytes of a `Content-Length` body passed.
    ///
    /// **Bounds**: at most `counted_body_left()`; more counts as that many.
    pub fn on_counted_body(&mut self, n: u64) {
        if let State::Counted(left) = &mut self.state {
            debug_assert!(n <= *left, "more passed than the body has left");
            *left = left.saturating_sub(n);
            if *left == 0 {
                self.state = State::Passed;
            }
        }
    }

    /// Tells whether the current request has passed whole.
    pub fn is_request_complete(&self) -> bool {
        matches!(self.state, State::Passed)
    }

    /// Tells whether nothing of the next request has passed.
    pub fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Lets the next request pass, once the response is finished.
    ///
    /// Without effect while the current request has not passed whole.
    pub fn next_request(&mut self) {
        if self.is_request_complete() {
            self.state = State::Head(HeadScan::default());
        }
    }

    fn on_head(&mut self, waiting: &[u8]) -> Verdict {
        let State::Head(scan) = &mut self.state else {
            return Verdict::NeedMore;
        };
        let passed = match scan.advance(waiting, self.head_bytes_max, self.headers_max) {
            Ok(None) => return Verdict::NeedMore,
            Ok(Some(range)) => waiting
                .get(range.clone())
                .ok_or(FramingError::InvalidToken)
                .and_then(|bytes| head::check(bytes, range.start > 0))
                .map(|(head, rewritten)| (range.end, head, rewritten)),
            Err(error) => Err(error),
        };
        match passed {
            Ok((len, head, rewritten)) => {
                self.state = match head.body {
                    Body::None | Body::Counted(0) => State::Passed,
                    Body::Counted(left) => State::Counted(left),
                    Body::Chunked => State::Chunked(Chunked::default()),
                };
                Verdict::PassHead {
                    len,
                    rewritten,
                    head,
                }
            }
            Err(error) => {
                self.state = State::Refused(error);
                Verdict::Refuse(error)
            }
        }
    }
}

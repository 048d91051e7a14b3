//! Reads the requests of a client connection: which received bytes belong to the current one, and how.
//!
//! It lets pass one complete and checked head, then exactly that request's body, and nothing more until
//! the response is finished. What two parsers could read in two ways is refused, so that a backend sees
//! what was judged here. It reads no socket and keeps no bytes.
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
mod whole;

use std::ops::Range;

use bytes::Bytes;

pub use error::FramingError;
pub use http2::{SameRequest, StreamHead};

use chunked::{Chunked, Step};
use head::HeadScan;
use whole::Checked;

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
        /// Where its parts lie in what passes.
        fields: Fields,
    },
    /// Waiting bytes are body, and pass.
    PassBody {
        /// How many.
        len: usize,
        /// Which of them are content: all, but for chunk lines and trailers.
        content: Range<usize>,
    },
    /// The request has passed whole; what waits belongs to the next one.
    Complete,
    /// Nothing more may pass on this connection, which is closed: after the error's answer, or without
    /// one when a response has begun.
    Refuse(FramingError),
}

/// Where the parts of a head lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The method.
    pub method: Span,
    /// The target.
    pub target: Span,
    /// Names and values of the headers, in order; values without the blanks around them.
    pub headers: Vec<(Span, Span)>,
}

/// Some of the bytes of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    from: u32,
    to: u32,
}

impl Span {
    /// Returns the part of a head.
    pub fn of<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        head.get(self.from as usize..self.to as usize)
            .unwrap_or_default()
    }

    /// Returns the part of a head, sharing its memory.
    pub fn shared(&self, head: &Bytes) -> Bytes {
        let to = head.len().min(self.to as usize);
        head.slice(to.min(self.from as usize)..to)
    }
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
    /// connection option: the request is read as any other.
    Other,
    /// WebSocket. All that follows the head belongs to it: the connection is either taken over or closed
    /// after the answer.
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
                Verdict::PassBody {
                    len: n,
                    content: 0..n,
                }
            }
            State::Chunked(chunked) => {
                if waiting.is_empty() {
                    return Verdict::NeedMore;
                }
                let (len, content, step) = chunked.advance(waiting);
                match step {
                    Step::More => {}
                    Step::Ended => self.state = State::Passed,
                    Step::Refused(error) => self.state = State::Refused(error),
                }
                match &self.state {
                    State::Refused(error) if len == 0 => Verdict::Refuse(*error),
                    _ => Verdict::PassBody { len, content },
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
        let (bytes_max, headers_max) = (self.head_bytes_max, self.headers_max);
        let is_new = scan.is_new();
        let at_once = is_new.then(|| whole::check_at_once(waiting, bytes_max, headers_max));
        let passed = match at_once.flatten() {
            Some(passed) => Ok(passed),
            None => match scan.advance(waiting, bytes_max, headers_max) {
                Ok(None) => return Verdict::NeedMore,
                Ok(Some(range)) => waiting
                    .get(range.clone())
                    .ok_or(FramingError::InvalidToken)
                    .and_then(|bytes| whole::check(bytes, range.start > 0))
                    .map(|checked| (range.end, checked)),
                Err(error) => Err(error),
            },
        };
        match passed {
            Ok((len, checked)) => {
                let Checked {
                    facts: head,
                    rewritten,
                    fields,
                } = checked;
                self.state = match head.body {
                    Body::None | Body::Counted(0) => State::Passed,
                    Body::Counted(left) => State::Counted(left),
                    Body::Chunked => State::Chunked(Chunked::default()),
                };
                Verdict::PassHead {
                    len,
                    rewritten,
                    head,
                    fields,
                }
            }
            Err(error) => {
                self.state = State::Refused(error);
                Verdict::Refuse(error)
            }
        }
    }
}

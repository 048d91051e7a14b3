//! ZMTP 3.0, the protocol under ZeroMQ's sockets, without security (NULL): for one side of one
//! connection.
//!
//! ```text
//! greeting (64 bytes each way) ─▶ READY each way, with the kind of socket ─▶ messages of frames
//! frame = flags (1 more, 2 long, 4 command)  length (1 byte, or 8)  content
//! subscription = a message of one frame: 1 (from now on) or 0 (no more), and the topic
//! ```
//!
//! ZMTP 3.1 has commands for subscriptions. This side says that it speaks 3.0, so peers send messages;
//! a command is taken all the same, as the message that means the same.
//!
//! **Bounds**: a message has at most [`FRAMES_MAX`] frames and [`MESSAGE_MAX`] bytes, known before any of
//! it is kept; a command has at most 1,000 bytes. Source: <https://rfc.zeromq.org/spec/23/>.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Frames of one message.
pub const FRAMES_MAX: usize = 8;

/// Bytes of one message: a body of 1,000,000 and what is around it.
pub const MESSAGE_MAX: usize = 1_200_000;

/// Bytes of a command.
const COMMAND_MAX: usize = 1_000;

/// Bytes of a greeting.
const GREETING: usize = 64;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// What this side's socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// Deals requests out, and takes the answers.
    Dealer,
    /// Takes what is pushed.
    Pull,
    /// Takes what is published, as far as it has subscribed.
    Sub,
    /// Answers requests.
    Rep,
    /// Publishes to those who have subscribed.
    Pub,
}

impl SocketKind {
    /// Returns its name, as `READY` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dealer => "DEALER",
            Self::Pull => "PULL",
            Self::Sub => "SUB",
            Self::Rep => "REP",
            Self::Pub => "PUB",
        }
    }

    /// Returns the kinds of sockets that it can talk to.
    pub fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Dealer => &["REP", "DEALER", "ROUTER"],
            Self::Pull => &["PUSH"],
            Self::Sub => &["PUB", "XPUB"],
            Self::Rep => &["REQ", "DEALER"],
            Self::Pub => &["SUB", "XSUB"],
        }
    }
}

/// What a peer has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// It has greeted; now it waits for [`ready`].
    Greeted,
    /// It is ready for messages.
    Ready,
    /// A message, its frames in order.
    Message(Vec<Bytes>),
    /// It wants to be answered with this.
    Ping(Bytes),
}

/// Says why a peer is no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZmtpError {
    /// It does not begin as ZMTP 3 does.
    #[error("expected a greeting of ZMTP 3")]
    Greeting,
    /// It wants to be authenticated.
    #[error("expected the mechanism NULL")]
    Mechanism,
    /// Its first command is not `READY`.
    #[error("expected the command READY")]
    Handshake,
    /// Its socket is none that this one can talk to.
    #[error("expected a socket of one of the kinds {0:?}")]
    SocketType(&'static [&'static str]),
    /// A frame has unknown flags.
    #[error("expected a frame with known flags")]
    Flags,
    /// Past the bounds.
    #[error("message over 1200000 bytes or 8 frames, or command over 1000 bytes")]
    TooLong,
}

/// Returns the greeting that each side begins with.
pub fn greeting() -> Bytes {
    let mut greeting = [0; GREETING];
    let parts: [(usize, &[u8]); 3] = [(0, &[0xff]), (9, &[0x7f, 3, 0]), (12, b"NULL")];
    for (at, part) in parts {
        for (place, byte) in greeting.iter_mut().skip(at).zip(part) {
            *place = *byte;
        }
    }
    Bytes::copy_from_slice(&greeting)
}

/// Returns the command that says what this side is.
pub fn ready(kind: SocketKind) -> Bytes {
    let name = kind.name();
    let mut property = b"\x0bSocket-Type\x00\x00\x00".to_vec();
    property.push(name.len() as u8);
    property.extend_from_slice(name.as_bytes());
    command(b"READY", &property)
}

/// Returns the answer to a ping.
pub fn pong(context: &[u8]) -> Bytes {
    command(b"PONG", context)
}

fn command(name: &[u8], rest: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(COMMAND);
    bytes.put_u8((1 + name.len() + rest.len()) as u8);
    bytes.put_u8(name.len() as u8);
    bytes.put_slice(name);
    bytes.put_slice(rest);
    bytes.freeze()
}

/// Returns a message of these frames.
pub fn message<F: AsRef<[u8]>>(frames: &[F]) -> Bytes {
    let length: usize = frames.iter().map(|frame| frame.as_ref().len() + 9).sum();
    let mut bytes = BytesMut::with_capacity(length);
    let last = frames.len().saturating_sub(1);
    for (index, frame) in frames.iter().map(AsRef::as_ref).enumerate() {
        let more = if index < last { MORE } else { 0 };
        match u8::try_from(frame.len()) {
            Ok(length) => bytes.put_slice(&[more, length]),
            Err(_) => {
                bytes.put_u8(more | LONG);
                bytes.put_u64(frame.len() as u64);
            }
        }
        bytes.put_slice(frame);
    }
    bytes.freeze()
}

/// Returns the message that subscribes to a topic, or ends that.
pub fn subscription(topic: &[u8], is_wanted: bool) -> Bytes {
    message(&[[&[u8::from(is_wanted)], topic].concat()])
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Greeting,
    Handshake,
    Traffic,
}

/// Reads what a peer sends.
#[derive(Debug)]
pub struct Decoder {
    kind: SocketKind,
    state: State,
    frames: Vec<Bytes>,
}

impl Decoder {
    /// Makes the reader of one connection of such a socket.
    pub fn new(kind: SocketKind) -> Decoder {
        Decoder {
            kind,
            state: State::default(),
            frames: Vec::new(),
        }
    }

    /// Takes the next thing out of what has come; none if it is not all there.
    ///
    /// **Errors**: the peer is of no use any more.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Received>, ZmtpError> {
        if self.state == State::Greeting {
            return self.greeted(input);
        }
        while let Some((flags, content)) = self.frame(input)? {
            if flags & COMMAND != 0 {
                match self.command(content)? {
                    Some(received) => return Ok(Some(received)),
                    None => continue,
                }
            }
            if self.state != State::Traffic {
                return Err(ZmtpError::Handshake);
            }
            self.frames.push(content);
            if flags & MORE == 0 {
                return Ok(Some(Received::Message(std::mem::take(&mut self.frames))));
            }
        }
        Ok(None)
    }

    fn greeted(&mut self, input: &mut BytesMut) -> Result<Option<Received>, ZmtpError> {
        let is = |at: usize, fits: fn(u8) -> bool| input.get(at).is_none_or(|byte| fits(*byte));
        let is_zmtp = is(0, |byte| byte == 0xff) && is(9, |byte| byte & 1 == 1);
        if !is_zmtp || !is(10, |version| version >= 3) {
            return Err(ZmtpError::Greeting);
        }
        if input.len() < GREETING {
            return Ok(None);
        }
        let greeting = input.split_to(GREETING);
        if !greeting
            .get(12..32)
            .is_some_and(|name| name.starts_with(b"NULL\0"))
        {
            return Err(ZmtpError::Mechanism);
        }
        self.state = State::Handshake;
        Ok(Some(Received::Greeted))
    }

    /// Cuts a frame off, if it is all there.
    fn frame(&self, input: &mut BytesMut) -> Result<Option<(u8, Bytes)>, ZmtpError> {
        let mut head = &input[..];
        let Ok(flags) = head.try_get_u8() else {
            return Ok(None);
        };
        let is_command = flags & COMMAND != 0;
        if flags & !(MORE | LONG | COMMAND) != 0 || (is_command && flags & MORE != 0) {
            return Err(ZmtpError::Flags);
        }
        let length = if flags & LONG == 0 {
            head.try_get_u8().map(u64::from)
        } else {
            head.try_get_u64()
        };
        let Ok(length) = length else {
            return Ok(None);
        };
        let earlier: usize = self.frames.iter().map(Bytes::len).sum();
        let max = if is_command {
            COMMAND_MAX
        } else {
            MESSAGE_MAX - earlier
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= max);
        let length = length.ok_or(ZmtpError::TooLong)?;
        if !is_command && self.frames.len() >= FRAMES_MAX {
            return Err(ZmtpError::TooLong);
        }
        if head.len() < length {
            return Ok(None);
        }
        input.advance(input.len() - head.len());
        Ok(Some((flags, input.split_to(length).freeze())))
    }

    /// Reads a command; those that are not known are passed over.
    fn command(&mut self, mut content: Bytes) -> Result<Option<Received>, ZmtpError> {
        let length = content.try_get_u8().map_err(|_| ZmtpError::Handshake)?;
        let length = usize::from(length);
        if content.len() < length {
            return Err(ZmtpError::Handshake);
        }
        let name = content.split_to(length);
        match (&name[..], self.state) {
            (b"READY", State::Handshake) => {
                let kind = socket_type(content).ok_or(ZmtpError::Handshake)?;
                let peers = self.kind.peers();
                if !peers.iter().any(|peer| peer.as_bytes() == kind) {
                    return Err(ZmtpError::SocketType(peers));
                }
                self.state = State::Traffic;
                Ok(Some(Received::Ready))
            }
            (_, State::Handshake) => Err(ZmtpError::Handshake),
            // Behind the name: how long the peer waits, and what comes back.
            (b"PING", _) if content.len() >= 2 => Ok(Some(Received::Ping(content.split_off(2)))),
            (b"SUBSCRIBE" | b"CANCEL", _) if self.kind == SocketKind::Pub => {
                let is_wanted = name == "SUBSCRIBE";
                let topic = [&[u8::from(is_wanted)], &content[..]].concat();
                Ok(Some(Received::Message(vec![topic.into()])))
            }
            _ => Ok(None),
        }
    }
}

/// Finds the property `Socket-Type` of a `READY`.
fn socket_type(mut properties: Bytes) -> Option<Bytes> {
    loop {
        let name = usize::from(properties.try_get_u8().ok()?);
        let name = (properties.len() >= name).then(|| properties.split_to(name))?;
        let value = usize::try_from(properties.try_get_u32().ok()?).ok()?;
        let value = (properties.len() >= value).then(|| properties.split_to(value))?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests;

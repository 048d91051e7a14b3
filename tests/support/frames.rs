//! WebSocket frames by RFC 6455, compressed by RFC 7692, as the tests write and read them; nothing
//! of P-8's is in it. What is read is checked in every bit, and a mistake fails the test.

use std::io::{self, Read};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The bit that marks a compressed message.
pub const RSV1: u8 = 4;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    /// The three reserved bits.
    pub rsv: u8,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
        Frame {
            fin: true,
            rsv: 0,
            opcode,
            payload: payload.as_ref().to_vec(),
        }
    }

    /// A close frame with a code.
    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Frame {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_ref());
        Frame::new(CLOSE, payload)
    }

    /// The same, with more of its message to come.
    pub fn unfinished(mut self) -> Frame {
        self.fin = false;
        self
    }

    /// The same, with these reserved bits.
    pub fn reserved(mut self, rsv: u8) -> Frame {
        self.rsv = rsv;
        self
    }

    /// Its bytes, masked as a client's are or not.
    pub fn encode(&self, masked: bool) -> Vec<u8> {
        let first = (u8::from(self.fin) << 7) | (self.rsv << 4) | self.opcode;
        let mask = masked.then(|| fastrand::u32(..).to_be_bytes());
        let mut bytes = header(first, self.payload.len() as u64, mask);
        let at = bytes.len();
        bytes.extend_from_slice(&self.payload);
        if let Some(mask) = mask {
            apply(mask, &mut bytes[at..]);
        }
        bytes
    }
}

/// The bytes before a payload of that length.
pub fn header(first: u8, length: u64, mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = u8::from(mask.is_some()) << 7;
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => bytes.push(bit | short),
        (_, Ok(two)) => {
            bytes.push(bit | 126);
            bytes.extend_from_slice(&two.to_be_bytes());
        }
        _ => {
            bytes.push(bit | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend(mask.into_iter().flatten());
    bytes
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    for (n, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[n % 4];
    }
}

/// Reads a frame; an error of kind `UnexpectedEof` is the connection's end.
#[track_caller]
pub fn read_frame(input: &mut impl Read, masked: bool) -> io::Result<Frame> {
    let mut two = [0; 2];
    input.read_exact(&mut two)?;
    let length = read_length(input, two[1] & 0x7f)?;
    let (fin, rsv, opcode) = (two[0] & 0x80 != 0, (two[0] >> 4) & 7, two[0] & 15);
    assert_eq!(two[1] & 0x80 != 0, masked, "the mask bit");
    assert_eq!(rsv & 3, 0, "RSV2 and RSV3 have no meaning");
    if matches!(opcode, CLOSE | PING | PONG) {
        assert!(fin && rsv == 0 && length <= 125, "a control frame is small");
    } else {
        assert!(matches!(opcode, CONTINUATION..=BINARY), "opcode {opcode}");
    }
    let mut mask = [0; 4];
    if masked {
        input.read_exact(&mut mask)?;
    }
    let mut payload = Vec::new();
    input.take(length).read_to_end(&mut payload)?;
    if (payload.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    apply(mask, &mut payload);
    Ok(Frame {
        fin,
        rsv,
        opcode,
        payload,
    })
}

#[track_caller]
fn read_length(input: &mut impl Read, seven: u8) -> io::Result<u64> {
    let length = match seven {
        126 => {
            let mut two = [0; 2];
            input.read_exact(&mut two)?;
            u64::from(u16::from_be_bytes(two))
        }
        127 => {
            let mut eight = [0; 8];
            input.read_exact(&mut eight)?;
            u64::from_be_bytes(eight)
        }
        short => u64::from(short),
    };
    let least = [(126, 126), (127, 0x1_0000)].into_iter();
    let least = least.filter(|(form, _)| *form == seven).map(|(_, n)| n);
    assert!(length >= least.max().unwrap_or(0), "the shortest length");
    assert!(length < 1 << 63, "a length of 63 bits");
    Ok(length)
}

/// What comes over a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Eof,
}

/// Puts frames together to what they mean.
#[derive(Default)]
pub struct Assembly {
    partial: Option<Frame>,
    pub deflate: Option<Deflate>,
}

impl Assembly {
    /// Takes the next frame; gives what is complete with it.
    #[track_caller]
    pub fn take(&mut self, frame: Frame) -> Option<Event> {
        match frame.opcode {
            PING => return Some(Event::Ping(frame.payload)),
            PONG => return Some(Event::Pong(frame.payload)),
            CLOSE => return Some(Event::Close(close_of(&frame.payload))),
            CONTINUATION => {
                let partial = self.partial.as_mut().expect("something to continue");
                assert_eq!(frame.rsv, 0, "only a message's first frame is marked");
                partial.payload.extend_from_slice(&frame.payload);
                partial.fin = frame.fin;
            }
            _ => {
                assert!(self.partial.is_none(), "a message inside another one");
                self.partial = Some(frame);
            }
        }
        let whole = self.partial.take_if(|partial| partial.fin)?;
        let payload = match (whole.rsv, &mut self.deflate) {
            (0, _) => whole.payload,
            (_, Some(deflate)) => deflate.decompress(&whole.payload),
            (rsv, None) => panic!("reserved bits {rsv} without compression"),
        };
        Some(match whole.opcode {
            TEXT => Event::Text(String::from_utf8(payload).expect("text is UTF-8")),
            _ => Event::Binary(payload),
        })
    }
}

#[track_caller]
fn close_of(payload: &[u8]) -> Option<(u16, String)> {
    if payload.is_empty() {
        return None;
    }
    let (code, reason) = payload.split_at_checked(2).expect("a code of two bytes");
    let code = u16::from_be_bytes([code[0], code[1]]);
    let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    assert!(may_be_sent, "code {code} is never sent");
    let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
    Some((code, reason))
}

/// What ends each compressed message and is left out of it.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Both directions of permessage-deflate.
pub struct Deflate {
    compress: Compress,
    decompress: Decompress,
    /// Whether what was sent, and what came, helps to compress what follows it.
    keeps: (bool, bool),
}

impl Deflate {
    pub fn new(keeps: (bool, bool)) -> Deflate {
        Deflate {
            compress: Compress::new(Compression::default(), false),
            decompress: Decompress::new(false),
            keeps,
        }
    }

    pub fn compress(&mut self, payload: &[u8]) -> Vec<u8> {
        let begin = self.compress.total_in();
        let mut out = Vec::with_capacity(payload.len() / 2 + 64);
        loop {
            let read = usize::try_from(self.compress.total_in() - begin).expect("a size");
            let rest = &payload[read..];
            let done = self
                .compress
                .compress_vec(rest, &mut out, FlushCompress::Sync);
            done.expect("it compresses");
            let read = self.compress.total_in() - begin;
            if read == payload.len() as u64 && out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len() + 64);
        }
        if !self.keeps.0 {
            self.compress.reset();
        }
        assert!(out.ends_with(&TAIL), "a flushed message");
        out.truncate(out.len() - TAIL.len());
        out
    }

    #[track_caller]
    pub fn decompress(&mut self, payload: &[u8]) -> Vec<u8> {
        let begin = self.decompress.total_in();
        let input = [payload, &TAIL].concat();
        let mut out = Vec::with_capacity(payload.len() * 2 + 64);
        loop {
            let read = usize::try_from(self.decompress.total_in() - begin).expect("a size");
            let rest = &input[read..];
            let done = self
                .decompress
                .decompress_vec(rest, &mut out, FlushDecompress::Sync);
            let ended = done.expect("deflated bytes") == Status::StreamEnd;
            let read = self.decompress.total_in() - begin;
            if ended || (read == input.len() as u64 && out.len() < out.capacity()) {
                break;
            }
            out.reserve(out.len() + 64);
        }
        if !self.keeps.1 {
            self.decompress.reset(false);
        }
        out
    }
}

//! A backend's own WebSocket: what it sends is read as far as the session wants it, and what it is sent
//! waits here, bounded.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::{io::ReadBuf, sync::Notify};

use super::{tell, SocketEvent, LAST_WORDS};
use crate::{
    actors::{
        edge::{Edge, Membership},
        ports::BackendStream,
    },
    engine::{
        fan_out::SessionKey,
        web_socket::{FromBackend, ToBackend},
        ws::{self, Decoder, DecoderOptions, Opcode, Received, Sender},
    },
};

/// Bytes that wait for a backend past which its client is not read.
const WAITING_MAX: usize = 200_000;

/// Bytes read from a backend at once.
const READ_MAX: usize = 16_384;

/// A backend's stream, and what it sent right behind its answer to the handshake.
pub struct Direct {
    /// The stream.
    pub stream: Box<dyn BackendStream>,
    /// What was read of it.
    pub read: Bytes,
}

/// A session's end of its backend's WebSocket.
pub struct DirectLink {
    decoder: Decoder,
    /// Until the session begins.
    direct: Option<Direct>,
    pipe: Rc<Pipe>,
}

/// What the session and the task of its backend's stream share.
#[derive(Default)]
struct Pipe {
    queue: RefCell<VecDeque<Bytes>>,
    waiting: Cell<usize>,
    /// The session waits for room.
    is_full: Cell<bool>,
    /// What was read last has been taken, and more is wanted.
    is_wanted: Cell<bool>,
    /// Nothing more is said.
    is_ended: Cell<bool>,
    bell: Notify,
}

impl DirectLink {
    /// Takes over a stream on which both sides have switched to WebSocket.
    pub fn new(direct: Direct) -> Box<Self> {
        Box::new(Self {
            decoder: Decoder::new(DecoderOptions {
                sender: Sender::Backend,
                message_max: usize::MAX,
                has_deflate: false,
            }),
            direct: Some(direct),
            pipe: Rc::default(),
        })
    }

    /// Begins to read and write.
    pub(super) fn begin(&mut self, membership: &Membership) {
        let Some(direct) = self.direct.take() else {
            return;
        };
        let (edge, place) = (membership.edge().clone(), membership.place());
        self.pipe.is_wanted.set(true);
        let pipe = self.pipe.clone();
        actix_rt::spawn(async move {
            let session = (edge, place);
            let is_told = run(direct, &pipe, &session).await.is_err() || !pipe.is_ended.get();
            if is_told {
                tell(&session.0, session.1, SocketEvent::BackendGone);
            }
        });
    }

    /// Reads what the backend has sent.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Vec<FromBackend> {
        let mut received = Vec::new();
        let read = self.decoder.on_bytes(bytes, &mut received);
        let said = received.into_iter().map(|received| match received {
            Received::Part(part) => FromBackend::Part(part),
            Received::Ping(content) => FromBackend::Ping(content),
            Received::Pong(content) => FromBackend::Pong(content),
            Received::Close(close) => FromBackend::Close(close),
        });
        said.chain(read.err().map(FromBackend::Error)).collect()
    }

    /// Reads on, if more is wanted now.
    pub(super) fn go_on(&self, is_wanted: bool) {
        if is_wanted && !self.pipe.is_wanted.replace(true) {
            self.pipe.bell.notify_one();
        }
    }

    /// Puts a frame behind those that wait; true if too much waits now.
    pub(super) fn say(&self, said: ToBackend) -> bool {
        let key = fastrand::u32(..).to_ne_bytes();
        let frame = match said {
            // The key of the client's own frame: whoever wrote the content could not choose it.
            ToBackend::Part(part) => {
                let opcode = match part.is_first {
                    true => Opcode::from(part.kind),
                    false => Opcode::Continuation,
                };
                ws::masked_frame(opcode, &part.content, part.is_last, part.key)
            }
            ToBackend::Ping(content) => ws::masked_frame(Opcode::Ping, &content, true, key),
            ToBackend::Pong(content) => ws::masked_frame(Opcode::Pong, &content, true, key),
            ToBackend::Close(close) => {
                let payload = ws::close_payload(close.as_ref());
                ws::masked_frame(Opcode::Close, &payload, true, key)
            }
        };
        let pipe = &self.pipe;
        let waiting = pipe.waiting.get() + frame.len();
        pipe.waiting.set(waiting);
        pipe.queue.borrow_mut().push_back(frame);
        pipe.bell.notify_one();
        let is_full = waiting > WAITING_MAX;
        pipe.is_full.set(is_full);
        is_full
    }
}

/// Nothing more is said: the connection ends when the backend has read the rest, or does not.
impl Drop for DirectLink {
    fn drop(&mut self) {
        self.pipe.is_ended.set(true);
        self.pipe.bell.notify_one();
    }
}

type Session = (Rc<Edge>, (SessionKey, u64));

/// Reads and writes until one of the ends is over.
async fn run(direct: Direct, pipe: &Pipe, session: &Session) -> io::Result<()> {
    let Direct { mut stream, read } = direct;
    if !read.is_empty() {
        pass_on(&read, pipe, session);
    }
    let mut is_writable = false;
    let mut is_flushed = true;
    while !pipe.is_ended.get() {
        let wanted = pipe.is_wanted.get();
        let has_output = !pipe.queue.borrow().is_empty();
        let step = tokio::select! {
            biased;
            step = poll_fn(|cx| {
                if has_output {
                    if let ready @ Poll::Ready(_) = poll_write(&mut *stream, pipe, cx) {
                        return ready;
                    }
                } else if !is_flushed && Pin::new(&mut *stream).poll_flush(cx)?.is_ready() {
                    is_flushed = true;
                }
                match wanted {
                    true => poll_read(&mut *stream, cx),
                    false => Poll::Pending,
                }
            }) => step?,
            () = pipe.bell.notified() => Step::Rung,
        };
        match step {
            Step::Read(bytes) if bytes.is_empty() => {
                return Err(io::ErrorKind::UnexpectedEof.into())
            }
            Step::Read(bytes) => pass_on(&bytes, pipe, session),
            // With TLS the stream itself may still keep some of it.
            Step::Written => (is_writable, is_flushed) = (true, false),
            Step::Rung => {}
        }
        if is_writable && pipe.waiting.get() < WAITING_MAX / 2 && pipe.is_full.replace(false) {
            tell(&session.0, session.1, SocketEvent::BackendWritten);
        }
    }
    let last_words = async {
        while !pipe.queue.borrow().is_empty() {
            poll_fn(|cx| poll_write(&mut *stream, pipe, cx)).await?;
        }
        tokio::io::AsyncWriteExt::shutdown(&mut *stream).await?;
        // What it still says is read and dropped, so that it is not cut off while it closes.
        while !matches!(poll_fn(|cx| poll_read(&mut *stream, cx)).await?, Step::Read(bytes) if bytes.is_empty())
        {
        }
        Ok(())
    };
    match tokio::time::timeout(LAST_WORDS, last_words).await {
        Ok(said) => said,
        Err(_) => Ok(()),
    }
}

fn pass_on(bytes: &[u8], pipe: &Pipe, session: &Session) {
    pipe.is_wanted.set(false);
    tell(
        &session.0,
        session.1,
        SocketEvent::FromBackend(bytes.to_vec()),
    );
}

/// What the stream has done.
enum Step {
    Read(Vec<u8>),
    Written,
    Rung,
}

/// Reads without a buffer that would be kept while nothing comes.
fn poll_read(stream: &mut dyn BackendStream, cx: &mut Context<'_>) -> Poll<io::Result<Step>> {
    let mut buffer = [std::mem::MaybeUninit::uninit(); READ_MAX];
    let mut buffer = ReadBuf::uninit(&mut buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(Step::Read(buffer.filled().to_vec())))
}

fn poll_write(
    stream: &mut dyn BackendStream,
    pipe: &Pipe,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Step>> {
    let mut queue = pipe.queue.borrow_mut();
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = slices.iter_mut().zip(queue.iter());
    let count = filled
        .map(|(slot, entry)| *slot = IoSlice::new(entry))
        .count();
    let slices = slices.get(..count).unwrap_or_default();
    let mut written = ready!(Pin::new(stream).poll_write_vectored(cx, slices))?;
    if written == 0 && count > 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    pipe.waiting.set(pipe.waiting.get().saturating_sub(written));
    while let Some(front) = queue.front_mut() {
        if written < front.len() {
            front.advance(written);
            break;
        }
        written -= front.len();
        queue.pop_front();
    }
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    Poll::Ready(Ok(Step::Written))
}

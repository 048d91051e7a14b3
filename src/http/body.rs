//! Bodies on their way between client and backend: streamed, with back-pressure, never gathered whole.

use std::{
    cell::{Cell, RefCell},
    future::{poll_fn, Future},
    io,
    pin::{pin, Pin},
    rc::Rc,
    task::{ready, Context, Poll, Waker},
    time::Duration,
};

use actix::clock::{sleep_until, Sleep};
use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
    error::PayloadError,
};
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};

use crate::actors::ports::{BackendBody, BodyStream, FetchError, Ticket};

/// Most bytes of a request or response body that GRIP looks at.
pub const GRIP_BODY_MAX: usize = 100_000;

/// Bytes of a request body that are read before the backend is contacted, if they come without a pause.
pub const READ_FIRST: usize = 10_000;

/// How long the beginning of a request body is waited for: a backend may refuse before it reads on.
const READ_FIRST_WAIT: Duration = Duration::from_millis(20);

/// A request body and how far it has been read; by its backend first, then by whoever holds the request.
pub struct Progress {
    payload: RefCell<Payload>,
    /// How long it will be, if the client said.
    length: Option<u64>,
    seen: Cell<u64>,
    is_ended: Cell<bool>,
    /// The backend reads no further.
    is_left: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Progress {
    fn new(payload: Payload, length: Option<u64>) -> Rc<Self> {
        Rc::new(Self {
            payload: RefCell::new(payload),
            length,
            seen: Cell::new(0),
            is_ended: Cell::new(false),
            is_left: Cell::new(false),
            waiter: Cell::new(None),
        })
    }

    /// The progress of a request without a body.
    pub fn no_body() -> Rc<Self> {
        let progress = Self::new(Payload::None, None);
        progress.is_ended.set(true);
        progress
    }

    /// Waits until the body was read to its end, or is longer than `max`; what the backend leaves is read
    /// and dropped.
    pub async fn settled(&self, max: u64) {
        poll_fn(|cx| loop {
            if self.is_ended.get() || self.seen.get() > max {
                return Poll::Ready(());
            }
            if !self.is_left.get() {
                self.waiter.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            if !matches!(ready!(self.poll_chunk(cx)), Some(Ok(_))) {
                return Poll::Ready(());
            }
        })
        .await;
    }

    /// Tells whether the body was read to its end and is no longer than `max`.
    pub fn is_ended_within(&self, max: u64) -> bool {
        self.is_ended.get() && self.seen.get() <= max
    }

    /// Tells whether the body was read to its end.
    pub fn is_ended(&self) -> bool {
        self.is_ended.get()
    }

    fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let mut payload = self.payload.borrow_mut();
        let chunk = ready!(futures_core::Stream::poll_next(Pin::new(&mut *payload), cx));
        match &chunk {
            Some(Ok(chunk)) => self.seen.set(self.seen.get() + chunk.len() as u64),
            Some(Err(_)) => {}
            None => self.is_ended.set(true),
        }
        if self.length == Some(self.seen.get()) {
            self.is_ended.set(true);
        }
        let _ = self.waiter.take().map(Waker::wake);
        Poll::Ready(chunk)
    }
}

/// Reads the first bytes of a request body, unless the client pauses; a short body is then complete and
/// can be sent again.
pub async fn request_body(
    payload: Payload,
    length: Option<u64>,
) -> Result<(BackendBody, Rc<Progress>), PayloadError> {
    let progress = Progress::new(payload, length);
    let mut first = BytesMut::new();
    let mut pause = pin!(actix::clock::sleep(READ_FIRST_WAIT));
    while first.len() < READ_FIRST && !progress.is_ended() {
        tokio::select! {
            biased;
            chunk = poll_fn(|cx| progress.poll_chunk(cx)) => {
                first.extend_from_slice(&chunk.transpose()?.unwrap_or_default());
            }
            () = &mut pause => break,
        }
    }
    let first = first.freeze();
    if progress.is_ended() {
        return Ok((BackendBody::Full(first), progress));
    }
    let body = Box::pin(RequestBody {
        first,
        progress: progress.clone(),
    });
    Ok((BackendBody::Stream { body, length }, progress))
}

/// A request body whose first bytes have been read, on its way to the backend.
struct RequestBody {
    first: Bytes,
    progress: Rc<Progress>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let chunk = ready!(self.progress.poll_chunk(cx));
        let frame = chunk.map(|chunk| {
            let chunk = chunk.map_err(|error| io::Error::other(error.to_string()))?;
            Ok(Frame::data(chunk))
        });
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.progress.length;
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.progress.is_left.set(true);
        let _ = self.progress.waiter.take().map(Waker::wake);
    }
}

/// A backend's body on its way to the client.
pub struct Relay {
    body: BodyStream,
    size: BodySize,
    /// Bytes were handed out since the client's side was last idle: they must leave before an error cuts.
    has_unflushed: bool,
    error: Option<io::Error>,
    /// Counts the request, and knows when it must be over.
    ticket: Option<Ticket>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Relay {
    /// Relays a body; `bodiless` if the response has none on the wire, whatever its length header says.
    pub fn new(body: BodyStream, bodiless: bool, length: Option<u64>) -> Self {
        let size = match (bodiless, length) {
            (true, Some(length)) => BodySize::Sized(length),
            (true, None) => BodySize::None,
            (false, _) => body
                .size_hint()
                .exact()
                .map_or(BodySize::Stream, BodySize::Sized),
        };
        Self {
            body,
            size,
            has_unflushed: false,
            error: None,
            ticket: None,
            timer: None,
        }
    }

    /// Counts the request until the body has ended, or is cut off because it takes too long.
    pub fn counted(mut self, ticket: Option<Ticket>) -> Self {
        let deadline = ticket.as_ref().and_then(|ticket| ticket.deadline);
        self.timer = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
        self.ticket = ticket;
        self
    }

    /// Returns the next frame, or the error that it took too long.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(timer) = &mut self.timer {
            if timer.as_mut().poll(cx).is_ready() {
                self.timer = None;
                if let Some(ticket) = self.ticket.take() {
                    ticket.on_overrun();
                }
                let late = io::Error::new(io::ErrorKind::TimedOut, FetchError::RequestTimeout);
                return Poll::Ready(Some(Err(late)));
            }
        }
        self.body.as_mut().poll_frame(cx)
    }
}

impl MessageBody for Relay {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        loop {
            let Poll::Ready(frame) = self.poll_frame(cx) else {
                self.has_unflushed = false;
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                // An empty chunk would end the response; trailers are not passed on.
                Some(Ok(Ok(data))) if !data.is_empty() => {
                    self.has_unflushed = true;
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) if self.has_unflushed => {
                    self.error = Some(error);
                    self.has_unflushed = false;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// What a body gathered up to a limit came to.
pub enum Gathered {
    /// All of it.
    Whole(Bytes),
    /// More than the limit: what was read, and the rest.
    TooLarge(Bytes, BodyStream),
}

/// Gathers a backend's body of at most `max` bytes.
pub async fn gather(mut body: BodyStream, max: usize) -> io::Result<Gathered> {
    let mut bytes = BytesMut::new();
    loop {
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        let Some(frame) = frame else {
            return Ok(Gathered::Whole(bytes.freeze()));
        };
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > max {
            return Ok(Gathered::TooLarge(bytes.freeze(), body));
        }
    }
}

/// A large backend body, of which the first part has been read, then the items of a hold.
pub struct BodyThen<B> {
    first: Bytes,
    rest: Option<Relay>,
    then: Pin<Box<B>>,
}

impl<B> BodyThen<B> {
    /// Puts a backend's body before another one.
    pub fn new(first: Bytes, rest: BodyStream, then: B) -> Self {
        Self {
            first,
            rest: Some(Relay::new(rest, false, None)),
            then: Box::pin(then),
        }
    }
}

impl<B: MessageBody> MessageBody for BodyThen<B> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        if let Some(rest) = &mut self.rest {
            match ready!(Pin::new(rest).poll_next(cx)) {
                None => self.rest = None,
                some => return Poll::Ready(some),
            }
        }
        self.then
            .as_mut()
            .poll_next(cx)
            .map(|next| next.map(|next| next.map_err(Into::into)))
    }
}

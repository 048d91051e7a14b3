//! The body of a request on its way from the connection's task, which reads it, to whoever takes it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_http::{error::PayloadError, BoxedPayloadStream};
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_core::Stream;

/// Bytes that wait to be taken; past that the client is not read.
const WAITING_MAX: usize = 32_768;

/// Where the connection's task puts what it reads.
pub(in crate::http) struct Incoming {
    queue: Rc<Queue>,
    /// Its length was not said before.
    pub(in crate::http) is_chunked: bool,
}

#[derive(Default)]
struct Queue {
    pieces: RefCell<VecDeque<Bytes>>,
    bytes: Cell<usize>,
    end: Cell<End>,
    /// Who takes.
    taker: Cell<Option<Waker>>,
    /// Who puts, while too much waits.
    putter: Cell<Option<Waker>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    No,
    Whole,
    Cut,
}

impl Incoming {
    /// Makes both ends.
    pub(in crate::http) fn new(is_chunked: bool) -> (Self, Payload) {
        let queue = Rc::<Queue>::default();
        let taken: BoxedPayloadStream = Box::pin(Taken(queue.clone()));
        let incoming = Self { queue, is_chunked };
        (incoming, Payload::Stream { payload: taken })
    }

    /// Tells whether nobody takes it any more.
    pub(in crate::http) fn is_left(&self) -> bool {
        Rc::strong_count(&self.queue) == 1
    }

    /// Tells whether more is wanted; what nobody takes is, to be dropped.
    pub(in crate::http) fn is_wanted(&self, cx: &Context<'_>) -> bool {
        if self.queue.bytes.get() < WAITING_MAX || self.is_left() {
            return true;
        }
        self.queue.putter.set(Some(cx.waker().clone()));
        false
    }

    /// Puts a piece.
    pub(in crate::http) fn put(&self, piece: Bytes) {
        if piece.is_empty() || self.is_left() {
            return;
        }
        let queue = &self.queue;
        queue.bytes.set(queue.bytes.get() + piece.len());
        queue.pieces.borrow_mut().push_back(piece);
        queue.wake_taker();
    }

    /// All of it has been put.
    pub(in crate::http) fn end(&self) {
        self.queue.end_with(End::Whole);
    }

    /// The rest will not come.
    pub(in crate::http) fn cut(&self) {
        self.queue.end_with(End::Cut);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Queue {
    fn end_with(&self, end: End) {
        if self.end.get() == End::No {
            self.end.set(end);
            self.wake_taker();
        }
    }

    fn wake_taker(&self) {
        let _ = self.taker.take().map(Waker::wake);
    }

    fn wake_putter(&self) {
        let _ = self.putter.take().map(Waker::wake);
    }
}

/// What the request's payload is.
struct Taken(Rc<Queue>);

impl Stream for Taken {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let queue = &self.0;
        if let Some(piece) = queue.pieces.borrow_mut().pop_front() {
            queue
                .bytes
                .set(queue.bytes.get().saturating_sub(piece.len()));
            queue.wake_putter();
            return Poll::Ready(Some(Ok(piece)));
        }
        match queue.end.get() {
            End::Whole => Poll::Ready(None),
            End::Cut => Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
            End::No => {
                queue.taker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.wake_putter();
    }
}

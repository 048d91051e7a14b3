//! The body outlet: a held response inside another server's response, or on a socket that cannot be parked.
//!
//! The flusher moves entries into a small queue; the server's dispatcher takes them out when its client
//! reads. Costs actix-web's memory for a connection, but works wherever a response body does.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::http2::Cut;
use crate::{
    actors::{
        ports::{Flushed, Outlet},
        session::SessionState,
    },
    engine::outbox::Outbox,
};

/// Bytes in the queue past which the outlet is blocked.
const QUEUE_BYTES: usize = 65_536;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    No,
    Released,
    Aborted,
}

/// The session ended before its response.
#[derive(Debug, thiserror::Error)]
#[error("the session was cut off")]
pub struct CutOff;

/// The queue between flusher and dispatcher.
pub struct BodyOutlet {
    queue: RefCell<VecDeque<Bytes>>,
    queued_bytes: Cell<usize>,
    end: Cell<End>,
    is_blocked: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    /// Ends an HTTP/2 stream, whose body is not asked while its client takes nothing.
    cut: Option<Rc<Cut>>,
    peer: Option<SocketAddr>,
    is_secure: bool,
}

impl BodyOutlet {
    /// Makes an empty outlet to a client there, over TLS or not, of an HTTP/2 stream with what cuts that.
    pub fn new((peer, is_secure): (Option<SocketAddr>, bool), cut: Option<Rc<Cut>>) -> Rc<Self> {
        Rc::new(Self {
            queue: RefCell::default(),
            queued_bytes: Cell::new(0),
            end: Cell::new(End::No),
            is_blocked: Cell::new(false),
            reader: RefCell::default(),
            cut,
            peer,
            is_secure,
        })
    }

    /// Takes out what is to be written next; none at the end.
    pub fn poll_entry(
        &self,
        state: &RefCell<SessionState>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CutOff>>> {
        let entry = self.queue.borrow_mut().pop_front();
        if let Some(entry) = entry {
            let left = self.queued_bytes.get().saturating_sub(entry.len());
            self.queued_bytes.set(left);
            if left < QUEUE_BYTES && self.is_blocked.replace(false) {
                state.borrow().writable();
            }
            return Poll::Ready(Some(Ok(entry)));
        }
        match self.end.get() {
            End::No => {
                *self.reader.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Released => Poll::Ready(None),
            End::Aborted => Poll::Ready(Some(Err(CutOff))),
        }
    }

    fn end_with(&self, end: End) {
        if self.end.get() == End::No {
            self.end.set(end);
        }
        self.wake();
    }

    fn wake(&self) {
        let _ = self.reader.borrow_mut().take().map(Waker::wake);
    }
}

impl Outlet for BodyOutlet {
    fn flush(&self, outbox: &mut Outbox) -> (Flushed, usize) {
        let mut written = 0;
        while self.queued_bytes.get() < QUEUE_BYTES {
            let Some(entry) = outbox.pop() else { break };
            written += entry.len();
            self.queued_bytes.set(self.queued_bytes.get() + entry.len());
            self.queue.borrow_mut().push_back(entry);
        }
        if written > 0 {
            self.wake();
        }
        let is_drained = outbox.is_empty();
        self.is_blocked.set(!is_drained);
        (
            if is_drained {
                Flushed::Drained
            } else {
                Flushed::Blocked
            },
            written,
        )
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn is_secure(&self) -> bool {
        self.is_secure
    }

    fn release(&self) {
        self.end_with(End::Released);
    }

    fn abort(&self) {
        self.queue.borrow_mut().clear();
        self.end_with(End::Aborted);
        let _ = self.cut.as_ref().map(|cut| cut.cut());
    }
}

/// The response body that empties a [`BodyOutlet`].
pub struct HeldBody {
    outlet: Rc<BodyOutlet>,
    state: Rc<RefCell<SessionState>>,
}

impl HeldBody {
    /// Makes the body of an outlet; dropping it before its end means that the client is gone.
    pub fn new(outlet: Rc<BodyOutlet>, state: Rc<RefCell<SessionState>>) -> Self {
        Self { outlet, state }
    }
}

impl MessageBody for HeldBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = self.outlet.poll_entry(&self.state, cx);
        next.map(|next| next.map(|next| next.map_err(Into::into)))
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.abandon();
        }
    }
}

/// Ends a hold whose waiting handler was dropped: its client is gone.
pub(super) struct AbandonOnDrop(pub(super) Rc<RefCell<SessionState>>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.try_borrow_mut() {
            if state.is_held() {
                state.abandon();
            }
        }
    }
}

//! A WebSocket on a stream: its session, with what comes and goes over the stream's DATA frames.
//!
//! What the parked socket is on HTTP/1.1. The session's context is polled here, so that a client is
//! listened to again as soon as its session wants to.

use std::{
    cell::RefCell,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::Rc,
    task::{ready, Context as TaskContext, Poll},
    time::Duration,
};

use actix::Addr;
use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::stream::Stream;
use crate::{
    actors::{
        edge::Edge,
        session::{Session, SessionState},
        session_context::RunningSession,
        supervisor::drop_quietly,
    },
    http::held_body::BodyOutlet,
    stats::counters::Total,
};

/// How much of what a client sends is read at once.
const READ_BYTES: usize = 8_192;

/// How long a client may take to end its side, and how much it may still send meanwhile.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 1 << 20;

type Io = TokioIo<Upgraded>;

/// Runs a session that the stream is given to as soon as its response has been sent.
///
/// It ends with the stream; if that is not given to it, because the response is another, at once.
pub fn hold_socket(
    stream: &Rc<Stream>,
    edge: &Rc<Edge>,
    upgrade: OnUpgrade,
) -> (Addr<Session>, Rc<BodyOutlet>) {
    let (session, address) = RunningSession::new(Session::new(stream.state.clone()));
    let outlet = BodyOutlet::new((stream.peer, stream.is_secure), Some(stream.cut.clone()));
    let socket = Socket {
        session: Some(session),
        state: stream.state.clone(),
        outlet: outlet.clone(),
        upgrade: Some(upgrade),
        io: None,
        writing: Bytes::new(),
    };
    let (stream, edge) = (stream.clone(), edge.clone());
    actix_rt::spawn(async move {
        match AssertUnwindSafe(socket).catch_unwind().await {
            Ok(None) => {}
            Ok(Some(io)) => linger(io).await,
            Err(panic) => {
                let consequence = "a session panicked: its client is cut off";
                edge.crashes().session.note(&*panic, consequence);
                edge.counters().add(Total::SessionPanics, 1);
            }
        }
        drop(stream);
    });
    (address, outlet)
}

/// Ends the stream in a way that lets the client read to the end what it was sent.
async fn linger(mut io: Io) {
    let read_out = async {
        if io.shutdown().await.is_ok() {
            let mut rest = io.take(LINGER_BYTES);
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        }
    };
    let _ = actix::clock::timeout(LINGER, read_out).await;
}

/// Gives the stream back once all is said; none if the client is gone or was cut off.
struct Socket {
    session: Option<RunningSession>,
    state: Rc<RefCell<SessionState>>,
    outlet: Rc<BodyOutlet>,
    upgrade: Option<OnUpgrade>,
    io: Option<Io>,
    writing: Bytes,
}

impl Future for Socket {
    type Output = Option<Io>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let socket = &mut *self;
        if let Some(session) = &mut socket.session {
            if Pin::new(session).poll(cx).is_ready() {
                socket.session = None;
            }
        }
        if let Some(upgrade) = &mut socket.upgrade {
            let Ok(upgraded) = ready!(Pin::new(upgrade).poll(cx)) else {
                return Poll::Ready(None);
            };
            socket.upgrade = None;
            socket.io = Some(TokioIo::new(upgraded));
        }
        loop {
            match socket.poll_write(cx) {
                Poll::Ready(true) => return Poll::Ready(socket.io.take()),
                Poll::Ready(false) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            if !ready!(socket.poll_read(cx)) {
                return Poll::Ready(None);
            }
        }
    }
}

impl Socket {
    /// Writes what waits, until all is said; false if the client is gone or to be cut off.
    fn poll_write(&mut self, cx: &mut TaskContext<'_>) -> Poll<bool> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(false);
        };
        loop {
            while !self.writing.is_empty() {
                match ready!(Pin::new(&mut *io).poll_write(cx, &self.writing)) {
                    Ok(n) if n > 0 => self.writing.advance(n),
                    _ => return Poll::Ready(false),
                }
            }
            match ready!(self.outlet.poll_entry(&self.state, cx)) {
                Some(Ok(entry)) => self.writing = entry,
                Some(Err(_)) => return Poll::Ready(false),
                None => return Poll::Ready(true),
            }
        }
    }

    /// Takes what the client has sent, if its session wants any; false if the client is gone.
    fn poll_read(&mut self, cx: &mut TaskContext<'_>) -> Poll<bool> {
        let wanted = self.state.borrow().wants_client();
        let (Some(io), Some(wanted)) = (&mut self.io, wanted.filter(|wanted| *wanted > 0)) else {
            return Poll::Pending;
        };
        let mut scratch = [0; READ_BYTES];
        let room = wanted.min(READ_BYTES);
        let mut into = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        if ready!(Pin::new(io).poll_read(cx, &mut into)).is_err() {
            return Poll::Ready(false);
        }
        let sent = into.filled_mut();
        if sent.is_empty() {
            return Poll::Ready(false);
        }
        self.state.borrow_mut().on_client_bytes(sent);
        Poll::Ready(true)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.abandon();
        }
        drop_quietly(self.session.take());
    }
}

//! A parked socket: all that is left of a held client's connection, and the way out to it.
//!
//! The flusher writes to it; its connection's task watches it for what the client does. Nothing is
//! buffered here.

use std::{
    future::{poll_fn, Future},
    io::{self, IoSlice},
    net::SocketAddr,
    task::{Context, Poll, Waker},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};

use super::{
    client_socket::ClientSocket,
    slot::{Owner, Slot},
};
use crate::{
    actors::{
        broker::TcpOptions,
        ports::{Flushed, Outlet},
    },
    engine::outbox::Outbox,
};

/// Most outbox entries written by one system call.
const SLICES: usize = 64;

/// Unsent bytes that the kernel takes before it says the client is slow.
const NOT_SENT_MAX: u32 = 16_384;

/// How long a client may take to close its side, and how much a WebSocket's may still send meanwhile.
const LINGER: Duration = Duration::from_secs(2);
pub(super) const LINGER_BYTES: usize = 1 << 20;

/// What happened to a parked socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client sent this much before its request was answered.
    Sent(usize),
    /// The client takes bytes again.
    Writable,
    /// The client is gone, or was cut off.
    Gone,
    /// The response is complete, or the request is to be asked again.
    Over,
}

/// Probes of a socket that is silent for so long.
pub fn probes(after: Duration) -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(after)
        .with_interval(after.min(Duration::from_secs(15)))
        .with_retries(4)
}

impl Slot {
    /// Lets the kernel notice a client that vanishes without a word; set once for a connection.
    pub fn probe_client(&self, options: TcpOptions) {
        let probes = probes(options.keepalive);
        self.set_option("keepalive", |socket| socket.set_tcp_keepalive(&probes));
        self.set_option("user-timeout", |socket| {
            socket.set_tcp_user_timeout(Some(options.user_timeout))
        });
    }

    /// Bounds what a client that does not read pins in the kernel.
    pub fn bound_unsent(&self) {
        self.set_option("notsent-lowat", |socket| {
            socket.set_tcp_notsent_lowat(NOT_SENT_MAX)
        });
    }

    /// A kernel that refuses an option costs only that one.
    fn set_option(&self, name: &str, set: impl FnOnce(SockRef<'_>) -> io::Result<()>) {
        let socket = self.socket.borrow();
        let result = socket.as_ref().map(|socket| socket.set_tcp_option(set));
        if let Some(Err(error)) = result {
            log::debug!(option = name, error:%; "socket option refused");
        }
    }

    /// Waits for something to happen to the parked socket; `into` gets what the client sends. If it is
    /// empty, nothing is read, and a client that leaves is not noticed but by [`Slot::has_failed`].
    pub fn poll_event(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<Event> {
        match self.owner() {
            Owner::Aborted | Owner::Http2 => return Poll::Ready(Event::Gone),
            Owner::Released | Owner::Retried => return Poll::Ready(Event::Over),
            Owner::Parked | Owner::Serving => {}
        }
        let mut socket = self.socket.borrow_mut();
        let Some(socket) = socket.as_mut() else {
            return Poll::Ready(Event::Gone);
        };
        if self.is_blocked.get() && socket.poll_writable(cx).is_ready() {
            self.is_blocked.set(false);
            return Poll::Ready(Event::Writable);
        }
        if !into.is_empty() {
            match socket.poll_receive(cx, into) {
                Poll::Pending => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Ready(Ok(n)) => return Poll::Ready(Event::Sent(n)),
            }
        }
        let known = self.watcher.take();
        let known = known.filter(|known| known.will_wake(cx.waker()));
        let watcher = known.unwrap_or_else(|| cx.waker().clone());
        self.watcher.set(Some(watcher));
        Poll::Pending
    }

    /// Tells whether the connection has failed: what it still had is lost. One that its client has ended
    /// in good order has not.
    pub fn has_failed(&self) -> bool {
        let socket = self.socket.borrow();
        socket.as_ref().is_some_and(ClientSocket::has_failed)
    }

    /// Ends the connection in a way that lets the client read to the end what it was sent.
    ///
    /// **Bounds**: a client that does not close its side within 2 s, or sends more than so many bytes, is
    /// cut off.
    pub fn linger(&self, bytes_max: usize) -> Option<impl Future<Output = ()>> {
        let mut socket = self.socket.borrow_mut().take()?;
        socket.end_sending();
        Some(async move {
            let read_out = async {
                let mut left = bytes_max;
                while left > 0 {
                    let read = poll_fn(|cx| socket.poll_receive(cx, &mut [0; 4_096])).await;
                    match read {
                        Ok(0) | Err(_) => break,
                        Ok(read) => left = left.saturating_sub(read),
                    }
                }
            };
            let _ = actix::clock::timeout(LINGER, read_out).await;
        })
    }

    /// Ends the connection after a response that only its end completes.
    pub fn close(&self) {
        if let Some(mut socket) = self.socket.borrow_mut().take() {
            socket.end_sending();
        }
    }

    fn hand_over(&self, to: Owner) {
        if self.owner() == Owner::Parked {
            self.owner.set(to);
            self.wake_watcher();
        }
    }

    fn not_taken(&self, error: &io::Error) -> Flushed {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.blocked(),
            _ => Flushed::Gone,
        }
    }

    /// The connection's task waits for the socket.
    fn blocked(&self) -> Flushed {
        self.is_blocked.set(true);
        self.wake_watcher();
        Flushed::Blocked
    }

    fn wake_watcher(&self) {
        let _ = self.watcher.take().map(Waker::wake);
    }
}

impl Outlet for Slot {
    fn flush(&self, outbox: &mut Outbox) -> (Flushed, usize) {
        let mut socket = self.socket.borrow_mut();
        let Some(socket) = socket.as_mut() else {
            return (Flushed::Gone, 0);
        };
        if outbox.is_empty() {
            return match socket.try_flush() {
                Ok(()) => (Flushed::Drained, 0),
                Err(error) => (self.not_taken(&error), 0),
            };
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = outbox.slices(&mut slices);
        let written = match slices.get(..count) {
            Some([one]) => socket.try_write(one),
            Some(several) => socket.try_write_vectored(several),
            None => Ok(0),
        };
        match written {
            Ok(written) => {
                outbox.advance(written);
                self.has_begun_response.set(true);
                let flushed = match outbox.is_empty() {
                    false => Flushed::Partly,
                    true if socket.has_unsent() => self.blocked(),
                    true => Flushed::Drained,
                };
                (flushed, written)
            }
            Err(error) => (self.not_taken(&error), 0),
        }
    }

    fn release(&self) {
        self.hand_over(Owner::Released);
    }

    fn abort(&self) {
        self.hand_over(Owner::Aborted);
    }

    fn peer(&self) -> Option<SocketAddr> {
        Slot::peer(self)
    }

    fn is_secure(&self) -> bool {
        Slot::is_secure(self)
    }

    fn close_after(&self) {
        self.keep_alive.set(false);
    }

    fn can_retry(&self) -> bool {
        self.can_retry.get()
    }

    fn retry(&self) {
        self.hand_over(Owner::Retried);
    }
}

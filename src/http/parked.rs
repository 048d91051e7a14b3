//! A parked socket: all that is left of a held client's connection, and the way out to it.
//!
//! The flusher writes to it; its connection's task watches it for what the client does. Nothing is
//! buffered here. Readiness is awaited with `poll_read_ready`, which replaces the waker that the
//! finished dispatcher left in the socket and so frees the dispatcher's task memory.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    task::{Context, Poll, Waker},
};

use actix_rt::net::TcpStream;
use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};

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

/// What a hold's end means for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    Released,
    Aborted,
    Retried,
}

/// A client's socket during a hold.
pub struct ParkedSocket {
    socket: RefCell<Option<TcpStream>>,
    end: Cell<End>,
    is_blocked: Cell<bool>,
    keep_alive: bool,
    /// The request as received, if it can be asked again.
    request: Box<[u8]>,
    task: RefCell<Option<Waker>>,
}

/// What happened to a parked socket.
pub enum Event {
    /// The client sent this before its request was answered.
    Sent(usize),
    /// The client takes bytes again.
    Writable,
    /// The client is gone, or was cut off.
    Gone,
    /// The response is complete; here is the socket.
    Released(TcpStream),
    /// The request is to be asked again; here is the socket.
    Retried(TcpStream),
}

impl ParkedSocket {
    /// Parks a socket; `keep_alive` tells whether it takes another request after the hold.
    pub fn new(socket: TcpStream, keep_alive: bool, request: Bytes) -> Self {
        Self {
            socket: RefCell::new(Some(socket)),
            end: Cell::new(End::No),
            is_blocked: Cell::new(false),
            keep_alive,
            request: Box::from(&request[..]),
            task: RefCell::new(None),
        }
    }

    /// Tells whether the connection takes another request after the hold.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Returns the request as received, if it can be asked again.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Sets what a socket that mostly waits needs; a kernel that refuses one costs only that one.
    pub fn tune(&self, options: TcpOptions) {
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_ref() else {
            return;
        };
        let socket = SockRef::from(socket);
        let probes = TcpKeepalive::new()
            .with_time(options.keepalive)
            .with_interval(options.keepalive.min(std::time::Duration::from_secs(15)))
            .with_retries(4);
        for (option, result) in [
            ("keepalive", socket.set_tcp_keepalive(&probes)),
            (
                "user-timeout",
                socket.set_tcp_user_timeout(Some(options.user_timeout)),
            ),
            ("notsent-lowat", socket.set_tcp_notsent_lowat(NOT_SENT_MAX)),
        ] {
            if let Err(error) = result {
                log::debug!(option, error:%; "socket option refused");
            }
        }
    }

    /// Waits for something to happen; `into` gets what the client sends.
    pub fn poll_event(&self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<Event> {
        match self.end.get() {
            End::Aborted => return Poll::Ready(Event::Gone),
            End::Released => {
                let socket = self.socket.borrow_mut().take();
                return Poll::Ready(socket.map_or(Event::Gone, Event::Released));
            }
            End::Retried => {
                let socket = self.socket.borrow_mut().take();
                return Poll::Ready(socket.map_or(Event::Gone, Event::Retried));
            }
            End::No => {}
        }
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_ref() else {
            return Poll::Ready(Event::Gone);
        };
        if self.is_blocked.get() && socket.poll_write_ready(cx).is_ready() {
            self.is_blocked.set(false);
            return Poll::Ready(Event::Writable);
        }
        loop {
            match socket.poll_read_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Ready(Ok(())) => match socket.try_read(into) {
                    Ok(0) => return Poll::Ready(Event::Gone),
                    Ok(n) => return Poll::Ready(Event::Sent(n)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return Poll::Ready(Event::Gone),
                },
            }
        }
        let mut task = self.task.borrow_mut();
        if !task
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *task = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn end_with(&self, end: End) {
        if self.end.get() == End::No {
            self.end.set(end);
        }
        self.wake();
    }

    fn wake(&self) {
        let _ = self.task.borrow().as_ref().map(Waker::wake_by_ref);
    }
}

impl Outlet for ParkedSocket {
    fn flush(&self, outbox: &mut Outbox) -> (Flushed, usize) {
        let socket = self.socket.borrow();
        let Some(socket) = socket.as_ref() else {
            return (Flushed::Gone, 0);
        };
        if outbox.is_empty() {
            return (Flushed::Drained, 0);
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
                (
                    if outbox.is_empty() {
                        Flushed::Drained
                    } else {
                        Flushed::Partly
                    },
                    written,
                )
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_blocked.set(true);
                self.wake();
                (Flushed::Blocked, 0)
            }
            Err(_) => (Flushed::Gone, 0),
        }
    }

    fn release(&self) {
        self.end_with(End::Released);
    }

    fn abort(&self) {
        self.end_with(End::Aborted);
    }

    fn can_retry(&self) -> bool {
        !self.request.is_empty()
    }

    fn retry(&self) {
        self.end_with(End::Retried);
    }
}

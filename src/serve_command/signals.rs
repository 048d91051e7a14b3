//! What the signals ask for.

use std::io;

use tokio::signal::unix::{signal, Signal, SignalKind};

/// What a signal asks for.
pub(super) enum Wish {
    /// SIGTERM, SIGINT: an end.
    Stop,
    /// SIGHUP: the configuration again.
    Reload,
    /// SIGUSR2: another process in this one's place.
    Replace,
}

/// The signals that P-8 listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user2: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user2.recv() => Wish::Replace,
        }
    }

    /// Waits for one that asks for an end, whatever else comes.
    pub(super) async fn stop(&mut self) {
        while !matches!(self.next().await, Wish::Stop) {}
    }
}

//! What the signals ask for.

use std::io;

use tokio::signal::unix::{signal, Signal, SignalKind};

/// What a signal asks for.
pub(super) enum Wish {
    /// SIGTERM, SIGINT: an end.
    Stop,
    /// SIGHUP: the configuration again.
    Reload,
}

/// The signals that P-8 listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// Waits for one that asks for an end, whatever else comes.
    pub(super) async fn stop(&mut self) {
        while !matches!(self.next().await, Wish::Stop) {}
    }
}

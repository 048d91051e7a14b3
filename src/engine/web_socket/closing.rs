//! How far a session is on its way to its end, and who is told of it.

use std::time::Instant;

use super::{backend::Backend, Note, Output, ToClient, WebSocket, CLOSE_MAX};
use crate::{
    engine::{
        session::{Moment, Published},
        ws::{is_sendable, Close},
        ws_over_http::{Failure, Options, OverHttp},
    },
    grip::ws::KeepAliveInterval,
};

/// The code that stands for none, and for those that no frame may have.
const NORMAL: u16 = 1000;

/// The close handshake with the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Nobody has said anything.
    No,
    /// The client was told, and has not answered.
    Sent {
        /// Until when it may.
        due: Instant,
    },
    /// The client has said it, and the backend has not answered.
    Received {
        /// Until when it may.
        due: Option<Instant>,
    },
    /// It is over.
    Over,
}

impl Closing {
    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Self::Sent { due } => Some(due),
            Self::Received { due } => due,
            Self::No | Self::Over => None,
        }
    }
}

impl<E: Published> WebSocket<E> {
    /// The client has sent a close frame.
    pub(super) fn on_client_close(&mut self, close: Option<Close>, moment: Moment) {
        match self.closing {
            Closing::Sent { .. } => {
                self.backend.on_client_close(close, &mut self.outputs);
                // Nobody waits for what it says to that.
                self.lose_backend();
                self.finish();
            }
            Closing::No => {
                self.outputs.push_back(Output::Deafen);
                let due = match &self.backend {
                    Backend::OverHttp(_) => None,
                    Backend::Direct(_) | Backend::Detached => Some(moment.now + CLOSE_MAX),
                };
                self.closing = Closing::Received { due };
                if self.backend.is_left() {
                    return self.close_client_by(NORMAL, "", moment.now);
                }
                self.backend.on_client_close(close, &mut self.outputs);
            }
            Closing::Received { .. } | Closing::Over => {}
        }
    }

    /// The backend wants it closed.
    pub(super) fn on_backend_close(&mut self, close: Option<Close>, moment: Moment) {
        if let Closing::Sent { .. } = self.closing {
            self.backend
                .on_close_crossed(close.as_ref(), &mut self.outputs);
        }
        self.close_client(close, moment.now);
    }

    /// A publish wants it closed.
    pub(super) fn on_published_close(&mut self, close: Option<Close>, moment: Moment) {
        if self.closing == Closing::No {
            self.backend
                .on_server_close(close.as_ref(), &mut self.outputs);
            self.close_client(close, moment.now);
        }
    }

    /// Sends the client a close frame, and waits for its own; if that has come, it is over.
    pub(super) fn close_client(&mut self, close: Option<Close>, now: Instant) {
        let (code, reason) = match close {
            Some(Close { code, reason }) if is_sendable(code) => (code, reason),
            Some(Close { reason, .. }) => (NORMAL, reason),
            None => (NORMAL, String::new()),
        };
        match self.closing {
            Closing::No => {
                self.outputs.push_back(Output::Deafen);
                self.tell_client(ToClient::Close(Close { code, reason }));
                self.closing = Closing::Sent {
                    due: now + CLOSE_MAX,
                };
            }
            Closing::Received { .. } => {
                self.tell_client(ToClient::Close(Close { code, reason }));
                // It was told, and nobody waits for its answer.
                self.lose_backend();
                self.finish();
            }
            Closing::Sent { .. } | Closing::Over => {}
        }
    }

    pub(super) fn close_client_by(&mut self, code: u16, reason: &str, now: Instant) {
        let reason = reason.to_owned();
        self.close_client(Some(Close { code, reason }), now);
    }

    /// The backend wants the client's connection ended without a close frame.
    pub(super) fn on_disconnect(&mut self) {
        self.backend = Backend::Detached;
        // A client that was told a close may still answer it.
        if self.may_speak() {
            self.finish();
        }
    }

    /// The backend is of no use any more.
    pub(super) fn fail_backend(&mut self, why: &'static str, moment: Moment) {
        self.note(Note::BackendFailed(why));
        self.lose_backend();
        self.close_client_by(1011, "", moment.now);
    }

    /// What the backend was to be told over HTTP could not be, or its answer is of no use; it hears of the
    /// end all the same, if it can.
    pub(super) fn on_posts_failed(&mut self, failure: Failure, moment: Moment) {
        let is_told = self
            .backend
            .posts()
            .is_some_and(|posts| posts.has_said_close());
        self.backend = match is_told {
            true => Backend::Detached,
            false => Backend::over_http(OverHttp::new(
                Options::default(),
                KeepAliveInterval::Off,
                moment.now,
            )),
        };
        self.fail_backend(failure.code(), moment);
    }

    /// The backend has heard everything over HTTP.
    pub(super) fn on_posts_over(&mut self, missed: Option<Failure>) {
        if let Some(failure) = missed {
            self.note(Note::BackendFailed(failure.code()));
        }
        if self.has_incoming() {
            // What it has said before is followed first.
            return;
        }
        self.backend = Backend::Detached;
        if let Closing::Received { .. } = self.closing {
            // It was told of the client's close, and has not answered it.
            self.finish();
        }
    }

    /// The other side has not done its part of the close handshake in time.
    pub(super) fn on_close_timeout(&mut self, now: Instant) {
        match self.closing {
            Closing::Received { .. } => self.close_client(None, now),
            _ => {
                self.lose_backend();
                self.cut();
            }
        }
    }

    /// The backend hears that the client is gone.
    pub(super) fn lose_backend(&mut self) {
        self.backend.on_gone(&mut self.outputs);
        self.backend.end(&mut self.outputs);
    }

    /// The client is gone, and the backend hears of it.
    pub(super) fn lose_client(&mut self) {
        self.closing = Closing::Over;
        self.lose_backend();
    }

    fn finish(&mut self) {
        self.closing = Closing::Over;
        self.outputs.push_back(Output::Finish);
    }

    fn cut(&mut self) {
        self.closing = Closing::Over;
        self.outputs.push_back(Output::Cut);
    }
}

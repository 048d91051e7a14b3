//! The backend's side of a WebSocket session: reached by posts, by a WebSocket of its own, or not any more.

use bytes::Bytes;

use super::{
    addressing::Addressed, output::Outputs, Moment, Note, Output, ToBackend, ToClient, WebSocket,
};
use crate::{
    engine::{
        session::Published,
        ws::{is_sendable, Assembly, Close, MessageKind, Part, ProtocolError},
        ws_over_http::OverHttp,
    },
    grip::publish::WsKind,
};

/// Longest payload of a ping or pong, in bytes.
const CONTROL_PAYLOAD_MAX: usize = 125;

/// Says that whoever sends it leaves.
const GOING_AWAY: u16 = 1001;

/// How a session's backend is reached.
#[derive(Debug)]
pub enum Backend {
    /// By requests that carry events.
    OverHttp(Posts),
    /// By a WebSocket of its own.
    Direct(Direct),
    /// It is not told anything any more, and says nothing.
    Detached,
}

/// A backend that is reached over HTTP.
#[derive(Debug)]
pub struct Posts {
    machine: OverHttp,
    /// What has come of the client's message.
    assembly: Assembly,
    /// The backend has left its client to publishers.
    leave: Leave,
}

/// How far a backend has left its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It has not.
    No,
    /// It has, and what stands behind that in the same answer still counts.
    Said,
    /// What it answers means nothing any more.
    Silent,
}

/// A backend that is reached by a WebSocket of its own.
#[derive(Debug, Default)]
pub struct Direct {
    /// It takes less than the client says.
    pub(super) is_slow: bool,
    /// It was sent a close frame.
    has_close: bool,
}

/// What a backend says.
#[derive(Debug)]
pub enum FromBackend {
    /// A message, or a part of one; of events always a whole one.
    Part(Part),
    /// A ping.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A close; none has no code.
    Close(Option<Close>),
    /// The client's connection is to be ended without a word.
    Disconnect,
    /// Its connection has ended without a close frame.
    Gone,
    /// A text message that is no text.
    BadText,
    /// What it sent is no WebSocket's.
    Error(ProtocolError),
}

impl Posts {
    /// Returns the machine of the requests.
    pub fn machine(&self) -> &OverHttp {
        &self.machine
    }

    /// Gives the machine of the requests out.
    pub fn into_machine(self) -> OverHttp {
        self.machine
    }
}

impl Backend {
    /// The backend is reached over HTTP from now on.
    pub fn over_http(machine: OverHttp) -> Self {
        Self::OverHttp(Posts {
            machine,
            assembly: Assembly::default(),
            leave: Leave::No,
        })
    }

    /// Tells whether the client's words reach nobody.
    pub(super) fn is_left(&self) -> bool {
        match self {
            Self::OverHttp(posts) => posts.leave != Leave::No,
            Self::Direct(_) => false,
            Self::Detached => true,
        }
    }

    /// Tells whether what the backend says means nothing.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Self::OverHttp(posts) => posts.leave == Leave::Silent,
            Self::Direct(_) => false,
            Self::Detached => true,
        }
    }

    /// An answer of the backend has come to its end.
    pub(super) fn on_answer_ended(&mut self) {
        if let Self::OverHttp(posts) = self {
            if posts.leave == Leave::Said {
                posts.leave = Leave::Silent;
            }
        }
    }

    /// The backend is reached by a WebSocket of its own.
    pub fn direct() -> Self {
        Self::Direct(Direct::default())
    }

    /// The machine of the posts, if there are any.
    pub(super) fn posts(&mut self) -> Option<&mut OverHttp> {
        match self {
            Self::OverHttp(posts) => Some(&mut posts.machine),
            Self::Direct(_) | Self::Detached => None,
        }
    }

    pub(super) fn on_part<E>(&mut self, part: Part, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => {
                if let Some((kind, content)) = posts.assembly.on_part(part) {
                    let kind = match kind {
                        MessageKind::Text => WsKind::Text,
                        MessageKind::Binary => WsKind::Binary,
                    };
                    posts.machine.on_message(kind, content);
                }
            }
            Self::Direct(_) => outputs.push_back(Output::ToBackend(ToBackend::Part(part))),
            Self::Detached => {}
        }
    }

    pub(super) fn on_ping<E>(&mut self, content: Bytes, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => {
                posts.machine.on_message(WsKind::Ping, content);
            }
            Self::Direct(_) => outputs.push_back(Output::ToBackend(ToBackend::Ping(content))),
            Self::Detached => {}
        }
    }

    pub(super) fn on_pong<E>(&mut self, content: Bytes, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => {
                posts.machine.on_message(WsKind::Pong, content);
            }
            Self::Direct(_) => outputs.push_back(Output::ToBackend(ToBackend::Pong(content))),
            Self::Detached => {}
        }
    }

    /// The client has closed, by itself or as it was told.
    pub(super) fn on_client_close<E>(&mut self, close: Option<Close>, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => {
                posts
                    .machine
                    .on_close(close.map(|close| (close.code, close.reason)));
            }
            Self::Direct(direct) => direct.close(close, outputs),
            Self::Detached => {}
        }
    }

    /// The client is being closed, and not because the backend wants it.
    pub(super) fn on_server_close<E>(&mut self, close: Option<&Close>, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => posts.machine.on_server_close(),
            Self::Direct(direct) => {
                direct.close(
                    close.filter(|close| is_sendable(close.code)).cloned(),
                    outputs,
                );
            }
            Self::Detached => {}
        }
    }

    /// It closes while the client is being closed for another reason: directly, it is answered at once.
    pub(super) fn on_close_crossed<E>(&mut self, close: Option<&Close>, outputs: &mut Outputs<E>) {
        if let Self::Direct(_) = self {
            self.on_server_close(close, outputs);
            self.end(outputs);
        }
    }

    /// The client is gone without a close handshake.
    pub(super) fn on_gone<E>(&mut self, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => posts.machine.on_gone(),
            Self::Direct(direct) => {
                direct.close(Some(Close::bare(GOING_AWAY)), outputs);
            }
            Self::Detached => {}
        }
    }

    /// Nothing more is said to it directly, and nothing it says is heard; what is posted goes on.
    pub(super) fn end<E>(&mut self, outputs: &mut Outputs<E>) {
        if let Self::Direct(_) = self {
            outputs.push_back(Output::EndBackend);
            *self = Self::Detached;
        }
    }

    /// Lets the client go on without it: it hears of a close without a code.
    pub(super) fn detach<E>(&mut self, outputs: &mut Outputs<E>) {
        match self {
            Self::OverHttp(posts) => {
                posts.machine.on_detach();
                posts.leave = Leave::Said;
            }
            Self::Direct(direct) => {
                direct.close(None, outputs);
                self.end(outputs);
            }
            Self::Detached => {}
        }
    }
}

impl Direct {
    fn close<E>(&mut self, close: Option<Close>, outputs: &mut Outputs<E>) {
        if !std::mem::replace(&mut self.has_close, true) {
            outputs.push_back(Output::ToBackend(ToBackend::Close(close)));
        }
    }
}

impl<E: Published> WebSocket<E> {
    /// Does what the backend says.
    pub(super) fn follow(&mut self, said: FromBackend, moment: Moment) {
        match said {
            _ if self.is_over() || self.backend.is_silent() => {}
            FromBackend::Part(part) => self.on_backend_part(part, moment),
            FromBackend::Close(close) => self.on_backend_close(close, moment),
            FromBackend::Disconnect => self.on_disconnect(),
            FromBackend::Gone => self.on_backend_gone(moment),
            FromBackend::Error(error) => self.fail_backend(error.code(), moment),
            FromBackend::BadText => self.fail_backend("bad-event-text", moment),
            _ if !self.may_speak() => {}
            FromBackend::Ping(content) | FromBackend::Pong(content)
                if content.len() > CONTROL_PAYLOAD_MAX =>
            {
                self.note(Note::LongPing);
            }
            FromBackend::Ping(content) => self.tell_client(ToClient::Ping(content)),
            FromBackend::Pong(content) => self.tell_client(ToClient::Pong(content)),
        }
    }

    fn on_backend_part(&mut self, part: Part, moment: Moment) {
        let Some(addressed) = self.addressing.on_part(part) else {
            return;
        };
        match addressed {
            Addressed::Client(part) if self.may_speak() => {
                let is_last = part.is_last;
                self.tell_client(ToClient::Part(part));
                if is_last {
                    self.on_message_end();
                }
            }
            Addressed::Client(_) => {}
            Addressed::Control(text) => self.on_control(&text, moment),
            Addressed::Nobody => self.note(Note::Unaddressed),
            Addressed::TooLong => self.note(Note::LongControl),
        }
    }

    /// Its connection has ended; if it was told the end, without having said so itself.
    fn on_backend_gone(&mut self, moment: Moment) {
        let is_expected = matches!(
            self.backend,
            Backend::Direct(Direct {
                has_close: true,
                ..
            })
        );
        self.backend.end(&mut self.outputs);
        match is_expected {
            true => self.close_client(None, moment.now),
            false => self.fail_backend("backend-gone", moment),
        }
    }
}

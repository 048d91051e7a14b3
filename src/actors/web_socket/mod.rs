//! The shell of a WebSocket session: carries out what its machine wants, on a parked socket or for
//! clients that poll.
//!
//! What takes time (a post, a change of channels, a filter that asks) is a task of its own that tells the
//! session the outcome by a message. The rules are in `engine::web_socket`. `posts`: what a backend is
//! told over HTTP, and what is told of a session that has ended. `direct`: a backend's own WebSocket.
//! `dialect`: what a client is told, as it reads it; `framed` and `polled` are those of SockJS.

mod dialect;
mod direct;
mod framed;
mod notes;
mod polled;
mod posts;
mod tasks;

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_rt::task::JoinHandle;

pub use self::{
    dialect::Dialect,
    direct::{Direct, DirectLink},
    polled::{Asking, Polled, Reply},
    posts::{abandon, understood},
};
use self::{notes::take_note, tasks::Tasks};
use super::{
    attentive::skip,
    connection_ids::NamedConnection,
    edge::Membership,
    held::moment,
    messages::{Encoded, SessionEvent, Waiting},
    ports::SocketBackend,
};
use crate::engine::{
    session::{Beginning, Moment},
    web_socket::{FromBackend, Output, ToClient, WebSocket},
    ws::{Decoder, Received},
};

/// What waits for a client past which its backend is not listened to, in bytes.
const CLIENT_WAITING_MAX: usize = 200_000;

/// Bytes of a client that compresses that are read at once.
const DEFLATED_READ_MAX: usize = 2_048;

/// What a WebSocket's session alone is told.
#[derive(Debug)]
pub enum SocketEvent {
    /// An operator wants its backend to be asked.
    Refresh,
    /// A post has come to its end.
    Posted,
    /// A change of channels was acknowledged by all, or not.
    Subscribed(bool),
    /// The client has taken enough of what waited.
    Written,
    /// The backend has sent this.
    FromBackend(Vec<u8>),
    /// The backend's connection has ended.
    BackendGone,
    /// The backend has taken enough of what waited.
    BackendWritten,
    /// A client that polls has done so.
    Poll(Asking),
    /// It has gone away again.
    PollGone,
    /// It has sent these messages.
    ClientSent(Vec<String>, Asking),
}

/// What a session is made with.
pub struct Parts {
    /// Its machine.
    pub machine: WebSocket<Arc<Encoded>>,
    /// Reads what its client sends.
    pub decoder: Decoder,
    /// How its client is told.
    pub dialect: Dialect,
    /// The way to its backend.
    pub backend: Rc<dyn SocketBackend>,
    /// The backend's own WebSocket, if it has one.
    pub direct: Option<Box<DirectLink>>,
    /// Counts the session among those that take compressed messages.
    pub deflating: Option<Waiting>,
    /// Lets it be found by the id that its backend knows.
    pub named: Option<Box<NamedConnection>>,
}

/// The shell of a session.
pub struct Socket {
    parts: Parts,
    tasks: Option<Box<Tasks>>,
}

impl Socket {
    /// Makes the shell.
    pub fn new(parts: Parts) -> Box<Self> {
        Box::new(Self { parts, tasks: None })
    }

    /// Begins: the client is told that it is connected, and then what came meanwhile.
    pub fn begin(&mut self, beginning: Beginning<Arc<Encoded>>, membership: &Membership) {
        let moment = moment();
        self.parts.dialect.begin(membership, moment.now);
        self.parts.machine.begin(moment);
        for entry in beginning.waiting {
            self.parts.machine.on_item(entry, moment);
        }
        if let Some(link) = &mut self.parts.direct {
            link.begin(membership);
        }
    }

    /// Tells how many of the client's bytes are wanted at once.
    pub fn wants_client(&self) -> usize {
        match (self.parts.machine.wants_client(), &self.parts.deflating) {
            (false, _) => 0,
            (true, None) => usize::MAX,
            // What is compressed may become a thousand times as much before the next look.
            (true, Some(_)) => DEFLATED_READ_MAX,
        }
    }

    /// Takes bytes of the client.
    pub fn on_client_bytes(&mut self, bytes: &mut [u8]) {
        let machine = &mut self.parts.machine;
        if machine.is_over() {
            return;
        }
        let mut received = Vec::new();
        let read = self.parts.decoder.on_bytes(bytes, &mut received);
        let moment = moment();
        for received in received {
            self.on_received(received, moment);
        }
        if let Err(error) = read {
            self.parts.machine.on_client_error(&error);
        }
    }

    fn on_received(&mut self, received: Received, moment: Moment) {
        let machine = &mut self.parts.machine;
        match self.parts.dialect.understand(received) {
            None => machine.on_client_nonsense("bad-sockjs-payload"),
            Some(understood) => understood
                .into_iter()
                .for_each(|received| machine.on_client(received, moment)),
        }
    }

    /// Takes what happened.
    pub fn on_event(&mut self, event: SessionEvent, membership: &Membership) {
        let moment = moment();
        let machine = &mut self.parts.machine;
        match event {
            SessionEvent::Item(encoded) => machine.on_item(encoded, moment),
            SessionEvent::Filtered(answer) => {
                let _ = self.tasks.as_mut().map(|tasks| tasks.filtering = None);
                machine.on_filtered(*answer, moment);
            }
            SessionEvent::Overflow => machine.on_overflow(moment),
            SessionEvent::Drain => machine.on_drain(moment),
            SessionEvent::Socket(event) => self.on_socket_event(*event, moment),
            SessionEvent::Timer => {
                let last_sent = membership.last_sent().unwrap_or(moment.now);
                machine.on_timer(last_sent, moment);
                self.parts.dialect.on_timer(membership, moment.now);
            }
            // Whoever holds the session sees to the end; the rest is for other holds.
            SessionEvent::Finished
            | SessionEvent::Gone
            | SessionEvent::Cut
            | SessionEvent::Refresh
            | SessionEvent::Turn(_)
            | SessionEvent::LinkBegun
            | SessionEvent::LinkAnswered(_) => {}
        }
    }

    fn on_socket_event(&mut self, event: SocketEvent, moment: Moment) {
        let machine = &mut self.parts.machine;
        match event {
            SocketEvent::Refresh => machine.on_refresh(moment),
            SocketEvent::Posted => self.on_posted(moment),
            SocketEvent::Subscribed(is_subscribed) => {
                machine.on_subscribed(is_subscribed, moment);
                let _ = self.tasks.as_mut().map(|tasks| tasks.changing = None);
            }
            SocketEvent::Written => {
                machine.on_client_slow(false, moment);
                let _ = self.tasks.as_mut().map(|tasks| tasks.writing = None);
            }
            SocketEvent::BackendWritten => machine.on_backend_slow(false),
            SocketEvent::BackendGone => machine.on_backend(FromBackend::Gone, moment),
            SocketEvent::FromBackend(mut bytes) => {
                let Some(link) = &mut self.parts.direct else {
                    return;
                };
                for said in link.read(&mut bytes) {
                    machine.on_backend(said, moment);
                }
            }
            SocketEvent::Poll(asking) => {
                let polled = self.parts.dialect.polled();
                let _ = polled.map(|polled| polled.on_poll(asking, moment.now));
            }
            SocketEvent::PollGone => {
                let _ = self.parts.dialect.polled().map(Polled::on_poll_gone);
            }
            SocketEvent::ClientSent(messages, asking) => {
                let polled = self.parts.dialect.polled();
                if polled.is_some_and(|polled| polled.on_send(asking)) {
                    for message in messages {
                        machine.on_client(dialect::text(message), moment);
                    }
                }
            }
        }
        if let Some(link) = &self.parts.direct {
            link.go_on(self.parts.machine.wants_backend());
        }
    }

    /// Does what the machine wants.
    pub fn carry_out(&mut self, membership: &Membership) {
        loop {
            while let Some(output) = self.parts.machine.next_output() {
                self.meet(output, membership);
            }
            if self.is_client_slow(membership) {
                self.parts.machine.on_client_slow(true, moment());
                self.wait_for_client(membership);
            } else {
                break;
            }
        }
        self.see_to_polls(membership);
        // An idle session keeps no room for tasks.
        self.tasks.take_if(|tasks| tasks.are_done());
        let due = [self.parts.machine.deadline(), self.parts.dialect.deadline()];
        membership.wake_at(due.into_iter().flatten().min());
    }

    /// Lets requests with messages go on, and the session end, if its client polls.
    fn see_to_polls(&mut self, membership: &Membership) {
        let has_room = self.parts.machine.wants_client();
        let Some(polled) = self.parts.dialect.polled() else {
            return;
        };
        if has_room {
            polled.on_room();
        }
        if polled.is_over() {
            cut(membership);
        }
    }

    /// Tells the client; one that polls has no close frame to answer with.
    fn say(&mut self, said: &ToClient, membership: &Membership) {
        let moment = moment();
        self.parts.dialect.say(said, membership, moment.now);
        if let (ToClient::Close(close), Some(_)) = (said, self.parts.dialect.polled()) {
            let answer = Received::Close(Some(close.clone()));
            self.parts.machine.on_client(answer, moment);
        }
    }

    fn meet(&mut self, output: Output<Arc<Encoded>>, membership: &Membership) {
        let Parts {
            dialect, direct, ..
        } = &mut self.parts;
        match output {
            Output::ToClient(said) => self.say(&said, membership),
            Output::Item(entry, content) => {
                dialect.say_item(&entry, content, (membership, moment().now));
            }
            Output::KeepAlive(said) => dialect.keep_alive(&said, membership, moment().now),
            Output::Post(post) => self.post(post, membership),
            Output::ToBackend(said) => {
                if direct.as_ref().is_some_and(|link| link.say(said)) {
                    self.parts.machine.on_backend_slow(true);
                }
            }
            Output::EndBackend => self.parts.direct = None,
            Output::Subscribe(wanted) => self.change_channels(wanted, membership),
            Output::Ask(question) => self.ask_filter(*question, membership),
            Output::Skip(entry, why) => skip(&entry, &why, membership),
            Output::Deafen => membership.deafen(),
            Output::Finish | Output::Cut if dialect.polled().is_some() => {
                let _ = dialect.polled().map(Polled::on_finish);
            }
            Output::Finish => membership.finish(bytes::Bytes::new()),
            Output::Cut => cut(membership),
            Output::Note(note) => take_note(&note, membership),
        }
    }

    fn is_client_slow(&self, membership: &Membership) -> bool {
        let machine = &self.parts.machine;
        let is_waited_for = self
            .tasks
            .as_ref()
            .is_some_and(|tasks| tasks.writing.is_some());
        !machine.is_over() && !is_waited_for && membership.own_bytes() > CLIENT_WAITING_MAX
    }

    /// The hold is over: the backend hears of it, if it has not. Returns how many items go with it, too.
    pub fn end(mut self, membership: &Membership) -> (Option<JoinHandle<()>>, usize) {
        self.parts.machine.on_client_gone();
        self.say_the_rest();
        let polled = self.parts.dialect.polled();
        let in_hand = self.parts.machine.in_hand() + polled.map_or(0, |polled| polled.in_hand());
        (self.tell_the_rest(membership.edge().counters()), in_hand)
    }

    /// Says the last to a backend that is reached directly.
    fn say_the_rest(&mut self) {
        while let Some(output) = self.parts.machine.next_output() {
            match (output, &self.parts.direct) {
                (Output::ToBackend(said), Some(link)) => drop(link.say(said)),
                (Output::EndBackend, _) => self.parts.direct = None,
                _ => {}
            }
        }
    }
}

fn cut(membership: &Membership) {
    let place = membership.place();
    membership.edge().tell(place, SessionEvent::Cut);
}

/// Tells a session something about its hold.
fn tell(
    edge: &super::edge::Edge,
    place: (crate::engine::fan_out::SessionKey, u64),
    event: SocketEvent,
) {
    edge.tell(place, SessionEvent::Socket(Box::new(event)));
}

/// How long a direct backend may take to read the last that it is told.
const LAST_WORDS: Duration = Duration::from_secs(5);

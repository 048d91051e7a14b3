//! The shell of a session that looks at each item itself: carries out what its machine wants.
//!
//! What takes time (a turn, a request to a link or a filter) is a task of its own, which ends with the
//! session and tells it the outcome by a message. The rules are in `engine::session`.

use std::{
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_rt::task::JoinHandle;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    edge::Membership,
    link_body,
    messages::{Encoded, SessionEvent, Turn},
    ports::Backend,
    task::Task,
};
use crate::{
    engine::{
        presentation::Presentation,
        session::{Asked, Beginning, End, Moment, Output, Published, Session, Skipped},
        wire::{self, Reply},
    },
    grip::{
        channel::{ChannelName, ItemId},
        filter::FilterError,
        network_filter::Question,
        response::Response,
    },
    stats::{
        counters::{Dropped, Total},
        receipt::Met,
    },
};

/// How long a request that is asked again waits for its gone link.
const GONE_PATIENCE: Duration = Duration::from_secs(1);

/// How a long-poll is answered.
pub struct Answer {
    /// Its way to the client.
    pub way: AnswerWay,
    /// How it is shown there; none: as it is.
    pub presentation: Option<Rc<Presentation>>,
}

/// The way of a long-poll's answer.
pub enum AnswerWay {
    /// P-8 writes the response on the parked socket itself.
    Wire(Reply),
    /// Whoever waits for it sends the response.
    Handed(oneshot::Sender<Response>),
}

/// What becomes of a hold.
pub enum Fate {
    /// It is over, and its way out with it.
    Over,
    /// Its request is asked again, with the ids that the backend is told.
    Retry(Vec<(ChannelName, ItemId)>, Option<Turn>),
}

/// A session that looks at each item itself.
pub struct Attentive {
    session: Session<Arc<Encoded>>,
    /// None for a stream.
    answer: Option<Answer>,
    /// The way back; none in another service.
    backend: Option<Rc<dyn Backend>>,
    gone: Option<String>,
    /// The response had no hold but a next link, which is asked at once.
    is_chain: bool,
    turn: Option<Turn>,
    woken_at: Option<Instant>,
    asking: Option<Task>,
    filtering: Option<Task>,
}

/// How an attentive session reaches its backend.
#[derive(Default)]
pub struct WayBack {
    /// The way back; none in another service.
    pub backend: Option<Rc<dyn Backend>>,
    /// Whom to tell when the session ends.
    pub gone: Option<String>,
    /// The next link is asked at once.
    pub is_chain: bool,
}

impl Attentive {
    /// Makes the shell of a machine; a long-poll has an answer.
    pub fn new(
        session: Session<Arc<Encoded>>,
        answer: Option<Answer>,
        way_back: WayBack,
    ) -> Box<Self> {
        let WayBack {
            backend,
            gone,
            is_chain,
        } = way_back;
        Box::new(Self {
            session,
            answer,
            backend,
            gone,
            is_chain,
            turn: None,
            woken_at: None,
            asking: None,
            filtering: None,
        })
    }

    /// Tells whether it is a stream.
    pub fn is_stream(&self) -> bool {
        self.answer.is_none()
    }

    /// Begins.
    pub fn begin(&mut self, beginning: Beginning<Arc<Encoded>>, moment: Moment) {
        if self.is_chain {
            self.session.begin_chain();
        } else {
            self.session.begin(beginning, moment);
        }
    }

    /// It is over: tells the gone link, if there is one. Returns how many items go with it, too.
    pub fn end(mut self) -> (Option<JoinHandle<()>>, usize) {
        (self.tell_gone(), self.session.in_hand())
    }

    /// Gives out the items that wait.
    pub fn into_waiting(self) -> VecDeque<Arc<Encoded>> {
        self.session.into_waiting()
    }

    /// Takes what happened.
    pub fn on_event(&mut self, event: SessionEvent, membership: &Membership, moment: Moment) {
        let session = &mut self.session;
        match event {
            SessionEvent::Item(encoded) => session.on_item(encoded, moment),
            SessionEvent::Refresh => session.on_refresh(moment),
            SessionEvent::Filtered(answer) => session.on_filtered(*answer, moment),
            SessionEvent::LinkBegun => session.on_answer_begun(),
            SessionEvent::LinkAnswered(Some(answer)) => session.on_answer(*answer, moment),
            SessionEvent::LinkAnswered(None) => session.on_failure(moment),
            SessionEvent::Turn(turn) => self.on_turn(turn, membership),
            SessionEvent::Timer => {
                self.woken_at = None;
                let last_sent = membership.last_sent().unwrap_or(moment.now);
                session.on_timer(last_sent, moment);
            }
            // Whoever holds the session sees to these.
            SessionEvent::Drain
            | SessionEvent::Socket(_)
            | SessionEvent::Finished
            | SessionEvent::Overflow
            | SessionEvent::Cut
            | SessionEvent::Gone => {}
        }
    }

    /// Ends in good order, for the server stops.
    pub fn on_drain(&mut self) {
        if let Some(AnswerWay::Wire(reply)) = self.answer.as_mut().map(|answer| &mut answer.way) {
            reply.keep_alive = false;
        }
        self.session.on_drain();
    }

    /// Does what the machine wants; says if the hold is over by it.
    pub fn carry_out(&mut self, membership: &Membership) -> Option<Fate> {
        let mut fate = None;
        while let Some(output) = self.session.next_output() {
            match output {
                Output::Append(content, entry) => membership.append_item(content, &entry),
                Output::AppendBody(body) => membership.append_body(body),
                Output::KeepAlive(content) => membership.append_content(content),
                Output::Respond(response, of) => {
                    let _ = of.map(|entry| entry.note(|sheet| sheet.met(Met::Queued)));
                    fate = self.respond(response, membership);
                }
                Output::Finish(end) => finish(end, membership),
                Output::Filter(question) => self.ask_filter(*question, membership),
                Output::TakeTurn => self.take_turn(membership),
                Output::Ask(asked) if asked.link.is_some() => self.follow(asked, membership),
                Output::Ask(asked) => fate = Some(Fate::Retry(asked.last, self.turn.take())),
                Output::Skip(entry, why) => skip(&entry, &why, membership),
                Output::Supersede(items) => {
                    let counters = membership.edge().counters();
                    counters.add(Total::ItemsSuperseded, items as u64);
                }
                Output::Forget(channel) => membership.forget(channel),
            }
        }
        if !self.session.wants_turn() {
            // A turn that was not used is the next one's.
            self.turn = None;
        }
        let deadline = self.session.deadline();
        if self.woken_at != deadline {
            self.woken_at = deadline;
            membership.wake_at(deadline);
        }
        fate
    }

    fn respond(&mut self, response: Response, membership: &Membership) -> Option<Fate> {
        let counters = membership.edge().counters();
        counters.add(Total::ResponsesSent, 1);
        let Answer { way, presentation } = self.answer.take()?;
        let response = match presentation {
            Some(shown) => shown.held(response),
            None => response,
        };
        match way {
            AnswerWay::Wire(reply) => {
                membership.finish(wire::whole_response(&response, reply));
                None
            }
            AnswerWay::Handed(way) => {
                let _ = way.send(response);
                Some(Fate::Over)
            }
        }
    }

    /// Tells the gone link, which goes on even if the session is over meanwhile.
    fn tell_gone(&mut self) -> Option<JoinHandle<()>> {
        let gone = self.gone.take()?;
        let told = self.backend.as_ref()?.tell_gone(&gone);
        Some(actix_rt::spawn(told))
    }

    fn take_turn(&mut self, membership: &Membership) {
        let Some(backend) = self.backend.clone() else {
            return;
        };
        let (edge, place) = (membership.edge().clone(), membership.place());
        self.asking = Task::spawn(async move {
            let turn = backend.turn().await;
            edge.tell(place, SessionEvent::Turn(turn));
        });
    }

    /// A long-poll's gone link hears of the end before its request is asked again.
    fn on_turn(&mut self, turn: Turn, membership: &Membership) {
        if !self.is_stream() && self.session.wants_turn() {
            if let Some(told) = self.tell_gone() {
                let (edge, place) = (membership.edge().clone(), membership.place());
                self.asking = Task::spawn(async move {
                    let _ = actix::clock::timeout(GONE_PATIENCE, told).await;
                    edge.tell(place, SessionEvent::Turn(turn));
                });
                return;
            }
        }
        self.turn = Some(turn);
        self.session.on_turn();
    }

    fn follow(&mut self, asked: Asked, membership: &Membership) {
        let Some(backend) = self.backend.clone() else {
            return;
        };
        let (edge, place) = (membership.edge().clone(), membership.place());
        let turn = self.turn.take();
        self.asking = Task::spawn(async move {
            let followed = backend.follow(asked, turn).await;
            let event = link_body::settle(&edge, place, followed).await;
            edge.tell(place, event);
        });
    }

    fn ask_filter(&mut self, question: Question, membership: &Membership) {
        let backend = self.backend.clone();
        let (edge, place) = (membership.edge().clone(), membership.place());
        edge.counters().add(Total::FilterRequests, 1);
        self.filtering = Task::spawn(async move {
            let answer = match backend {
                Some(backend) => backend.ask_filter(question).await,
                None => Err(FilterError::Unanswered {
                    filter: question.filter,
                    why: "another service holds the session".to_owned(),
                }),
            };
            edge.tell(place, SessionEvent::Filtered(Box::new(answer)));
        });
    }
}

fn finish(end: End, membership: &Membership) {
    let session = membership.key().0;
    match end {
        End::Told => {}
        End::Cut => {
            let edge = membership.edge();
            return edge.tell(membership.place(), SessionEvent::Cut);
        }
        End::NoNextLink => log::warn!(session;
            "a stream with a prev-id but no next link is ended: it could not be kept complete"),
        End::LinkFailed => log::warn!(session; "a stream is ended: its next link failed too often"),
    }
    membership.finish(Bytes::new());
}

/// Counts an item that does not reach its session.
pub(super) fn skip(entry: &Arc<Encoded>, why: &Skipped, membership: &Membership) {
    let counters = membership.edge().counters();
    let (reason, text) = match why {
        Skipped::Filtered => {
            entry.note(|sheet| sheet.met(Met::Filtered));
            return counters.add(Total::ItemsFiltered, 1);
        }
        Skipped::ContentFilters => {
            entry.note(|sheet| sheet.dropped(Dropped::ContentFilters));
            return counters.drop_items(Dropped::ContentFilters, 1);
        }
        Skipped::QueueFull => (Dropped::SessionBusy, "too many items wait".to_owned()),
        Skipped::Unsendable => {
            let why = "a filter made of it what its kind of message cannot be";
            (Dropped::FilterError, why.to_owned())
        }
        Skipped::FilterError(error) => (Dropped::FilterError, error.to_string()),
        Skipped::Unpatchable(error) => (Dropped::Unpatchable, error.to_string()),
    };
    entry.note(|sheet| sheet.dropped(reason));
    counters.drop_items(reason, 1);
    log::warn!(session = membership.key().0, channel:? = entry.item().channel.as_str(),
        reason = reason.as_str(), error = text.as_str(); "an item was skipped");
}

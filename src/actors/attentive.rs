//! The shell of a session that looks at each item itself: carries out what its machine wants.
//!
//! What takes time (a turn, a request to a link or a filter) is a task of its own, which ends with the
//! session and tells it the outcome by a message. The rules are in `engine::session`.

use std::{cell::Cell, collections::VecDeque, future::Future, rc::Rc, sync::Arc, time::Instant};

use actix_rt::task::JoinHandle;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    edge::Membership,
    link_body,
    messages::{Encoded, SessionEvent, Turn},
    ports::{Backend, Promise},
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
    stats::counters::{Dropped, Total},
};

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
    /// Whom to tell that it has ended; none once told.
    gone: Rc<Cell<Option<String>>>,
    /// The response had no hold but a next link, which is asked at once.
    is_chain: bool,
    turn: Option<Turn>,
    woken_at: Option<Instant>,
    asking: Option<Task>,
    filtering: Option<Task>,
}

/// A task that ends with its session.
struct Task(JoinHandle<()>);

impl Task {
    fn spawn(work: impl Future<Output = ()> + 'static) -> Option<Self> {
        Some(Self(actix_rt::spawn(work)))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
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
            gone: Rc::new(Cell::new(gone)),
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

    /// It is over: tells the gone link.
    pub fn end(mut self) {
        if let Some(told) = self.tell_gone() {
            actix_rt::spawn(told);
        }
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
            SessionEvent::Filtered(answer) => session.on_filtered(answer, moment),
            SessionEvent::LinkBegun => session.on_answer_begun(),
            SessionEvent::LinkAnswered(Some(answer)) => session.on_answer(*answer, moment),
            SessionEvent::LinkAnswered(None) => session.on_failure(moment),
            SessionEvent::Turn(turn) => {
                self.turn = Some(turn);
                session.on_turn();
            }
            SessionEvent::Timer => {
                self.woken_at = None;
                let last_sent = membership.last_sent().unwrap_or(moment.now);
                session.on_timer(last_sent, moment);
            }
            // Whoever holds the session sees to these.
            SessionEvent::Drain
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
                Output::Respond(response) => fate = self.respond(response, membership),
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
        // A turn that was not used is the next one's.
        self.turn = None;
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

    fn tell_gone(&mut self) -> Option<Promise<()>> {
        let gone = self.gone.take()?;
        Some(self.backend.as_ref()?.tell_gone(&gone))
    }

    /// A long-poll's gone link hears of the end before its request is asked again.
    fn take_turn(&mut self, membership: &Membership) {
        let Some(backend) = self.backend.clone() else {
            return;
        };
        let (edge, place) = (membership.edge().clone(), membership.place());
        let gone = (!self.is_stream()).then(|| self.gone.clone());
        self.asking = Task::spawn(async move {
            let turn = backend.turn().await;
            if let Some(link) = gone.and_then(|gone| gone.take()) {
                // Told to the end, though the session may end meanwhile.
                let _ = actix_rt::spawn(backend.tell_gone(&link)).await;
            }
            edge.tell(place, SessionEvent::Turn(turn));
        });
    }

    fn follow(&mut self, asked: Asked, membership: &Membership) {
        let Some(backend) = self.backend.clone() else {
            return;
        };
        let (edge, place) = (membership.edge().clone(), membership.place());
        let turn = self.turn.take();
        self.asking = Task::spawn(async move {
            let followed = backend.follow(asked).await;
            let event = link_body::settle(&edge, place, followed).await;
            drop(turn);
            edge.tell(place, event);
        });
    }

    fn ask_filter(&mut self, question: Question, membership: &Membership) {
        let (edge, place) = (membership.edge().clone(), membership.place());
        let Some(backend) = self.backend.clone() else {
            let (filter, why) = (question.filter, "there is no way to the backend".to_owned());
            let unanswered = Err(FilterError::Unanswered { filter, why });
            return edge.tell(place, SessionEvent::Filtered(unanswered));
        };
        edge.counters().add(Total::FilterRequests, 1);
        self.filtering = Task::spawn(async move {
            let answer = backend.ask_filter(question).await;
            edge.tell(place, SessionEvent::Filtered(answer));
        });
    }
}

fn finish(end: End, membership: &Membership) {
    let session = membership.key().0;
    match end {
        End::Told => {}
        End::NoNextLink => log::warn!(session;
            "a stream with a prev-id but no next link is ended: it could not be kept complete"),
        End::LinkFailed => log::warn!(session; "a stream is ended: its next link failed too often"),
    }
    membership.finish(Bytes::new());
}

/// Counts an item that does not reach its session.
fn skip(entry: &Arc<Encoded>, why: &Skipped, membership: &Membership) {
    let counters = membership.edge().counters();
    let (reason, text) = match why {
        Skipped::Filtered => return counters.add(Total::ItemsFiltered, 1),
        Skipped::ContentFilters => {
            return counters.drop_items(Dropped::ContentFilters, 1);
        }
        Skipped::QueueFull => (Dropped::SessionBusy, "too many items wait".to_owned()),
        Skipped::FilterError(error) => (Dropped::FilterError, error.to_string()),
        Skipped::Unpatchable(error) => (Dropped::Unpatchable, error.to_string()),
    };
    counters.drop_items(reason, 1);
    log::warn!(session = membership.key().0, channel:? = entry.item().channel.as_str(),
        reason = reason.as_str(), error = text.as_str(); "an item was skipped");
}

//! A held request: its machine, its place in the worker's tables, and its way out.
//!
//! Carries out what the machines of `engine` decide for one session; `session` decides which of them
//! is asked.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{edge::Membership, messages::Encoded, ports::Outlet};
use crate::{
    engine::{
        filtering::{Filtered, Filtering},
        presentation::Presentation,
        response_hold::{Output, ResponseHold},
        stream_hold::{self, StreamHold},
        wire::{self, Reply},
    },
    grip::{
        filter,
        publish::{Item, ResponseFormat, StreamFormat},
        response::Response,
    },
    stats::counters::{Dropped, Total},
};

/// How a held request is answered.
pub enum Answer {
    /// P-8 writes the response on the parked socket itself.
    Wire(Reply),
    /// Whoever waits for it sends the response.
    Handed(oneshot::Sender<Response>),
}

/// The machine of a hold.
pub enum Machine {
    /// A long-poll.
    Response(Box<LongPoll>),
    /// A stream whose items the hub puts in the outbox.
    Stream(StreamHold),
    /// A stream that looks at each item itself.
    Filtered(Box<FilteredStream>),
}

/// A long-poll's machine, how its answer leaves, and its filters.
pub struct LongPoll {
    hold: ResponseHold,
    answer: Answer,
    filtering: Option<Filtering>,
    presentation: Option<Rc<Presentation>>,
}

/// A stream's machine and its filters.
pub struct FilteredStream {
    hold: StreamHold,
    filtering: Filtering,
}

impl Machine {
    /// Makes the machine of a long-poll.
    pub fn response(
        hold: ResponseHold,
        answer: Answer,
        filtering: Option<Filtering>,
        presentation: Option<Rc<Presentation>>,
    ) -> Self {
        Self::Response(Box::new(LongPoll {
            hold,
            answer,
            filtering,
            presentation,
        }))
    }

    /// Makes the machine of a stream.
    pub fn stream(hold: StreamHold, filtering: Option<Filtering>) -> Self {
        match filtering {
            None => Self::Stream(hold),
            Some(filtering) => Self::Filtered(Box::new(FilteredStream { hold, filtering })),
        }
    }

    fn stream_hold(&mut self) -> Option<&mut StreamHold> {
        match self {
            Self::Response(_) => None,
            Self::Stream(hold) => Some(hold),
            Self::Filtered(stream) => Some(&mut stream.hold),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Response(poll) => poll.hold.deadline(),
            Self::Stream(hold) => hold.deadline(),
            Self::Filtered(stream) => stream.hold.deadline(),
        }
    }
}

/// A held request.
pub struct Held {
    membership: Membership,
    outlet: Option<Rc<dyn Outlet>>,
    machine: Machine,
}

impl Held {
    /// Binds what a hold consists of.
    pub fn new(membership: Membership, outlet: Option<Rc<dyn Outlet>>, machine: Machine) -> Self {
        Self {
            membership,
            outlet,
            machine,
        }
    }

    /// Returns its place in the worker's tables.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Takes it apart: the hold is over, or its request is asked again.
    pub fn into_parts(self) -> (Membership, Option<Rc<dyn Outlet>>) {
        (self.membership, self.outlet)
    }

    /// Returns what holds of its kind are counted as.
    pub fn counter(&self) -> Total {
        match &self.machine {
            Machine::Response(_) => Total::ResponseHolds,
            Machine::Stream(_) | Machine::Filtered(_) => Total::StreamHolds,
        }
    }

    /// Asks for the machine's next wake-up.
    pub fn wake_when_due(&self) {
        self.membership.wake_at(self.machine.deadline());
    }

    /// Tells whether the backend can be asked again.
    pub fn can_retry(&self) -> bool {
        self.outlet
            .as_ref()
            .is_some_and(|outlet| outlet.can_retry())
    }

    /// Takes an item: a stream appends it, a long-poll says what is to be done.
    pub fn on_item(&mut self, encoded: &Encoded) -> Option<Output> {
        let item = &encoded.item;
        match &mut self.machine {
            Machine::Response(poll) => {
                let format = item.formats.response.as_ref()?;
                let content_filters = match format {
                    ResponseFormat::Send(send) => send.content_filters.as_deref(),
                    _ => None,
                };
                let (filtering, membership) = (poll.filtering.as_mut(), &self.membership);
                poll.hold.on_item(format, |content| {
                    passed(
                        membership,
                        item,
                        judge(filtering, item, &content, content_filters),
                    )
                })
            }
            Machine::Filtered(stream) => {
                match item.formats.stream.as_ref()? {
                    StreamFormat::Send {
                        content,
                        content_filters,
                    } => {
                        let filtering = Some(&mut stream.filtering);
                        let judged = judge(filtering, item, content, content_filters.as_deref());
                        let content = passed(&self.membership, item, judged)?;
                        self.membership.append_item(content, encoded);
                    }
                    StreamFormat::Close => self.membership.finish(Bytes::new()),
                    StreamFormat::Hint | StreamFormat::Refresh => {}
                }
                None
            }
            Machine::Stream(_) => None,
        }
    }

    /// Looks at the clock.
    pub fn on_timer(&mut self, now: Instant) -> Option<Output> {
        if let Machine::Response(poll) = &mut self.machine {
            return poll.hold.on_timer(now);
        }
        let last_sent = self.membership.last_sent().unwrap_or(now);
        let hold = self.machine.stream_hold()?;
        if let stream_hold::Output::Append(content) = hold.on_timer(now, last_sent, jitter()) {
            self.membership.append_content(content);
        }
        self.wake_when_due();
        None
    }

    /// Ends in good order, for the server stops.
    pub fn on_drain(&mut self) -> Option<Output> {
        let _ = self.outlet.as_ref().map(|outlet| outlet.close_after());
        match &mut self.machine {
            Machine::Response(poll) => {
                if let Answer::Wire(reply) = &mut poll.answer {
                    reply.keep_alive = false;
                }
                poll.hold.on_end()
            }
            Machine::Stream(_) | Machine::Filtered(_) => {
                self.membership.finish(Bytes::new());
                None
            }
        }
    }

    /// Answers a long-poll; true if the hold is over with that.
    pub fn respond(&mut self, response: Response) -> bool {
        let Machine::Response(poll) = &mut self.machine else {
            return false;
        };
        let counters = self.membership.edge().counters();
        counters.add(Total::ResponsesSent, 1);
        let response = match &poll.presentation {
            Some(shown) => shown.held(response),
            None => response,
        };
        match std::mem::replace(&mut poll.answer, Answer::Wire(Reply::CLOSING)) {
            Answer::Wire(reply) => {
                let bytes = wire::whole_response(&response, reply);
                self.membership.finish(bytes);
                false
            }
            Answer::Handed(way) => {
                let _ = way.send(response);
                true
            }
        }
    }
}

fn judge(
    filtering: Option<&mut Filtering>,
    item: &Item,
    content: &Bytes,
    content_filters: Option<&[String]>,
) -> Filtered {
    match filtering {
        Some(filtering) => filtering.on_item(item, content.clone(), content_filters),
        None => match content_filters {
            Some(wanted) if !filter::content_filters_match(wanted, &[]) => Filtered::OtherFilters,
            _ => Filtered::Pass(content.clone()),
        },
    }
}

/// Returns what passed; whatever did not is counted.
fn passed(membership: &Membership, item: &Item, judged: Filtered) -> Option<Bytes> {
    let counters = membership.edge().counters();
    match judged {
        Filtered::Pass(content) => return Some(content),
        Filtered::Drop => counters.add(Total::ItemsFiltered, 1),
        Filtered::OtherFilters => counters.drop_items(Dropped::ContentFilters, 1),
        Filtered::Error(error) => {
            counters.drop_items(Dropped::FilterError, 1);
            log::warn!(session = membership.key().0, channel:? = item.channel.as_str(), error:%;
                "an item was skipped: a filter could not be applied");
        }
    }
    None
}

/// Shortens a keep-alive's delay, so that clients that came together are not served together.
pub fn jitter() -> Duration {
    Duration::from_millis(fastrand::u64(0..1_000))
}

//! How a hold begins: subscribe first, then answer, then let go of everything not needed.
//!
//! ```text
//! join (acknowledged by every channel) ─▶ park the socket ─▶ head ─▶ items
//!                                     └─▶ or a body outlet, where it cannot be parked
//! ```
//!
//! Taking the socket is the last act; whatever may fail comes before it.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use actix_web::{body::BoxBody, HttpResponse};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    body::BodyThen,
    border,
    exchange::Outcome,
    held_body::{AbandonOnDrop, BodyOutlet, HeldBody},
    hold::{plain, Client},
    http2::Again,
    reply,
    slot::Slot,
};
use crate::{
    actors::{
        attentive::{Answer, AnswerWay, Attentive, WayBack},
        broker::Broker,
        edge::{JoinError, Membership},
        held::{jitter, Held, Machine},
        messages::{Join, SessionKind},
        ports::{BodyStream, Outlet},
        session::{Session, SessionState},
    },
    engine::{
        delivery_rate::QueueIndex,
        filtering::Filtering,
        outbox::SlowClient,
        plan::Wanted,
        presentation::Presentation,
        prev_ids::PrevIds,
        response_hold::ResponseHold,
        route::Route,
        session::{self, Terms},
        stream_hold::StreamHold,
        wire::{self, BodyEnd, Reply},
    },
    grip::{
        channel::ChannelName,
        filter::FilterError,
        instruct::{HoldMode, Instruct, KeepAlive, NextLink},
        response::Response,
    },
};

/// What kind of response it is going to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No hold, no next link.
    Plain,
    /// No hold, but a next link: an open stream that goes on there.
    Chain,
    /// A stream hold.
    Stream,
    /// A long-poll.
    Response,
}

/// A hold about to begin.
pub struct Begin {
    /// What kind.
    pub mode: Mode,
    /// The immediate response, or a long-poll's timeout response.
    pub response: Response,
    /// The way back to its backend.
    pub way_back: WayBack,
    /// The route's policy; none: the broker's.
    pub slow_client: Option<SlowClient>,
    /// Where its deliveries wait if a rate is set.
    pub queue: QueueIndex,
    /// Its route; none in another service.
    pub route: Option<Arc<Route>>,
    /// How a long-poll's answer, or the head of a stream, is shown.
    presentation: Option<Rc<Presentation>>,
    channels: Vec<Wanted>,
    terms: Terms,
    keep_alive: Option<KeepAlive>,
    next: Option<NextLink>,
    timeout: Duration,
    conflicts: Vec<ChannelName>,
    /// The request was asked again: items may have come for it meanwhile.
    is_retry: bool,
}

impl Begin {
    /// Takes what is instructed; `channels` are those to subscribe to.
    pub fn new(
        instruct: &mut Instruct,
        channels: Vec<Wanted>,
        implicit: &[ChannelName],
        route: &Route,
    ) -> Self {
        let prefix = route.prefix.as_deref();
        let mode = match (&instruct.hold, &instruct.next) {
            (None, None) => Mode::Plain,
            (None, Some(_)) => Mode::Chain,
            (Some(hold), _) if hold.mode == HoldMode::Stream => Mode::Stream,
            (Some(_), _) => Mode::Response,
        };
        let timeout_secs = instruct.hold.as_ref().map_or(0, |hold| hold.timeout_secs);
        let subscriptions = &mut instruct.subscriptions;
        subscriptions.retain(|subscription| {
            let name = subscription.channel.prefixed(prefix.unwrap_or_default());
            channels.iter().any(|wanted| wanted.channel == name)
        });
        Self {
            mode,
            way_back: WayBack {
                gone: instruct.gone.take(),
                is_chain: mode == Mode::Chain,
                ..WayBack::default()
            },
            slow_client: None,
            queue: QueueIndex::default(),
            route: None,
            presentation: None,
            terms: Terms {
                prev_ids: PrevIds::new(implicit, subscriptions, prefix),
                filtering: Filtering::new(subscriptions, prefix, &instruct.meta),
                waiting_max: 0,
            },
            channels: if mode == Mode::Chain {
                Vec::new()
            } else {
                channels
            },
            response: std::mem::replace(&mut instruct.response, Response::empty(200)),
            keep_alive: instruct.keep_alive.take(),
            next: instruct.next.take(),
            timeout: Duration::from_secs(u64::from(timeout_secs)),
            conflicts: Vec::new(),
            is_retry: false,
        }
    }

    /// Tells whether the body may be larger than what is gathered.
    pub fn can_be_large(&self) -> bool {
        matches!(self.mode, Mode::Stream | Mode::Chain) && !self.terms.filtering.edits_bodies()
    }

    /// Applies the filters that edit bodies to what is sent at once; not to a long-poll's timeout
    /// response, and not to a body that is not there whole.
    pub fn edit_body(&mut self, is_cut: bool) -> Result<(), FilterError> {
        if self.mode != Mode::Response && !is_cut {
            let Terms {
                prev_ids,
                filtering,
                ..
            } = &self.terms;
            let body = self.response.body.clone();
            self.response.body = filtering.on_body(body, prev_ids)?;
        }
        if self.mode == Mode::Chain {
            // Nothing is subscribed until a hold comes.
            self.terms = Terms::default();
        }
        Ok(())
    }

    /// Tells whether the backend may have to be reached again.
    pub fn needs_way_back(&self) -> bool {
        self.mode == Mode::Response
            || self.next.is_some()
            || self.way_back.gone.is_some()
            || !self.terms.filtering.is_empty()
    }

    /// In another service there is nobody to ask again: says so if that is wanted.
    pub fn warn_of_no_way_back(&mut self) {
        if self.next.take().is_some() || self.way_back.gone.take().is_some() {
            log::warn!("a held response of an embedding service has links: they are not followed");
        }
        if self.mode == Mode::Chain {
            self.mode = Mode::Plain;
        }
    }

    /// Tells whether the session looks at each item itself.
    fn is_attentive(&self) -> bool {
        self.mode != Mode::Stream
            || self.is_retry
            || self.next.is_some()
            || !self.terms.filtering.is_empty()
            || self.terms.prev_ids.is_checked()
    }

    /// Subscribes, then holds: on a parked socket if it can be taken, else through a response body.
    pub async fn start(
        mut self,
        broker: &Broker,
        client: Client,
        rest: Option<BodyStream>,
    ) -> Result<Outcome, JoinError> {
        let is_stream = self.mode != Mode::Response;
        self.presentation = client.presentation.clone();
        if let Some(shown) = self.presentation.take_if(|_| is_stream) {
            shown.open(&mut self.response.headers);
        }
        if is_stream && !client.reply.has_body(self.response.status) {
            return Ok(Outcome::Held(plain(&self.response)));
        }
        let waiting_max = broker.options().outbox.items_max;
        self.terms.waiting_max = waiting_max;
        if let (Some(slot), None) = (client.parkable_slot().cloned(), &rest) {
            self.is_retry = slot.state.borrow().is_retried();
            slot.state.borrow_mut().expect(waiting_max);
            let session = slot.session().ok_or(JoinError::HubUnavailable)?;
            let end = client.reply.stream_end();
            let membership = self.join(broker, session, end).await?;
            return Ok(self
                .park(membership, &slot, client.reply)
                .unwrap_or_else(|| reply::not_joined(JoinError::HubUnavailable).into()));
        }
        let edge = broker.edge();
        let (state, session) = match &client.stream {
            Some(stream) => (stream.state.clone(), stream.session(&edge)),
            None => {
                let state = Rc::<RefCell<SessionState>>::default();
                (state.clone(), Session::start(state, &edge))
            }
        };
        self.is_retry = state.borrow().is_retried();
        state.borrow_mut().expect(waiting_max);
        let membership = self.join(broker, session, BodyEnd::Outside).await?;
        if let Some(slot) = &client.slot {
            // What was kept for a request that was asked again cannot come along to a body.
            slot.state.borrow_mut().answered();
        }
        Ok(if is_stream {
            let outlet = client.body_outlet();
            Outcome::Held(self.stream_body(membership, state, (rest, outlet)))
        } else {
            let stream = client
                .stream
                .filter(|stream| client.is_read && stream.can_retry());
            self.awaited(membership, state, stream.is_some()).await
        })
    }

    async fn join(
        &mut self,
        broker: &Broker,
        session: Addr<Session>,
        body_end: BodyEnd,
    ) -> Result<Membership, JoinError> {
        let mut limits = broker.options().outbox;
        limits.policy = self.slow_client.unwrap_or(limits.policy);
        let join = Join {
            session,
            kind: match self.mode {
                Mode::Response => SessionKind::Response,
                _ => SessionKind::Stream,
            },
            body_end,
            is_attentive: self.is_attentive(),
            limits,
            queue: self.queue,
            channels: std::mem::take(&mut self.channels),
            route: self.route.take(),
        };
        let (membership, conflicts) = broker.edge().join(join).await?;
        self.conflicts = conflicts;
        Ok(membership)
    }

    /// Takes the socket; from here on nothing may be awaited.
    fn park(mut self, membership: Membership, slot: &Rc<Slot>, reply: Reply) -> Option<Outcome> {
        let is_stream = self.mode != Mode::Response;
        let keep_alive = reply.keep_alive && !(is_stream && reply.http10);
        let reply = Reply {
            keep_alive,
            ..reply
        };
        if !slot.park(keep_alive, !is_stream) {
            return None;
        }
        let outlet = slot.clone();
        let (head, answer) = if is_stream {
            (wire::stream_head(&self.response, reply), None)
        } else {
            (Bytes::new(), Some(AnswerWay::Wire(reply)))
        };
        let conflicts = std::mem::take(&mut self.conflicts);
        let machine = self.machine(answer, slot.can_retry());
        membership.begin(outlet.clone(), head);
        slot.state
            .borrow_mut()
            .begin(Held::new(membership, Some(outlet), machine), conflicts);
        Some(Outcome::Parked)
    }

    /// Holds through a response body that another dispatcher writes.
    fn stream_body(
        mut self,
        membership: Membership,
        state: Rc<RefCell<SessionState>>,
        (rest, outlet): (Option<BodyStream>, Rc<BodyOutlet>),
    ) -> HttpResponse {
        let Response {
            status,
            headers,
            body,
            ..
        } = &self.response;
        let reason = Some(self.response.reason_phrase());
        let mut builder = border::response_out(*status, reason, headers);
        let body = body.clone();
        let first = if rest.is_some() {
            Bytes::new()
        } else {
            body.clone()
        };
        membership.begin(outlet.clone(), first);
        let conflicts = std::mem::take(&mut self.conflicts);
        let held = Held::new(membership, Some(outlet.clone()), self.machine(None, false));
        state.borrow_mut().begin(held, conflicts);
        let held_body = HeldBody::new(outlet, state);
        match rest {
            None => builder.body(held_body),
            Some(rest) => {
                let body = BodyThen::new(body, rest, held_body);
                builder.body(BoxBody::new(body))
            }
        }
    }

    /// Waits for the answer and returns it as a response, or that the request is to be asked again.
    async fn awaited(
        mut self,
        membership: Membership,
        state: Rc<RefCell<SessionState>>,
        can_retry: bool,
    ) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let (again, asked_again) = Again::new();
        let conflicts = std::mem::take(&mut self.conflicts);
        let machine = self.machine(Some(AnswerWay::Handed(answer)), can_retry);
        let abandon = AbandonOnDrop(state.clone());
        let outlet = can_retry.then_some(again as Rc<dyn Outlet>);
        let held = Held::new(membership, outlet, machine);
        state.borrow_mut().begin(held, conflicts);
        let response = tokio::select! {
            biased;
            Ok(()) = asked_again => return Outcome::Again,
            response = answered => response,
        };
        drop(abandon);
        match response {
            Ok(response) => Outcome::Held(plain(&response)),
            Err(_) => reply::not_joined(JoinError::HubUnavailable).into(),
        }
    }

    /// Makes the machine of the hold; a long-poll has an answer.
    fn machine(self, answer: Option<AnswerWay>, can_retry: bool) -> Machine {
        let now = actix::clock::Instant::now().into_std();
        let needs_shell = self.is_attentive() || self.way_back.gone.is_some();
        let machine = match answer {
            Some(_) => {
                let hold = ResponseHold::new(self.response.unshared(), now + self.timeout);
                session::Session::response(hold, can_retry, self.terms)
            }
            None => {
                let hold = StreamHold::new(self.keep_alive, now, jitter());
                if !needs_shell {
                    return Machine::Plain(hold);
                }
                session::Session::stream(hold, self.next, self.terms, now)
            }
        };
        let answer = answer.map(|way| Answer {
            way,
            presentation: self.presentation,
        });
        Machine::Attentive(Attentive::new(machine, answer, self.way_back))
    }
}

//! From instructions to a hold: subscribe first, then answer, then let go of everything not needed.
//!
//! ```text
//! plan channels ─▶ join (acknowledged by every channel) ─▶ park the socket ─▶ head ─▶ items
//!                                                      └─▶ or a body outlet, where it cannot be parked
//! ```
//!
//! Taking the socket is the last act; whatever may fail comes before it.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use actix_web::{body::BoxBody, HttpResponse};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    body::{BodyThen, GRIP_BODY_MAX},
    border,
    exchange::{Exchange, Front, Outcome},
    held_body::{BodyOutlet, HeldBody},
    reply::{self, Manners},
    slot::Slot,
};
use crate::{
    actors::{
        broker::Broker,
        edge::{JoinError, Membership},
        held::{jitter, Answer, Held, Machine},
        messages::{Join, SessionKind, ToSession},
        ports::BodyStream,
        session::{Session, SessionState},
        supervisor::start_temporary,
    },
    engine::{
        delivery_rate::QueueIndex,
        filtering::Filtering,
        plan,
        response_hold::ResponseHold,
        route::{Route, Target},
        stream_hold::StreamHold,
        wire::{self, BodyEnd, Reply},
    },
    grip::{
        channel::ChannelName,
        filter::Filter,
        instruct::{Hold, HoldMode, Instruct},
        response::Response,
    },
    stats::counters::Refused,
};

/// The client side of a hold.
pub struct Client {
    slot: Option<Rc<Slot>>,
    reply: Reply,
    /// The request was read to its end, so its socket may be taken.
    is_read: bool,
}

impl Client {
    /// Takes what a hold needs to know of an exchange.
    pub fn of(exchange: &Exchange, is_read: bool) -> Self {
        let method_is_head = *exchange.request.method() == actix_web::http::Method::HEAD;
        let reply = exchange
            .slot
            .as_ref()
            .map_or(Reply::CLOSING, |slot| slot.reply());
        let reply = Reply {
            head_only: method_is_head,
            ..reply
        };
        Self {
            slot: exchange.slot.clone(),
            reply,
            is_read,
        }
    }

    /// The client of somebody else's server: its socket is not P-8's to take.
    pub fn embedded(head_only: bool) -> Self {
        Self {
            slot: None,
            reply: Reply {
                head_only,
                ..Reply::CLOSING
            },
            is_read: false,
        }
    }

    fn parkable_slot(&self) -> Option<&Rc<Slot>> {
        self.slot
            .as_ref()
            .filter(|slot| self.is_read && slot.is_parkable())
    }
}

/// What a backend instructed, and where that came from.
pub struct HoldPlan<'a> {
    /// The request's route.
    pub route: &'a Arc<Route>,
    /// The target that answered.
    pub target: &'a Target,
    /// The instructions.
    pub instruct: Instruct,
    /// The rest of a body that is too large to gather.
    pub rest: Option<BodyStream>,
}

/// Follows instructions to a held or a plain response.
pub async fn follow(
    front: &Front,
    client: Client,
    plan: HoldPlan<'_>,
    manners: Manners,
) -> Outcome {
    let HoldPlan {
        route,
        target,
        mut instruct,
        rest,
    } = plan;
    warn_of_unbuilt(&instruct);
    let prefix = route.prefix.as_deref();
    let filtering = match Filtering::of_instruct(&mut instruct, prefix, rest.is_some()) {
        Ok(filtering) => filtering,
        Err(error) => {
            front.edge.counters().refuse(Refused::Instruct, 1);
            log::warn!(error:%, target:% = target.kind; "a filter could not be applied to a body");
            return reply::bad_backend(error.code(), &error.to_string(), manners).into();
        }
    };
    let Some(hold) = instruct.hold.clone() else {
        return match rest {
            None => Outcome::Response(plain(&instruct.response)),
            Some(_) => too_large(manners),
        };
    };
    let is_stream = hold.mode == HoldMode::Stream;
    if rest.is_some() && (!is_stream || filtering.is_some()) {
        return too_large(manners);
    }
    let limits = front.broker.options();
    let channels = plan::subscriptions(
        &target.subs,
        &instruct.subscriptions,
        route.prefix.as_deref(),
        limits.subscriptions_max,
    );
    if channels.refused > 0 {
        front
            .edge
            .counters()
            .refuse(Refused::Channels, channels.refused as u64);
        log::warn!(refused = channels.refused, limit = limits.subscriptions_max;
            "a hold asked for too many channels: the rest is not subscribed");
    }
    let slow_client = Some(route.slow_client);
    let queue = front.broker.queue(route.id.as_deref());
    let begun = Begin {
        queue,
        hold,
        instruct,
        channels: channels.channels,
        filtering,
        slow_client,
    };
    match begun.start(&front.broker, client, rest).await {
        Ok(outcome) => outcome,
        Err(error) => reply::not_joined(error).into(),
    }
}

/// What a backend asks for and does not get yet is never passed over in silence.
fn warn_of_unbuilt(instruct: &Instruct) {
    if let Some(next) = &instruct.next {
        log::warn!(uri:? = next.uri; "next links are not followed yet: ignored");
    }
    for name in instruct.subscriptions.iter().flat_map(|s| &s.filters) {
        if Filter::parse(name).is_some_and(Filter::is_network) {
            log::warn!(filter:? = name; "network filters are not applied yet: items pass");
        }
    }
}

fn too_large(manners: Manners) -> Outcome {
    let why = format!("GRIP instruct response too large, expected at most {GRIP_BODY_MAX} bytes");
    reply::bad_backend("instruct-too-large", &why, manners).into()
}

/// Makes an ordinary response of one that P-8 has whole.
pub fn plain(response: &Response) -> HttpResponse {
    let reason = Some(response.reason_phrase());
    let mut builder = border::response_out(response.status, reason, &response.headers);
    if wire::is_bodiless(response.status) {
        return builder.finish();
    }
    builder.body(response.body.clone())
}

/// A hold about to begin.
pub struct Begin {
    /// Its mode and timeout.
    pub hold: Hold,
    /// Response and keep-alive.
    pub instruct: Instruct,
    /// Full channel names.
    pub channels: Vec<ChannelName>,
    /// The session's filters.
    pub filtering: Option<Filtering>,
    /// The route's policy; none: the broker's.
    pub slow_client: Option<crate::engine::outbox::SlowClient>,
    /// Where its deliveries wait if a rate is set.
    pub queue: QueueIndex,
}

impl Begin {
    /// Subscribes, then holds: on a parked socket if it can be taken, else through a response body.
    pub async fn start(
        self,
        broker: &Broker,
        client: Client,
        rest: Option<BodyStream>,
    ) -> Result<Outcome, JoinError> {
        let is_stream = self.hold.mode == HoldMode::Stream;
        if is_stream && !client.reply.has_body(self.instruct.response.status) {
            return Ok(Outcome::Response(plain(&self.instruct.response)));
        }
        if let (Some(slot), None) = (client.parkable_slot().cloned(), &rest) {
            slot.state.borrow_mut().expect();
            let session = slot.take_session().ok_or(JoinError::HubUnavailable)?;
            let end = client.reply.stream_end();
            let membership = self.join(broker, session, end).await?;
            return Ok(self
                .park(membership, &slot, client.reply)
                .unwrap_or_else(|| reply::not_joined(JoinError::HubUnavailable).into()));
        }
        let edge = broker.edge();
        let state = Rc::<RefCell<SessionState>>::default();
        state.borrow_mut().expect();
        let actor = Session::new(state.clone());
        let session = start_temporary(edge.crashes().session.clone(), actor).recipient();
        let membership = self.join(broker, session, BodyEnd::Outside).await?;
        Ok(Outcome::Response(match self.hold.mode {
            HoldMode::Stream => self.stream_body(membership, state, rest),
            HoldMode::Response => self.awaited(membership, state).await,
        }))
    }

    async fn join(
        &self,
        broker: &Broker,
        session: Recipient<ToSession>,
        body_end: BodyEnd,
    ) -> Result<Membership, JoinError> {
        let is_filtered = self.filtering.is_some();
        let mut limits = broker.options().outbox;
        limits.policy = self.slow_client.unwrap_or(limits.policy);
        let kind = match self.hold.mode {
            HoldMode::Response => SessionKind::Response,
            HoldMode::Stream => SessionKind::Stream,
        };
        let channels = self.channels.clone();
        broker
            .edge()
            .join(Join {
                session,
                kind,
                body_end,
                is_filtered,
                limits,
                queue: self.queue,
                channels,
            })
            .await
    }

    /// Takes the socket; from here on nothing may be awaited.
    fn park(mut self, membership: Membership, slot: &Rc<Slot>, reply: Reply) -> Option<Outcome> {
        let is_stream = self.hold.mode == HoldMode::Stream;
        let keep_alive = reply.keep_alive && !(is_stream && reply.http10);
        let reply = Reply {
            keep_alive,
            ..reply
        };
        if !slot.park(keep_alive, !is_stream) {
            return None;
        }
        let outlet = slot.clone();
        let head = match self.hold.mode {
            HoldMode::Stream => wire::stream_head(&self.instruct.response, reply),
            HoldMode::Response => Bytes::new(),
        };
        let machine = match self.hold.mode {
            HoldMode::Stream => Machine::stream(self.stream_hold(), self.filtering.take()),
            HoldMode::Response => Machine::response(
                self.response_hold(),
                Answer::Wire(reply),
                self.filtering.take(),
            ),
        };
        membership.begin(outlet.clone(), head);
        slot.state
            .borrow_mut()
            .begin(Held::new(membership, Some(outlet), machine));
        Some(Outcome::Parked)
    }

    /// Holds through a response body that another dispatcher writes.
    fn stream_body(
        mut self,
        membership: Membership,
        state: Rc<RefCell<SessionState>>,
        rest: Option<BodyStream>,
    ) -> HttpResponse {
        let outlet = BodyOutlet::new();
        let Response {
            status,
            headers,
            body,
            ..
        } = &self.instruct.response;
        let reason = Some(self.instruct.response.reason_phrase());
        let mut builder = border::response_out(*status, reason, headers);
        let first = if rest.is_some() {
            Bytes::new()
        } else {
            body.clone()
        };
        membership.begin(outlet.clone(), first);
        let held = Held::new(
            membership,
            Some(outlet.clone()),
            Machine::stream(self.stream_hold(), self.filtering.take()),
        );
        state.borrow_mut().begin(held);
        let held_body = HeldBody::new(outlet, state);
        match rest {
            None => builder.body(held_body),
            Some(rest) => {
                let body = BodyThen::new(body.clone(), rest, held_body);
                builder.body(BoxBody::new(body))
            }
        }
    }

    /// Waits for the answer and returns it as a response.
    async fn awaited(
        mut self,
        membership: Membership,
        state: Rc<RefCell<SessionState>>,
    ) -> HttpResponse {
        let (answer, answered) = oneshot::channel();
        let machine = Machine::response(
            self.response_hold(),
            Answer::Handed(answer),
            self.filtering.take(),
        );
        let abandon = AbandonOnDrop(state.clone());
        state
            .borrow_mut()
            .begin(Held::new(membership, None, machine));
        let response = answered.await;
        drop(abandon);
        match response {
            Ok(response) => plain(&response),
            Err(_) => reply::not_joined(JoinError::HubUnavailable).response,
        }
    }

    fn stream_hold(&self) -> StreamHold {
        let now = actix::clock::Instant::now().into_std();
        StreamHold::new(self.instruct.keep_alive.clone(), now, jitter())
    }

    fn response_hold(&self) -> ResponseHold {
        let now = actix::clock::Instant::now().into_std();
        let timeout = Duration::from_secs(u64::from(self.hold.timeout_secs));
        ResponseHold::new(self.instruct.response.unshared(), now + timeout)
    }
}

/// Ends a hold whose waiting handler was dropped: its client is gone.
struct AbandonOnDrop(Rc<RefCell<SessionState>>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.try_borrow_mut() {
            if state.is_held() {
                state.abandon();
            }
        }
    }
}

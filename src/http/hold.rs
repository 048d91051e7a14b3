//! What a backend instructs for one request: a plain response, or a hold that is about to `begin`.

use std::rc::Rc;

use actix_web::HttpResponse;

use super::{
    begin::{Begin, Mode},
    body::GRIP_BODY_MAX,
    border,
    exchange::{Exchange, Front, Outcome},
    held_body::BodyOutlet,
    http2,
    reply::{self, Manners},
    slot::Slot,
    way_back::WayBack,
};
use crate::{
    actors::ports::{Backend, BodyStream},
    engine::{
        plan,
        presentation::Presentation,
        route::{Target, TargetKind},
        wire::{self, Reply},
    },
    grip::{instruct::Instruct, response::Response},
    stats::counters::Refused,
};

/// The client side of a hold.
pub struct Client {
    /// Its connection, if it is one of P-8's own listener.
    pub slot: Option<Rc<Slot>>,
    /// Its stream, if it came over HTTP/2 to P-8's own listener.
    pub stream: Option<Rc<http2::Stream>>,
    /// How its response is written.
    pub reply: Reply,
    /// The request was read to its end, so its socket may be taken.
    pub(super) is_read: bool,
    /// How its response is shown.
    pub presentation: Option<Rc<Presentation>>,
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
            stream: exchange.stream.clone(),
            reply,
            is_read,
            presentation: exchange.asked.presentation.clone(),
        }
    }

    /// The client of somebody else's server: its socket is not P-8's to take.
    pub fn embedded(head_only: bool) -> Self {
        Self {
            slot: None,
            stream: None,
            reply: Reply {
                head_only,
                ..Reply::CLOSING
            },
            is_read: false,
            presentation: None,
        }
    }

    /// Makes the outlet of a body, for a client whose socket cannot be taken.
    pub(super) fn body_outlet(&self) -> Rc<BodyOutlet> {
        let slot = self.slot.as_ref();
        let of_slot = || slot.map_or((None, false), |slot| (slot.peer(), slot.is_secure()));
        let stream = self.stream.as_ref();
        let client = stream.map_or_else(of_slot, |stream| (stream.peer, stream.is_secure));
        BodyOutlet::new(client, stream.map(|stream| stream.cut.clone()))
    }

    /// Returns its slot, if its socket can be taken.
    pub fn parkable_slot(&self) -> Option<&Rc<Slot>> {
        self.slot
            .as_ref()
            .filter(|slot| self.is_read && slot.is_parkable())
    }
}

/// What a backend instructed, and where that came from.
pub struct HoldPlan<'a> {
    /// The request.
    pub exchange: &'a Exchange,
    /// The target that answered.
    pub target: &'a Target,
    /// The instructions.
    pub instruct: Instruct,
    /// The rest of a body that is too large to gather.
    pub rest: Option<BodyStream>,
}

/// Follows instructions to a held or a plain response.
pub async fn follow(front: &Rc<Front>, client: Client, plan: HoldPlan<'_>) -> Outcome {
    let HoldPlan {
        exchange,
        target,
        mut instruct,
        rest,
    } = plan;
    let manners = exchange.manners;
    let route = &exchange.route;
    let max = front.options().subscriptions_max;
    let channels = plan::subscriptions(
        &target.subs,
        &instruct.subscriptions,
        route.prefix.as_deref(),
        max,
    );
    let mut begin = Begin::new(&mut instruct, channels.channels, &target.subs, route);
    if rest.is_some() && !begin.can_be_large() {
        return too_large(&target.kind, manners);
    }
    if let Err(error) = begin.edit_body(rest.is_some()) {
        front.edge.counters().refuse(Refused::Instruct, 1);
        log::warn!(error:%, target:% = target.kind; "a filter could not be applied to a body");
        return reply::bad_backend(error.code(), &error.to_string(), manners).into();
    }
    if begin.mode == Mode::Plain {
        return Outcome::Response(plain(&begin.response));
    }
    if channels.refused > 0 && begin.mode != Mode::Chain {
        let refused = channels.refused as u64;
        front.edge.counters().refuse(Refused::Channels, refused);
        log::warn!(refused, limit = max;
            "a hold asked for too many channels: the rest is not subscribed");
    }
    if begin.needs_way_back() {
        let way_back = WayBack::new(front, exchange, target);
        begin.way_back.backend = way_back.map(|way_back| way_back as Rc<dyn Backend>);
    }
    begin.slow_client = Some(route.slow_client);
    begin.route = Some(route.clone());
    begin.queue = front.broker.queue(route.id.as_deref());
    match begin.start(&front.broker, client, rest).await {
        Ok(outcome) => outcome,
        Err(error) => reply::not_joined(error).into(),
    }
}

fn too_large(target: &TargetKind, manners: Manners) -> Outcome {
    let why = format!("GRIP instruct response too large from {target}");
    log::warn!(target:%, bytes_max = GRIP_BODY_MAX; "a backend's instructions are too large");
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

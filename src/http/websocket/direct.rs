//! Backends that speak WebSocket themselves: P-8 opens one of its own to them for each client.

use std::rc::Rc;

use base64::engine::{general_purpose::STANDARD, Engine};
use http::{header, Method};

use super::{
    ask_filter, assignment, begin::Acceptance, compact::Compact, Accepted, Attempt, Exchange,
    Front, RouteRef,
};
use crate::{
    actors::{
        ports::{
            BackendBody, Ending, PostAnswer, PostFailure, Promise, SocketBackend, Switched, Upgrade,
        },
        upstream::Upstream,
        web_socket::{Direct, DirectLink},
    },
    engine::{
        forward::websocket::{self, Speaks},
        session::FilterAnswer,
        web_socket::Backend,
        ws,
        ws_over_http::Post,
    },
    grip::{filter::FilterError, network_filter::Question},
};

/// The way to one session's backend beside its WebSocket.
struct Beside {
    front: Rc<Front>,
    route: RouteRef,
    target: usize,
    is_secure: bool,
    handshake: Compact,
}

/// Opens a WebSocket to a target.
pub(super) async fn open(front: &Rc<Front>, exchange: &Rc<Exchange>, at: usize) -> Attempt {
    let Some(target) = exchange.route.targets.get(at) else {
        return Attempt::bad("no-target", "the route has no such target");
    };
    let (path, mut headers) = super::forwarded(front, exchange, target);
    let handshake = Compact::new(&path, &headers);
    let key = STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
    let speaks = Speaks::of(exchange.route.no_grip, exchange.is_trusted);
    websocket::own_handshake(&mut headers, &key, speaks);
    if speaks == Speaks::Own {
        if let Some(signature) = front.signature(&exchange.route) {
            headers.insert("grip-sig", signature);
        }
    }
    let parts = (Method::GET, path, headers);
    let route = (&*exchange.route, target);
    let admission = front.admission(&exchange.route);
    let assignment = assignment(front, route, parts, BackendBody::Empty, admission);
    let (targets, crashes) = (front.edge.targets().clone(), front.edge.crashes());
    let crashes = crashes.upstream.clone();
    let answered = Upstream::upgrade(assignment, front.fetch.clone(), targets, crashes).await;
    let switched = match answered {
        Some(Ok(answered)) => match answered.response {
            Upgrade::Switched(switched) => switched,
            Upgrade::Refused(response) => return Attempt::Refused(response),
        },
        Some(Err(unanswered)) => return Attempt::Unanswered(unanswered),
        None => return Attempt::bad("upstream-crashed", "the handshake's upstream crashed"),
    };
    let accept = switched.headers.get(header::SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| accept.as_bytes() != ws::accept_key(key.as_bytes()).as_bytes()) {
        let why = "expected the Sec-WebSocket-Accept that belongs to the key";
        return Attempt::bad("bad-websocket-accept", why);
    }
    let way = Beside {
        front: front.clone(),
        route: exchange.route.clone(),
        target: at,
        is_secure: exchange.is_secure,
        handshake,
    };
    Attempt::Accepted(accept_of(front, exchange, (at, switched), way))
}

fn accept_of(
    front: &Front,
    exchange: &Exchange,
    (target, switched): (usize, Switched),
    way: Beside,
) -> Accepted {
    let Switched {
        reason,
        headers,
        stream,
        read,
    } = switched;
    let acceptance = Acceptance {
        reason,
        headers,
        target,
        backend: Backend::direct(),
        way: Rc::new(way),
        direct: Some(DirectLink::new(Direct { stream, read })),
        said: Vec::new(),
    };
    Accepted::new(front, exchange, acceptance)
}

impl SocketBackend for Beside {
    /// Never asked for: the backend hears everything on its WebSocket.
    fn post(self: Rc<Self>, _: Post) -> Promise<Result<PostAnswer, PostFailure>> {
        let why = "this backend takes no posts".to_owned();
        let may_retry = false;
        Box::pin(std::future::ready(Err(PostFailure { may_retry, why })))
    }

    fn ask_filter(&self, question: Question) -> Option<Promise<Result<FilterAnswer, FilterError>>> {
        let target = (&self.route, self.route.targets.get(self.target)?);
        ask_filter(
            &self.front,
            target,
            (self.is_secure, &self.handshake),
            question,
        )
    }

    fn ending(&self) -> Option<Ending> {
        self.front.options().ending()
    }
}

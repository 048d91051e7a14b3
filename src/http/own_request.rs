//! Requests that P-8 makes by itself for a held session: through its route, or to the network.
//!
//! They carry nothing of the client's. Those that leave the route are not signed: a signature would let
//! a stranger pose as P-8. Source: `docs/grip.md#links`.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::{
    body::{self, Gathered},
    exchange::Front,
    link_sharing::{LinkResponse, Reach},
};
use crate::{
    actors::{
        ports::{BackendBody, BackendRequest},
        upstream::{Assignment, Other, Times, Upstream},
    },
    engine::{
        balance::EjectionLimits,
        forward::{self, ClientRequest},
        link_target::{self, Destination},
        overload::Admission,
        route::{Route, Target, TargetKind},
    },
    grip::last,
};

/// Where a session came from and where its links have led it.
pub struct Origin {
    /// Its route.
    pub route: Arc<Route>,
    /// The target that answered.
    pub target: Target,
    /// What the client asked for.
    pub client_url: Url,
    /// The host it named.
    pub client_host: Option<HeaderValue>,
    /// It came over TLS.
    pub is_secure: bool,
    /// Tells clients with different credentials apart.
    pub credentials: (u64, u64),
    /// The URL that the last instructions came from.
    pub current_url: RefCell<Url>,
}

impl Origin {
    /// Finds out where a URL leads; an untrusted backend may lead P-8 to public addresses only.
    fn destination(&self, url: &Url, front: &Front) -> Option<Destination> {
        let options = front.options();
        let route = options.routes.renewed(&self.route);
        let found = link_target::destination(url, &self.client_url, &route, &options.routes)?;
        Some(match self.target.is_untrusted {
            true => found.only_public(),
            false => found,
        })
    }

    /// Tells how far a request to this URL goes.
    pub fn reach(&self, url: &Url, front: &Front) -> Reach {
        match self.destination(url, front) {
            Some(Destination::Route { .. }) => Reach::Route,
            Some(Destination::Elsewhere {
                target: TargetKind::Server(server),
                ..
            }) if server.is_public => Reach::PublicNetwork,
            // Where nothing can be asked, nothing is reached.
            Some(Destination::Elsewhere { .. }) | None => Reach::Network,
        }
    }
}

/// What a link or filter is asked with.
pub struct Wish {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Headers of its own, `Grip-Last` among them.
    pub headers: HeaderMap,
    /// Its body.
    pub body: BackendBody,
    /// How long its head may take.
    pub patience: Duration,
}

/// Sends a request of P-8's own and gathers the answer up to `body_max` bytes.
pub async fn ask(
    front: &Rc<Front>,
    session: &Origin,
    wish: Wish,
    body_max: usize,
) -> Option<LinkResponse> {
    let assignment = assignment(front, session, wish)?;
    let targets = front.edge.targets().clone();
    let crashes = front.edge.crashes().upstream.clone();
    let target = assignment.request.target.clone();
    let outcome = Upstream::run(assignment, front.fetch.clone(), targets, crashes).await;
    let response = match outcome? {
        Ok(answered) => answered.response,
        Err(unanswered) => {
            log::warn!(target:%, error:% = unanswered.error; "a held session's backend did not answer");
            return None;
        }
    };
    let (body, rest) = match body::gather(response.body, body_max).await {
        Ok(Gathered::Whole(body)) => (body, None),
        Ok(Gathered::TooLarge(first, rest)) => (first, Some(rest)),
        Err(error) => {
            log::warn!(target:%, error:%; "a backend's answer to a held session broke off");
            return None;
        }
    };
    Some(LinkResponse::new(
        response.status,
        response.headers,
        body,
        rest,
    ))
}

fn assignment(front: &Rc<Front>, session: &Origin, wish: Wish) -> Option<Assignment> {
    let Wish {
        method,
        url,
        mut headers,
        body,
        patience,
    } = wish;
    // What looks like a client's would be taken out on the way.
    let last: Vec<_> = headers.get_all(last::NAME).iter().cloned().collect();
    headers.remove(last::NAME);
    let led = match session.destination(&url, front)? {
        Destination::Elsewhere {
            target,
            host,
            path_and_query: uri,
        } => {
            headers.insert(http::header::HOST, HeaderValue::from_str(&host).ok()?);
            forward::add_cdn_loop(&mut headers, &front.options().backend.forward);
            let (at, others, connect, ejection) = (0, Vec::new(), None, None);
            Led {
                to: (target, uri, headers),
                at,
                others,
                connect,
                ejection,
            }
        }
        Destination::Route {
            route,
            path_and_query,
        } => lead_through(front, session, &route, (&path_and_query, headers))?,
    };
    let (target, uri, mut headers) = led.to;
    headers.extend(last.into_iter().map(|last| (last::NAME, last)));
    Some(Assignment {
        request: BackendRequest {
            target,
            method,
            uri,
            headers,
            body,
        },
        at: led.at,
        others: led.others,
        times: Times {
            connect: led.connect,
            ..Times::of_response(patience)
        },
        ejection: led.ejection,
        admission: Admission::Always,
        informational: None,
    })
}

/// Where a request goes, and as what.
struct Led {
    /// Target, path and query, headers.
    to: (TargetKind, String, HeaderMap),
    at: usize,
    others: Vec<Other>,
    connect: Option<Duration>,
    ejection: Option<EjectionLimits>,
}

/// Leads a request through a route, as one of the session's client would be.
fn lead_through(
    front: &Rc<Front>,
    session: &Origin,
    route: &Arc<Route>,
    (path_and_query, mut headers): (&str, HeaderMap),
) -> Option<Led> {
    if let Some(host) = &session.client_host {
        headers.insert(http::header::HOST, host.clone());
    }
    let mut order = front.edge.targets().order(route).into_iter();
    let at = order.next()?;
    let first = route.targets.get(at)?;
    let others = front.other_targets(session.client_host.as_ref(), route, order);
    let request = ClientRequest {
        path_and_query,
        headers,
        peer: None,
        secure: session.is_secure,
        is_websocket: false,
        trusted: false,
        last: &[],
        id: None,
    };
    let options = front.options();
    let options = &options.backend;
    let signature = front.signature(route);
    let forwarded = forward::request(request, route, first, &options.forward, signature);
    let uri = forwarded.path_and_query.into_owned();
    Some(Led {
        to: (first.kind.clone(), uri, forwarded.headers),
        at,
        others,
        connect: route.times.connect,
        ejection: Some(options.ejection),
    })
}

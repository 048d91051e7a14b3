//! Backends that are reached over HTTP: each of the client's events goes to them in a request.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{header, HeaderMap, Method};
use tokio::sync::oneshot;

use super::{
    ask_filter, assignment, begin::Acceptance, compact::Compact, Accepted, Attempt, Exchange, Front,
};
use crate::{
    actors::{
        ports::{
            BackendBody, BackendResponse, Ending, PostAnswer, PostFailure, Promise, SocketBackend,
        },
        upstream::{Unanswered, Upstream},
        web_socket::understood,
    },
    engine::{
        forward::{
            self,
            websocket::{self, EventsHead, Speaks},
        },
        overload::Admission,
        route::{Route, Target},
        session::FilterAnswer,
        web_socket::Backend,
        ws_over_http::{AnswerFacts, Ends, Options, OverHttp, Post},
    },
    grip::{
        filter::FilterError,
        network_filter::Question,
        ws::{
            bytes_accepted, events, keep_alive_interval, BoundMeta, Event, EventKind,
            KeepAliveInterval,
        },
    },
    http::{
        body::{self, Gathered},
        proxy::unix_secs,
        turns,
    },
    stats::counters::Total,
};

/// How long a backend may take to accept a client that has left, so as to hear that it has.
const FORSAKEN_MAX: Duration = Duration::from_secs(10);

/// The way to one session's backend.
struct Events {
    front: Rc<Front>,
    route: Arc<Route>,
    target: u16,
    is_secure: bool,
    is_trusted: bool,
    connection_id: uuid::Uuid,
    /// What each request repeats.
    handshake: Compact,
    /// What its answers have bound, if anything.
    meta: Cell<Option<Box<BoundMeta>>>,
}

/// A backend's answer to events, taken apart.
struct Answer {
    headers: HeaderMap,
    events: Vec<Event>,
}

/// Why an answer is none.
enum NoAnswer {
    Unanswered(Unanswered),
    /// It is an ordinary response.
    Ordinary(BackendResponse),
    Bad(&'static str, String),
}

/// Asks a target to accept; the attempt is brought to its end even if the client leaves, so that a
/// backend that accepts hears that it has left.
pub(super) async fn open(front: &Rc<Front>, exchange: &Rc<Exchange>, at: usize) -> Attempt {
    let Some(target) = exchange.route.targets.get(at) else {
        return Attempt::bad("no-target", "the route has no such target");
    };
    let (path, mut headers) = super::forwarded(front, exchange, target);
    websocket::repeated(&mut headers, exchange.is_trusted);
    let events = Rc::new(Events {
        front: front.clone(),
        route: exchange.route.clone(),
        target: u16::try_from(at).unwrap_or(u16::MAX),
        is_secure: exchange.is_secure,
        is_trusted: exchange.is_trusted,
        connection_id: uuid::Uuid::new_v4(),
        handshake: Compact::new(&path, &headers),
        meta: Cell::default(),
    });
    let (front, exchange) = (front.clone(), exchange.clone());
    let (mut attempt, attempted) = oneshot::channel();
    actix_rt::spawn(async move {
        loop {
            let asked = tokio::select! {
                asked = ask(&front, &exchange, &events) => asked,
                () = forsaken(&mut attempt) => return,
            };
            match asked {
                Asked::Once(made) => return drop(attempt.send(made)),
                Asked::Again(interval) => tokio::select! {
                    () = actix::clock::sleep(interval) => {}
                    () = attempt.closed() => return,
                },
            }
        }
    });
    let made = attempted.await;
    made.unwrap_or_else(|_| Attempt::bad("upstream-crashed", "the attempt crashed"))
}

/// Waits until the client has left, and then as long as its backend may still take to accept.
async fn forsaken(attempt: &mut oneshot::Sender<Attempt>) {
    attempt.closed().await;
    actix::clock::sleep(FORSAKEN_MAX).await;
}

/// What became of an `OPEN`.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, on its way to becoming a session"
)]
enum Asked {
    /// This.
    Once(Attempt),
    /// The backend wants to be asked again later.
    Again(Duration),
}

async fn ask(front: &Front, exchange: &Exchange, events: &Rc<Events>) -> Asked {
    let open = events::encode(&[Event::bare(EventKind::Open)]);
    let admission = front.admission(&exchange.route);
    let answer = match events.ask(open, 0, admission).await {
        Ok(answer) => answer,
        Err(NoAnswer::Ordinary(response)) => return Asked::Once(Attempt::Refused(response)),
        Err(NoAnswer::Unanswered(unanswered)) => {
            return Asked::Once(Attempt::Unanswered(unanswered));
        }
        Err(NoAnswer::Bad(reason, why)) => return Asked::Once(Attempt::bad(reason, why)),
    };
    let interval = keep_alive_interval(&answer.headers);
    let mut said = answer.events.into_iter();
    match (said.next().map(|event| event.kind), interval) {
        (Some(EventKind::Open), _) => {}
        (None, KeepAliveInterval::Secs(secs)) => {
            return Asked::Again(Duration::from_secs(u64::from(secs)));
        }
        _ => {
            let why = "expected OPEN as the first event of the answer to OPEN";
            return Asked::Once(Attempt::bad("bad-open", why));
        }
    }
    let options = front.options();
    let options = &options.backend;
    let has_one_event = events.target().is_some_and(|target| target.one_event);
    let now = crate::actors::held::moment().now;
    let options = Options {
        has_one_event,
        queue_bytes_max: options.ws_message_max,
    };
    let acceptance = Acceptance {
        reason: None,
        headers: answer.headers,
        target: usize::from(events.target),
        backend: Backend::over_http(OverHttp::new(options, interval, now)),
        way: events.clone(),
        direct: None,
        said: said.filter_map(understood).collect(),
    };
    Asked::Once(Attempt::Accepted(Accepted::new(
        front, exchange, acceptance,
    )))
}

impl Events {
    fn target(&self) -> Option<&Target> {
        self.route.targets.get(usize::from(self.target))
    }

    /// Tells whether what a trusted client signed is still good: its handshake may be hours old, and a
    /// signature that has expired is of no use to the backend.
    fn is_signed(&self, headers: &HeaderMap) -> bool {
        let options = self.front.options();
        let options = &options.backend.forward;
        let grip_sig = headers.get("grip-sig").map(|sig| sig.as_bytes());
        forward::is_trusted(grip_sig, options, unix_secs())
    }

    /// Sends a request, and takes its answer apart.
    async fn ask(
        &self,
        body: Bytes,
        replayed: u64,
        admission: Admission,
    ) -> Result<Answer, NoAnswer> {
        let Some(target) = self.target() else {
            let why = "the route has no such target".to_owned();
            return Err(NoAnswer::Bad("no-target", why));
        };
        let (path, mut headers) = self.handshake.unpack();
        let mut id = uuid::Uuid::encode_buffer();
        let speaks = Speaks::of(self.route.no_grip, self.is_trusted);
        let head = EventsHead {
            connection_id: self.connection_id.hyphenated().encode_lower(&mut id),
            replayed,
            speaks,
            grip_sig: match speaks {
                Speaks::Other if self.is_signed(&headers) => None,
                Speaks::Own | Speaks::Other => self.front.signature(&self.route),
                Speaks::No => None,
            },
        };
        websocket::add_events_head(&mut headers, head);
        let meta = self.meta.take();
        let _ = meta.as_ref().map(|meta| meta.append_to(&mut headers));
        self.meta.set(meta);
        let front = &self.front;
        let parts = (Method::POST, path, headers);
        let (route, body) = ((&*self.route, target), BackendBody::Full(body));
        let assignment = assignment(front, route, parts, body, admission);
        let (targets, crashes) = (front.edge.targets().clone(), front.edge.crashes());
        front.edge.counters().add(Total::EventRequests, 1);
        let crashes = crashes.upstream.clone();
        let answered = Upstream::run(assignment, front.fetch.clone(), targets, crashes).await;
        let response = match answered {
            Some(Ok(answered)) => answered.response,
            Some(Err(unanswered)) => return Err(NoAnswer::Unanswered(unanswered)),
            None => {
                let why = "the request's upstream crashed".to_owned();
                return Err(NoAnswer::Bad("upstream-crashed", why));
            }
        };
        let content_type = response.headers.get(header::CONTENT_TYPE);
        if response.status != 200 || content_type.is_none_or(|t| t != events::CONTENT_TYPE) {
            return Err(NoAnswer::Ordinary(response));
        }
        self.take(response).await
    }

    async fn take(&self, response: BackendResponse) -> Result<Answer, NoAnswer> {
        let BackendResponse { headers, body, .. } = response;
        let max = self.front.options().backend.ws_answer_max;
        let body = match body::gather(body, max).await {
            Ok(Gathered::Whole(body)) => body,
            Ok(Gathered::TooLarge(..)) => {
                let why = format!("the answer to events is over {max} bytes");
                return Err(NoAnswer::Bad("events-too-large", why));
            }
            Err(error) => return Err(NoAnswer::Bad("body-cut", error.to_string())),
        };
        let events = events::decode(&body);
        let events = events.map_err(|error| NoAnswer::Bad(error.code(), error.to_string()))?;
        let mut meta = self.meta.take().unwrap_or_default();
        let left_out = meta.on_answer(&headers);
        self.meta.set(Some(meta).filter(|meta| !meta.is_empty()));
        if left_out > 0 {
            log::warn!(left_out; "a backend binds too much meta to a WebSocket: the rest is left out");
        }
        Ok(Answer { headers, events })
    }
}

/// Tells what events say of the end.
pub(super) fn ends(events: &[Event]) -> Ends {
    let ends = events.iter().map(|event| match event.kind {
        EventKind::Close => Ends::Close,
        EventKind::Open | EventKind::Disconnect => Ends::Disconnect,
        _ => Ends::No,
    });
    ends.into_iter()
        .find(|end| *end != Ends::No)
        .unwrap_or_default()
}

impl SocketBackend for Events {
    fn connection_id(&self) -> Option<uuid::Uuid> {
        Some(self.connection_id)
    }

    fn post(self: Rc<Self>, post: Post) -> Promise<Result<PostAnswer, PostFailure>> {
        let events = self;
        Box::pin(async move {
            let failure = |may_retry, why: String| PostFailure { may_retry, why };
            let turns = events.front.turns.of(&events.route);
            let _turn = turns::taken(turns.events.clone()).await;
            // Its client is here already, and has waited for its turn.
            let asked = events.ask(post.body, post.replayed, Admission::Always);
            match asked.await {
                Ok(answer) => Ok(PostAnswer {
                    facts: AnswerFacts {
                        accepted: bytes_accepted(&answer.headers),
                        keep_alive: keep_alive_interval(&answer.headers),
                        ends: ends(&answer.events),
                    },
                    events: answer.events,
                }),
                Err(NoAnswer::Unanswered(unanswered)) => {
                    let error = unanswered.error;
                    Err(failure(error.before_sending(), error.to_string()))
                }
                Err(NoAnswer::Ordinary(response)) => {
                    let why = format!(
                        "expected 200 and {}, got {}",
                        events::CONTENT_TYPE,
                        response.status
                    );
                    Err(failure(false, why))
                }
                Err(NoAnswer::Bad(reason, why)) => Err(failure(false, format!("{reason}: {why}"))),
            }
        })
    }

    fn ask_filter(&self, question: Question) -> Option<Promise<Result<FilterAnswer, FilterError>>> {
        let target = (&self.route, self.target()?);
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

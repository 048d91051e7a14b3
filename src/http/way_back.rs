//! The way from a held session back to its backend: next links, gone links, filters that ask.
//!
//! Requests go through the session's route as its client's did, but carry nothing of the client's;
//! those of links that lead elsewhere go there by themselves and unsigned. Source: `docs/grip.md#links`.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::{
    body::GRIP_BODY_MAX,
    exchange::{Exchange, Front},
    link_sharing::{LinkKey, LinkResponse},
    own_request::{ask, Origin, Wish},
    turns,
};
use crate::{
    actors::ports::{Backend, BackendBody, BodyStream, Followed, Promise, Turn},
    engine::{
        filtering::Filtering,
        link_target, plan,
        prev_ids::PrevIds,
        route::{Route, Target},
        session::{Asked, FilterAnswer},
    },
    grip::{
        channel::{ChannelName, ItemId},
        filter::FilterError,
        instruct::{self, HoldMode, Instruct},
        last,
        network_filter::{Question, ANSWER_BYTES_MAX},
    },
    stats::counters::{Refused, Total},
};

/// Longest wait for a filter's answer.
const FILTER_TIME_MAX: Duration = Duration::from_secs(10);

/// A held session's way back.
pub struct WayBack {
    front: Rc<Front>,
    session: Rc<Origin>,
}

impl WayBack {
    /// Makes the way back of a session whose request was answered by this target; none if its URL is of
    /// no use.
    pub fn new(front: &Rc<Front>, exchange: &Exchange, target: &Target) -> Option<Rc<Self>> {
        let request = &exchange.request;
        let authority = request.uri().authority().map(|host| host.as_str());
        let host = request.headers().get(actix_web::http::header::HOST);
        let host = authority.or_else(|| host?.to_str().ok());
        let path = exchange.path_and_query();
        let client_url = link_target::client_url(exchange.is_secure, host, path)?;
        Some(Rc::new(Self {
            front: front.clone(),
            session: Rc::new(Origin {
                route: exchange.route.clone(),
                target: target.clone(),
                current_url: RefCell::new(client_url.clone()),
                client_url,
                client_host: host.and_then(|host| HeaderValue::from_str(host).ok()),
                is_secure: exchange.is_secure,
                credentials: front.link_sharing.credentials(request.headers()),
            }),
        }))
    }

    /// Makes the way back of a session that repeats its client's request with these path and headers.
    pub fn of(
        front: &Rc<Front>,
        (route, target): (&Arc<Route>, &Target),
        is_secure: bool,
        (path, headers): (&str, &HeaderMap),
    ) -> Option<Rc<Self>> {
        let host = headers.get(http::header::HOST);
        let client_url = link_target::client_url(is_secure, host?.to_str().ok(), path)?;
        Some(Rc::new(Self {
            front: front.clone(),
            session: Rc::new(Origin {
                route: route.clone(),
                target: target.clone(),
                current_url: RefCell::new(client_url.clone()),
                client_url,
                client_host: host.cloned(),
                is_secure,
                // Its links are not followed, so nobody shares them.
                credentials: (0, 0),
            }),
        }))
    }

    /// Resolves a link of the last instructions.
    fn resolve(&self, link: &str) -> Option<Url> {
        resolve(&self.session.current_url.borrow(), link)
    }
}

fn resolve(current: &Url, link: &str) -> Option<Url> {
    let url = link_target::resolve(current, link);
    if url.is_none() {
        log::warn!(link:?; "a link cannot be resolved");
    }
    url
}

impl Backend for WayBack {
    fn turn(&self) -> Promise<Turn> {
        let turns = self.front.turns.of(&self.session.route).recovery.clone();
        Box::pin(turns::taken(turns))
    }

    fn follow(&self, asked: Asked, turn: Option<Turn>) -> Promise<Option<Followed>> {
        let (front, session) = (self.front.clone(), self.session.clone());
        let url = asked.link.as_deref().and_then(|link| self.resolve(link));
        Box::pin(async move {
            let answer = match &url {
                Some(url) => ask_link(&front, &session, (url, asked.last), turn).await,
                None => None,
            };
            let followed = answer.and_then(|answer| take(&front, &session, &answer));
            match (&followed, url) {
                (Some(_), Some(url)) => *session.current_url.borrow_mut() = url,
                _ => front.edge.counters().add(Total::LinkFailures, 1),
            }
            followed
        })
    }

    fn tell_gone(&self, link: &str) -> Promise<()> {
        let (front, session) = (self.front.clone(), self.session.clone());
        // It is the first instructions' link, wherever next links have led.
        let url = resolve(&self.session.client_url, link);
        Box::pin(async move {
            let counters = front.edge.counters();
            let turns = front.turns.of(&session.route);
            let told = turns.tell_gone(async {
                counters.add(Total::GoneRequests, 1);
                match url {
                    Some(url) => tell(&front, &session, url).await,
                    None => false,
                }
            });
            if told.await != Some(true) {
                counters.add(Total::GoneFailures, 1);
                log::warn!(route:? = session.route.id; "a gone link was not told");
            }
        })
    }

    fn ask_filter(&self, question: Question) -> Promise<Result<FilterAnswer, FilterError>> {
        let (front, session) = (self.front.clone(), self.session.clone());
        let url = self.resolve(&question.url);
        Box::pin(async move {
            let filter = question.filter;
            let unanswered = |why: &str| FilterError::Unanswered {
                filter,
                why: why.to_owned(),
            };
            let turns = front.turns.of(&session.route).filters.clone();
            let turn = turns::taken(turns).await;
            let asking = async {
                let wish = Wish {
                    method: Method::POST,
                    url: url.ok_or_else(|| unanswered("'url' must be a URL or a path"))?,
                    headers: question.headers,
                    body: BackendBody::Full(question.body),
                    patience: FILTER_TIME_MAX,
                };
                let answer = ask(&front, &session, wish, ANSWER_BYTES_MAX).await;
                let answer = answer.ok_or_else(|| unanswered("it could not be asked"))?;
                if answer.has_rest() {
                    return Err(unanswered("it is longer than 100000 bytes"));
                }
                Ok(FilterAnswer {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                })
            };
            let answered = actix::clock::timeout(FILTER_TIME_MAX, asking).await;
            drop(turn);
            answered.unwrap_or_else(|_| Err(unanswered("it took longer than 10 s")))
        })
    }
}

/// Asks a next link, or takes part in what another session asks with the same words.
async fn ask_link(
    front: &Rc<Front>,
    session: &Rc<Origin>,
    (url, last): (&Url, Vec<(ChannelName, ItemId)>),
    turn: Option<Turn>,
) -> Option<Rc<LinkResponse>> {
    let key = LinkKey {
        route: Arc::as_ptr(&session.route) as usize,
        reach: session.reach(url, front),
        url: url.clone(),
        last,
        credentials: session.credentials,
    };
    let (for_ask, counters) = (front.clone(), front.edge.counters());
    let session = session.clone();
    let fetch = move |key: LinkKey, turn: Option<Turn>| async move {
        let turn = match turn {
            Some(turn) => turn,
            None => turns::taken(for_ask.turns.of(&session.route).recovery.clone()).await,
        };
        for_ask.edge.counters().add(Total::LinkRequests, 1);
        let wish = Wish {
            method: Method::GET,
            url: key.url,
            headers: last_headers(&key.last),
            body: BackendBody::Empty,
            patience: for_ask.options().backend.recovery_timeout,
        };
        let patience = wish.patience;
        let asked = ask(&for_ask, &session, wish, GRIP_BODY_MAX);
        let answer = actix::clock::timeout(patience, asked).await;
        drop(turn);
        answer.ok().flatten()
    };
    let (answer, is_shared) = front.link_sharing.ask(key, turn, fetch).await;
    if is_shared {
        counters.add(Total::LinksShared, 1);
    }
    answer
}

fn last_headers(last: &[(ChannelName, ItemId)]) -> HeaderMap {
    let values = last
        .iter()
        .filter_map(|(channel, id)| last::value(channel, id));
    values.map(|value| (last::NAME, value)).collect()
}

async fn tell(front: &Rc<Front>, session: &Rc<Origin>, url: Url) -> bool {
    let patience = front.options().backend.recovery_timeout;
    let wish = Wish {
        method: Method::POST,
        url,
        headers: HeaderMap::new(),
        body: BackendBody::Empty,
        patience,
    };
    let answer = actix::clock::timeout(patience, ask(front, session, wish, GRIP_BODY_MAX)).await;
    let answer = answer.ok().flatten();
    answer.is_some_and(|answer| (200..300).contains(&answer.status) && answer.body.is_empty())
}

/// Reads what a next link was answered; none if it is to be asked again.
fn take(front: &Rc<Front>, session: &Origin, answer: &LinkResponse) -> Option<Followed> {
    if !(200..300).contains(&answer.status) {
        log::warn!(status = answer.status; "a next link must be answered with 2xx");
        return None;
    }
    let rest = answer.take_rest()?;
    let instruct = read(answer).and_then(|instruct| followed(front, session, instruct, rest));
    Some(instruct.unwrap_or_else(|why| {
        log::warn!(why = why.as_str(); "a next link's answer cannot be followed: its stream ends");
        Followed::end()
    }))
}

fn read(answer: &LinkResponse) -> Result<Instruct, String> {
    let parsed = instruct::parse(answer.status, None, &answer.headers, answer.body.clone());
    let instruct = parsed.map_err(|error| error.to_string())?;
    match &instruct.hold {
        Some(hold) if hold.mode == HoldMode::Response => {
            Err("expected a stream hold or none, got a response hold".to_owned())
        }
        _ => Ok(instruct),
    }
}

fn followed(
    front: &Rc<Front>,
    session: &Origin,
    instruct: Instruct,
    rest: Option<BodyStream>,
) -> Result<Followed, String> {
    let prefix = session.route.prefix.as_deref();
    let max = front.options().subscriptions_max;
    let subscriptions = instruct.subscriptions.get(..max);
    let subscriptions = subscriptions.unwrap_or(&instruct.subscriptions);
    let is_hold = instruct.hold.is_some();
    let prev_ids = PrevIds::new(&session.target.subs, subscriptions, prefix);
    let filtering = Filtering::new(subscriptions, prefix, &instruct.meta);
    if rest.is_some() && filtering.edits_bodies() {
        return Err(format!(
            "expected at most {GRIP_BODY_MAX} bytes with build-id"
        ));
    }
    let body = filtering.on_body(instruct.response.body, &prev_ids);
    let body = body.map_err(|error| error.to_string())?;
    let plan = plan::subscriptions(&session.target.subs, &instruct.subscriptions, prefix, max);
    if is_hold && plan.refused > 0 {
        let counters = front.edge.counters();
        counters.refuse(Refused::Channels, plan.refused as u64);
        log::warn!(refused = plan.refused, limit = max;
            "a next link asked for too many channels: the rest is not subscribed");
    }
    Ok(Followed {
        is_hold,
        body,
        rest,
        channels: if is_hold { plan.channels } else { Vec::new() },
        prev_ids: if is_hold {
            prev_ids
        } else {
            PrevIds::default()
        },
        filtering,
        keep_alive: instruct.keep_alive,
        next: instruct.next,
    })
}

impl Followed {
    /// What ends a stream.
    fn end() -> Self {
        Self {
            is_hold: false,
            body: Bytes::new(),
            rest: None,
            channels: Vec::new(),
            prev_ids: PrevIds::default(),
            filtering: Filtering::default(),
            keep_alive: None,
            next: None,
        }
    }
}

//! The WebSocket of the `test` target: it subscribes to the channels of the query and echoes messages.

use std::{rc::Rc, sync::Arc};

use http::{header, HeaderMap, HeaderValue};
use tokio::sync::Semaphore;

use super::{begin::Acceptance, over_http::ends, Accepted, Attempt, Exchange, Front};
use crate::{
    actors::{
        ports::{Ending, PostAnswer, PostFailure, Promise, SocketBackend},
        web_socket::understood,
    },
    engine::{
        route::{Target, TargetKind},
        session::FilterAnswer,
        web_socket::Backend,
        ws_over_http::{AnswerFacts, Options, OverHttp, Post},
    },
    grip::{
        filter::FilterError,
        network_filter::Question,
        ws::{events, Event, EventKind, KeepAliveInterval},
    },
    http::builtin::{channels_of, relative_path},
};

/// Echoes events.
struct Echo {
    disconnects: Arc<Semaphore>,
}

/// Accepts a client of the `test` target at `/ws`.
pub(super) fn open(front: &Front, exchange: &Exchange, target: &Target) -> Attempt {
    let path = relative_path(exchange);
    if target.kind != TargetKind::Test || path.trim_start_matches('/') != "ws" {
        return Attempt::NoResource;
    }
    let channels = channels_of(exchange.request.query_string());
    let subscribe = |channel: &String| {
        let control = serde_json::json!({"type": "subscribe", "channel": channel});
        Event::new(EventKind::Text, format!("c:{control}").into())
    };
    let said = channels.iter().map(subscribe).filter_map(understood);
    let mut headers = HeaderMap::new();
    let grip = HeaderValue::from_static("grip; message-prefix=\"\"");
    headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, grip);
    let options = Options {
        has_one_event: false,
        queue_bytes_max: front.options().backend.ws_message_max,
    };
    let now = crate::actors::held::moment().now;
    let machine = OverHttp::new(options, KeepAliveInterval::Off, now);
    let acceptance = Acceptance {
        reason: None,
        headers,
        target: 0,
        backend: Backend::over_http(machine),
        way: Rc::new(Echo {
            disconnects: front.options().disconnects.clone(),
        }),
        direct: None,
        said: said.collect(),
    };
    Attempt::Accepted(Accepted::new(front, exchange, acceptance))
}

impl SocketBackend for Echo {
    fn post(self: Rc<Self>, post: Post) -> Promise<Result<PostAnswer, PostFailure>> {
        let events = events::decode(&post.body).unwrap_or_default();
        let answered = events.into_iter().filter_map(|event| match event.kind {
            EventKind::Text | EventKind::Binary | EventKind::Close => Some(event),
            EventKind::Ping => Some(Event {
                kind: EventKind::Pong,
                ..event
            }),
            EventKind::Open | EventKind::Pong | EventKind::Disconnect => None,
        });
        let events: Vec<_> = answered.collect();
        let answer = PostAnswer {
            facts: AnswerFacts {
                accepted: None,
                keep_alive: KeepAliveInterval::Unchanged,
                ends: ends(&events),
            },
            events,
        };
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn ask_filter(&self, _: Question) -> Option<Promise<Result<FilterAnswer, FilterError>>> {
        None
    }

    fn ending(&self) -> Option<Ending> {
        self.disconnects.clone().try_acquire_owned().ok()
    }
}

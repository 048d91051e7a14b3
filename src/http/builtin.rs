//! The built-in targets: `test`, as Pushpin has it, and the demo that greets a new user.
//!
//! Both answer without a backend: they make instructions and follow them like anybody's.

use std::rc::Rc;

use actix_web::{http::Method, web, HttpResponse};
use bytes::Bytes;
use http::{header, HeaderMap, HeaderValue};
use serde_json::json;

use super::{
    exchange::{log_access, Exchange, Front, Outcome},
    hold::{self, Client, HoldPlan},
    pages, reply,
};
use crate::{
    grip::{
        channel::ChannelName,
        instruct::{Hold, HoldMode, Instruct, Subscription},
        keep_alive,
        publish::{Formats, Item, ResponseBody, ResponseFormat, ResponseSend, StreamFormat},
        response::Response,
    },
    stats::counters::Refused,
};

/// How long the test target's long-poll waits.
const TEST_TIMEOUT_SECS: u32 = 55;

/// Answers for the `test` target: `/` greets, `/response` long-polls, `/stream` streams; channels come
/// from `?channel=`, repeatable, else `test`.
pub async fn test(front: &Rc<Front>, exchange: Exchange) -> Outcome {
    let path = relative_path(&exchange);
    let channels = channels_of(exchange.request.query_string());
    let channels = channels.iter().map(String::as_str).collect::<Vec<_>>();
    match path.as_str() {
        "" | "/" => logged(&exchange, text("Hello from the P-8 test target!\n")),
        "/response" | "response" => {
            let hold = Hold {
                mode: HoldMode::Response,
                timeout_secs: TEST_TIMEOUT_SECS,
            };
            let instruct = instruct(hold, &channels, pages::TEXT, "nothing for now\n");
            follow(front, exchange, instruct).await
        }
        "/stream" | "stream" => {
            let hold = Hold {
                mode: HoldMode::Stream,
                timeout_secs: TEST_TIMEOUT_SECS,
            };
            let instruct = instruct(hold, &channels, pages::TEXT, "[stream opened]\n");
            follow(front, exchange, instruct).await
        }
        _ => {
            let answer = reply::text(404, "no-test-resource", "no such test resource");
            logged(&exchange, answer.response)
        }
    }
}

/// Answers for the demo: its page, a stream, a long-poll and a way to publish to one channel.
pub async fn demo(front: &Rc<Front>, mut exchange: Exchange, payload: web::Payload) -> Outcome {
    // What is published to the demo is published here, so whoever listens is held here.
    exchange.is_trusted = false;
    let path = relative_path(&exchange);
    let channels = [pages::DEMO_CHANNEL];
    let method = exchange.request.method().clone();
    match (method, path.trim_start_matches('/')) {
        (Method::GET | Method::HEAD, "") => {
            let mut builder = HttpResponse::Ok();
            reply::page_headers(&mut builder);
            builder.insert_header(("Content-Type", pages::HTML));
            logged(&exchange, builder.body(pages::DEMO))
        }
        (Method::GET, "events") => {
            let hold = Hold {
                mode: HoldMode::Stream,
                timeout_secs: 0,
            };
            let mut instruct = instruct(hold, &channels, pages::DEMO_STREAM_TYPE, "");
            instruct.keep_alive =
                keep_alive::parse(pages::DEMO_KEEP_ALIVE.as_bytes()).unwrap_or_default();
            follow(front, exchange, instruct).await
        }
        (Method::GET, "poll") => {
            let hold = Hold {
                mode: HoldMode::Response,
                timeout_secs: pages::DEMO_POLL_TIMEOUT_SECS,
            };
            follow(
                front,
                exchange,
                instruct(hold, &channels, pages::DEMO_POLL_TYPE, ""),
            )
            .await
        }
        (Method::POST, "publish") => {
            let published = publish(front, payload, &exchange).await;
            logged(&exchange, published)
        }
        _ => {
            let answer = reply::text(404, "no-demo-resource", "The demo has no such page.");
            logged(&exchange, answer.response)
        }
    }
}

/// Gives an answer of the target's own its line in the access log.
fn logged(exchange: &Exchange, answer: HttpResponse) -> Outcome {
    let target = exchange.route.targets.first().map(|target| &target.kind);
    let reason = answer.headers().get(reply::REASON_HEADER);
    let reason = reason.and_then(|reason| reason.to_str().ok());
    let code = answer.status().as_u16();
    log_access(&exchange.request, target, code, reason.unwrap_or_default());
    Outcome::Response(answer)
}

async fn follow(front: &Rc<Front>, exchange: Exchange, instruct: Instruct) -> Outcome {
    let Some(target) = exchange.route.targets.first() else {
        return reply::no_route(exchange.manners).into();
    };
    log_access(
        &exchange.request,
        Some(&target.kind),
        instruct.response.status,
        "",
    );
    if exchange.is_trusted {
        return Outcome::Response(passed_on(&instruct));
    }
    let client = Client::of(&exchange, true);
    let plan = HoldPlan {
        exchange: &exchange,
        target,
        instruct,
        rest: None,
    };
    hold::follow(front, client, plan).await
}

/// Leaves instructions to the client, which follows them itself.
fn passed_on(instruct: &Instruct) -> HttpResponse {
    let hold = instruct.hold.as_ref();
    let mode = hold.map(|hold| match hold.mode {
        HoldMode::Response => "response",
        HoldMode::Stream => "stream",
    });
    let channels = instruct.subscriptions.iter();
    let channels: Vec<_> = channels
        .map(|subscription| json!({"name": subscription.channel.as_str()}))
        .collect();
    let content_type = instruct.response.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let told = json!({
        "hold": {
            "mode": mode,
            "channels": channels,
            "timeout": hold.map(|hold| hold.timeout_secs),
        },
        "response": {
            "headers": {"Content-Type": content_type},
            "body": String::from_utf8_lossy(&instruct.response.body),
        },
    });
    HttpResponse::Ok()
        .insert_header(("Content-Type", "application/grip-instruct"))
        .body(told.to_string())
}

async fn publish(front: &Front, payload: web::Payload, exchange: &Exchange) -> HttpResponse {
    let body = payload
        .to_bytes_limited(pages::DEMO_MESSAGE_MAX_BYTES * 3 + 16)
        .await;
    let message = match body {
        Ok(Ok(body)) => message_of(exchange, &body),
        _ => None,
    };
    let Some(message) = message else {
        front.edge.counters().refuse(Refused::Demo, 1);
        return reply::text(
            413,
            "demo-message-too-large",
            "A demo message has at most 1 KB of text.",
        )
        .response;
    };
    if !front.broker.take_demo_publish() {
        front.edge.counters().refuse(Refused::Demo, 1);
        let mut answer = reply::text(429, "demo-rate", "The demo takes 5 messages a second.");
        let one = actix_web::http::header::HeaderValue::from_static("1");
        answer
            .response
            .headers_mut()
            .insert(actix_web::http::header::RETRY_AFTER, one);
        return answer.response;
    }
    match front.broker.publish(demo_item(&message)).await {
        Ok(()) => text("Published\n"),
        Err(error) => reply::text(503, "publish-failed", &error.to_string()).response,
    }
}

/// Takes the message from a form field or from the body itself.
fn message_of(exchange: &Exchange, body: &[u8]) -> Option<String> {
    let content_type = exchange.request.headers().get("content-type");
    let is_form = content_type.is_some_and(|value| {
        value
            .as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    let message = if is_form {
        #[derive(serde::Deserialize)]
        struct Form {
            message: String,
        }
        let text = std::str::from_utf8(body).ok()?;
        web::Query::<Form>::from_query(text)
            .ok()?
            .into_inner()
            .message
    } else {
        std::str::from_utf8(body).ok()?.to_owned()
    };
    (message.len() <= pages::DEMO_MESSAGE_MAX_BYTES).then_some(message)
}

fn demo_item(message: &str) -> Item {
    let mut event = String::new();
    for line in message.split(['\n', '\r']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    let mut headers = HeaderMap::new();
    let plain_text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain_text);
    Item {
        channel: ChannelName::new(pages::DEMO_CHANNEL),
        id: None,
        prev_id: None,
        formats: Formats {
            response: Some(ResponseFormat::Send(ResponseSend {
                status: 200,
                reason: None,
                headers,
                body: ResponseBody::Bytes(Bytes::from(message.to_owned())),
                content_filters: None,
            })),
            stream: Some(StreamFormat::Send {
                content: Bytes::from(event),
                content_filters: None,
            }),
            ws: None,
        },
        meta: Default::default(),
        size: None,
        no_seq: false,
    }
}

fn instruct(
    hold: Hold,
    channels: &[&str],
    content_type: &'static str,
    body: &'static str,
) -> Instruct {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let subscription = |name: &&str| Subscription {
        channel: ChannelName::new(name),
        prev_id: None,
        filters: Vec::new(),
    };
    Instruct {
        hold: Some(hold),
        subscriptions: channels.iter().map(subscription).collect(),
        keep_alive: None,
        meta: Default::default(),
        next: None,
        gone: None,
        response: Response {
            status: 200,
            reason: None,
            headers,
            body: Bytes::from(body),
        },
    }
}

fn text(line: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Content-Type", pages::TEXT))
        .body(line)
}

/// The request's path without the route's `path_beg`.
pub(super) fn relative_path(exchange: &Exchange) -> String {
    let path = exchange.request.path();
    let beginning = exchange.route.path_beg.as_deref().unwrap_or_default();
    path.strip_prefix(beginning).unwrap_or(path).to_owned()
}

pub(super) fn channels_of(query: &str) -> Vec<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
    let pairs = pairs.map(web::Query::into_inner).unwrap_or_default();
    let channels: Vec<_> = pairs
        .into_iter()
        .filter(|(name, _)| name == "channel")
        .map(|(_, value)| value)
        .collect();
    if channels.is_empty() {
        vec!["test".to_owned()]
    } else {
        channels
    }
}

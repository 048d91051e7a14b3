//! What operators have P-8 do: publish a test item, end sessions, stop. Each leaves a line in the log
//! (`p8::audit`) and is counted. Source: `docs/admin.md#actions`.

use actix_web::{web, HttpRequest, HttpResponse};
use serde_json::{json, Map, Value};

use super::answer::{refused, told};
use crate::{
    actors::broker::Broker,
    http::control::{failure_status, items_of, PATIENCE},
    stats::views::SessionFilter,
};

/// Longest body of an action but a publish, in bytes.
const BODY_MAX: usize = 16_384;

/// Longest time a body may take.
const BODY_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Why a body is refused: status, stable word, text.
struct Refusal(u16, &'static str, String);

impl From<Refusal> for HttpResponse {
    fn from(Refusal(status, code, why): Refusal) -> Self {
        refused(status, code, &why)
    }
}

/// Notes who did what.
pub fn audit(request: &HttpRequest, broker: &Broker, action: &'static str, what: &str) {
    broker.count_admin_action();
    let peer = request.peer_addr().map(|peer| peer.to_string());
    log::info!(target: "p8::audit", action, peer = peer.unwrap_or_default().as_str(), what;
        "an operator acted");
}

pub(super) async fn publish_item(
    request: HttpRequest,
    payload: web::Payload,
    broker: web::Data<Broker>,
) -> HttpResponse {
    let max = broker.options().control_body_max;
    let body = match read(payload, max).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into(),
    };
    let items = match items_of(&body, &broker) {
        Ok(items) => items,
        Err(error) => return refused(400, error.code(), &error.to_string()),
    };
    let channels: Vec<_> = items
        .iter()
        .take(8)
        .map(|item| item.channel.as_str())
        .collect();
    audit(&request, &broker, "publish", &channels.join(" "));
    match actix::clock::timeout(PATIENCE, broker.publish_with_receipts(items)).await {
        Ok(Ok(receipts)) => told(&json!({ "receipts": receipts })),
        Ok(Err(failure)) => {
            let (status, code) = failure_status(&failure);
            refused(status, code, &failure.to_string())
        }
        Err(_) => refused(504, "publish-unconfirmed", "not all items are queued yet"),
    }
}

pub(super) async fn disconnect(
    request: HttpRequest,
    payload: web::Payload,
    broker: web::Data<Broker>,
) -> HttpResponse {
    let filter = match object(payload).await.and_then(|object| filter(&object)) {
        Ok(filter) => filter,
        Err(refusal) => return refusal.into(),
    };
    let what = format!("{filter:?}");
    let by_id = filter.id.clone();
    let ended = broker.end_sessions(filter).await;
    audit(&request, &broker, "disconnect", &what);
    match by_id {
        Some(id) if ended == 0 => {
            let why = format!("no session has the id '{id}', or it is ending already");
            refused(404, "unknown-session", &why)
        }
        _ => told(&json!({ "disconnected": ended })),
    }
}

pub(super) async fn drain(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    audit(&request, &broker, "drain", "");
    broker.ask_to_stop();
    told(&json!({"is_draining": true}))
}

/// Reads which sessions are meant; none at all is no answer.
fn filter(object: &Map<String, Value>) -> Result<SessionFilter, Refusal> {
    let expected = "expected an object with exactly one of id, channel, route, peer, as text";
    let bad = || Refusal(400, "bad-action", expected.to_owned());
    let mut fields = object.iter();
    let (Some((name, Value::String(value))), None) = (fields.next(), fields.next()) else {
        return Err(bad());
    };
    let value = Some(value.clone()).filter(|value| !value.is_empty());
    let value = value.ok_or_else(bad)?;
    let mut filter = SessionFilter::default();
    match name.as_str() {
        "id" => filter.id = Some(value),
        "channel" => filter.channel = Some(value),
        "route" => filter.route = Some(value),
        "peer" => filter.peer = Some(value),
        _ => return Err(bad()),
    }
    Ok(filter)
}

async fn object(payload: web::Payload) -> Result<Map<String, Value>, Refusal> {
    let body = read(payload, BODY_MAX).await?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Refusal(
            400,
            "bad-action",
            "expected a JSON object as body".to_owned(),
        )),
    }
}

async fn read(payload: web::Payload, max: usize) -> Result<bytes::Bytes, Refusal> {
    let reading = actix::clock::timeout(BODY_TIME_MAX, payload.to_bytes_limited(max)).await;
    match reading {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(Refusal(
            400,
            "bad-request-body",
            "the body ended too early".to_owned(),
        )),
        Ok(Err(_)) => {
            let why = format!("the body is longer than {max} bytes");
            Err(Refusal(413, "body-too-large", why))
        }
        Err(_) => Err(Refusal(
            408,
            "body-too-slow",
            "the body took too long".to_owned(),
        )),
    }
}

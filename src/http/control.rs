//! The control port for publishers: `POST /publish`, `POST /recover`, and `/` as a health check.
//!
//! It asks nobody who they are, see `guard`. Source: `docs/control-api.md`.

use std::borrow::Cow;

use actix_web::{
    http::{header, Method, StatusCode},
    web::{self, ServiceConfig},
    HttpRequest, HttpResponse,
};
use serde_json::json;

use super::reply::REASON_HEADER;
use crate::{
    actors::{broker::Broker, messages::PublishFailure},
    grip::{
        error::PublishError,
        publish::{self, Item},
    },
    stats::receipt::Receipt,
};

/// How long a publish may wait for its channels before it is answered without their word.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a publisher may take to send a body.
const BODY_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Mounts the control endpoints in an actix-web app, below the scope it is called in.
pub fn control(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let broker = broker.clone();
    move |config| {
        config.app_data(web::Data::new(broker.clone()));
        config.route("/", web::route().to(root));
        for path in ["/publish", "/publish/"] {
            config.route(path, web::route().to(publish));
        }
        for path in ["/recover", "/recover/"] {
            config.route(path, web::route().to(recover));
        }
        config.default_service(web::to(not_found));
    }
}

/// Mounts the control endpoints with a bound on request heads.
pub fn limited(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let mount = control(broker);
    let broker = broker.clone();
    move |config| {
        config.app_data(HeadsBounded(broker.clone()));
        mount(config);
    }
}

/// Request heads may be as long as this broker's options say.
struct HeadsBounded(Broker);

fn is_head_too_large(request: &HttpRequest) -> bool {
    let Some(HeadsBounded(broker)) = request.app_data::<HeadsBounded>() else {
        return false;
    };
    let max = broker.options().control_head_max;
    let line = request.method().as_str().len() + request.uri().path().len() + 12;
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    line + headers.sum::<usize>() > max
}

/// What a client of the control port wants to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Why a request is refused before its items are looked at: status, stable word, text.
struct Refusal(u16, &'static str, Cow<'static, str>);

impl From<Refusal> for HttpResponse {
    fn from(Refusal(code, reason, line): Refusal) -> Self {
        let mut refusal = text(code, reason, &line);
        if refusal.status() == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = header::HeaderValue::from_static("POST");
            refusal.headers_mut().insert(header::ALLOW, allowed);
        }
        refusal
    }
}

fn wanted(request: &HttpRequest) -> Result<Format, Refusal> {
    if is_head_too_large(request) {
        return Err(Refusal(
            400,
            "head-too-large",
            "Request header too large.".into(),
        ));
    }
    let mut values = request.headers().get_all(header::ACCEPT).peekable();
    if values.peek().is_none() {
        return Ok(Format::Text);
    }
    let elements = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let known =
        elements.filter_map(
            |element| match element.split(';').next().unwrap_or_default().trim() {
                "text/plain" | "text/*" | "*/*" | "*" => Some(Format::Text),
                "application/json" | "application/*" => Some(Format::Json),
                _ => None,
            },
        );
    let formats = "Not Acceptable. Supported formats are text/plain and application/json.";
    known
        .last()
        .ok_or(Refusal(406, "not-acceptable", formats.into()))
}

fn text(code: u16, reason: &'static str, line: &str) -> HttpResponse {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    builder.insert_header(("Content-Type", "text/plain"));
    if !reason.is_empty() {
        builder.insert_header((REASON_HEADER, reason));
    }
    builder.body(format!("{line}\n"))
}

async fn root(request: HttpRequest) -> HttpResponse {
    match wanted(&request) {
        Ok(_) => text(200, "", "P-8 API"),
        Err(refusal) => refusal.into(),
    }
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    match wanted(&request) {
        Ok(_) => text(404, "not-found", "Not Found"),
        Err(refusal) => refusal.into(),
    }
}

/// The query of a publish that wants receipts.
const RECEIPT: &str = "receipt=1";

/// Looks at everything but the body of what must be a POST; tells whether it has this query.
fn posted(request: &HttpRequest, query: &str) -> Result<(Format, bool), Refusal> {
    let format = wanted(request)?;
    let asked = request.query_string();
    if !asked.is_empty() && asked != query {
        return Err(Refusal(404, "not-found", "Not Found".into()));
    }
    if *request.method() != Method::POST {
        let line = format!("Method not allowed: {}.", request.method());
        return Err(Refusal(405, "method-not-allowed", line.into()));
    }
    Ok((format, asked == query && !query.is_empty()))
}

async fn recover(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    match posted(&request, "") {
        Ok((format, _)) => {
            broker.recover().await;
            done(format, "Updated")
        }
        Err(refusal) => refusal.into(),
    }
}

/// Reads the items of a publish; what is refused is counted and logged.
pub(super) fn items_of(body: &[u8], broker: &Broker) -> Result<Vec<Item>, PublishError> {
    let items = publish::parse_request(body);
    items.inspect_err(|error| {
        broker.count_bad_publish();
        log::warn!(target: "p8::publish", error:% = error.explanation(), reason = error.code();
            "publish refused");
    })
}

async fn publish(
    request: HttpRequest,
    payload: web::Payload,
    broker: web::Data<Broker>,
) -> HttpResponse {
    let (format, wants_receipts) = match posted(&request, RECEIPT) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal.into(),
    };
    let _under_way = match broker.begin_publish() {
        Some(under_way) => under_way,
        None => return busy("too-many-publishes", "too many publishes are under way"),
    };
    let body = match read_body(&request, payload, broker.options().control_body_max).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into(),
    };
    let items = match items_of(&body, &broker) {
        Ok(items) => items,
        Err(error) => return text(400, error.code(), &error.to_string()),
    };
    let count = items.len();
    let publishing = async {
        match wants_receipts {
            true => broker.publish_with_receipts(items).await.map(Some),
            false => broker.publish_all(items).await.map(|()| None),
        }
    };
    match actix::clock::timeout(PATIENCE, publishing).await {
        Ok(Ok(receipts)) => {
            log::debug!(target: "p8::publish", items = count; "published");
            match receipts {
                Some(receipts) => told(&receipts),
                None => done(format, "Published"),
            }
        }
        Ok(Err(failure)) => failed(failure),
        Err(_) => {
            let line = "The items were accepted, but not all are queued for delivery yet.";
            text(504, "publish-unconfirmed", line)
        }
    }
}

/// Answers with what became of each item.
fn told(receipts: &[Receipt]) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({ "receipts": receipts }))
}

/// Returns the status and the stable word of a publish that failed.
pub(super) fn failure_status(failure: &PublishFailure) -> (u16, &'static str) {
    match failure {
        PublishFailure::Partly => (500, "publish-partly-taken"),
        PublishFailure::Full(_) | PublishFailure::FullBytes(_) => (503, "publish-queue-full"),
        PublishFailure::Behind(_) => (503, "publish-queue-slow"),
        PublishFailure::HandlerLost => (503, "publish-handler-lost"),
        PublishFailure::Crashed => (500, "publish-crashed"),
    }
}

fn failed(failure: PublishFailure) -> HttpResponse {
    match (failure_status(&failure), &failure) {
        ((503, reason), _) => busy(reason, &failure.to_string()),
        ((code, reason), PublishFailure::Crashed) => {
            text(code, reason, &format!("Internal error: {failure}"))
        }
        ((code, reason), _) => text(code, reason, &failure.to_string()),
    }
}

async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    max: usize,
) -> Result<bytes::Bytes, Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_none() && !is_chunked {
        return Err(Refusal(
            411,
            "length-required",
            "Request requires Content-Length.".into(),
        ));
    }
    let too_large = || Refusal(400, "body-too-large", "Request body too large.".into());
    if length.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let reading = actix::clock::timeout(BODY_TIME_MAX, payload.to_bytes_limited(max)).await;
    let Ok(read) = reading else {
        let line = "Request body took too long.";
        return Err(Refusal(408, "body-too-slow", line.into()));
    };
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Refusal(
            400,
            "bad-request-body",
            "Request body ended too early.".into(),
        )),
        Err(_) => Err(too_large()),
    }
}

fn done(format: Format, what: &str) -> HttpResponse {
    match format {
        Format::Text => text(200, "", what),
        Format::Json => HttpResponse::Ok()
            .insert_header(("Content-Type", "application/json"))
            .body(format!("{{\"message\":\"{what}\"}}\n")),
    }
}

fn busy(reason: &'static str, why: &str) -> HttpResponse {
    let mut refusal = text(503, reason, &format!("Service unavailable: {why}"));
    refusal
        .headers_mut()
        .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    refusal
}

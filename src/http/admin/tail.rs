//! `GET /admin/api/tail?channel=NAME`: the items of a channel as they are published, as server-sent events.
//!
//! It is no subscription: the channel does not come to be by it, and nothing of its order is changed.

use std::{sync::atomic::Ordering, time::Duration};

use actix_web::{web, HttpRequest, HttpResponse};
use base64::engine::{general_purpose::STANDARD, Engine};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{json, Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    actions::audit,
    answer::refused,
    live::{event, events, too_many},
    query::{BadQuery, Query},
};
use crate::{
    actors::{
        broker::{Broker, Tail},
        looks::Tapped,
    },
    grip::{
        channel::ChannelName,
        publish::{Item, ResponseBody, ResponseFormat, StreamFormat, WsFormat},
    },
};

/// As much of a content as is shown, in bytes.
const CONTENT_MAX: usize = 4_096;

/// Between two signs of life, by which it is noticed that an operator has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

struct Tailing {
    tail: Tail,
    told_missed: u64,
    has_begun: bool,
    channel: String,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn tail(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    let query = Query::parse(request.query_string(), &["channel"]);
    let channel = match query {
        Ok(query) => query.said("channel"),
        Err(bad @ BadQuery(_)) => return bad.into(),
    };
    let Some(channel) = channel else {
        return refused(400, "bad-query", "expected channel=NAME");
    };
    let Some(place) = broker.take_stream() else {
        return too_many();
    };
    audit(&request, &broker, "tail", &channel);
    let tailing = Tailing {
        tail: broker.tail(ChannelName::new(&channel)).await,
        told_missed: 0,
        has_begun: false,
        channel,
        _place: place,
    };
    let items = stream::unfold(tailing, |mut tailing| async move {
        let next = tailing.next().await?;
        Some((Ok::<_, actix_web::Error>(next), tailing))
    });
    events().streaming(Box::pin(items))
}

impl Tailing {
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(event("begun", &json!({ "channel": self.channel })));
        }
        let missed = self.tail.missed.load(Ordering::Relaxed);
        if missed > self.told_missed {
            let items = missed - std::mem::replace(&mut self.told_missed, missed);
            return Some(event("missed", &json!({ "items": items })));
        }
        match actix::clock::timeout(KEEP_ALIVE, self.tail.items.recv()).await {
            Ok(Some(tapped)) => Some(event("item", &shown(&tapped))),
            Ok(None) => None,
            Err(_) => Some(Bytes::from_static(b": alive\n\n")),
        }
    }
}

fn shown(Tapped { item, outcome }: &Tapped) -> Value {
    let Item {
        channel,
        id,
        prev_id,
        formats,
        meta,
        ..
    } = item;
    let mut shown = Map::new();
    if let Some(response) = &formats.response {
        shown.insert("http-response".to_owned(), shown_response(response));
    }
    if let Some(stream) = &formats.stream {
        shown.insert("http-stream".to_owned(), shown_stream(stream));
    }
    if let Some(ws) = &formats.ws {
        shown.insert("ws-message".to_owned(), shown_ws(ws));
    }
    json!({
        "channel": channel.as_str(),
        "id": id.as_ref().map(ToString::to_string),
        "prev_id": prev_id.as_ref().map(ToString::to_string),
        "outcome": outcome.as_str(),
        "meta": meta,
        "formats": shown,
    })
}

fn shown_response(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::Send(send) => {
            let mut shown = match &send.body {
                ResponseBody::Bytes(body) => content(body),
                ResponseBody::Patch(patch) => content(&Bytes::from(patch.to_string())),
            };
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("code".to_owned(), json!(send.status));
            }
            shown
        }
        ResponseFormat::Hint => json!({"action": "hint"}),
        ResponseFormat::Close => json!({"action": "close"}),
        ResponseFormat::Refresh => json!({"action": "refresh"}),
    }
}

fn shown_stream(format: &StreamFormat) -> Value {
    match format {
        StreamFormat::Send { content: of, .. } => content(of),
        StreamFormat::Hint => json!({"action": "hint"}),
        StreamFormat::Close => json!({"action": "close"}),
        StreamFormat::Refresh => json!({"action": "refresh"}),
    }
}

fn shown_ws(format: &WsFormat) -> Value {
    match format {
        WsFormat::Send { content: of, .. } => content(of),
        WsFormat::Hint => json!({"action": "hint"}),
        WsFormat::Close { .. } => json!({"action": "close"}),
        WsFormat::Refresh => json!({"action": "refresh"}),
    }
}

/// Shows content as text if it is one, else as base64; cut to [`CONTENT_MAX`].
fn content(bytes: &Bytes) -> Value {
    let shown = bytes.get(..CONTENT_MAX).unwrap_or(bytes);
    let bytes_total = bytes.len();
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // A character may be cut in two.
        Err(error) if error.error_len().is_none() => shown
            .get(..error.valid_up_to())
            .and_then(|whole| std::str::from_utf8(whole).ok()),
        Err(_) => None,
    };
    match text {
        Some(text) => json!({"action": "send", "content": text, "bytes": bytes_total}),
        None => {
            let encoded = STANDARD.encode(shown);
            json!({"action": "send", "content_bin": encoded, "bytes": bytes_total})
        }
    }
}

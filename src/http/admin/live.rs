//! The page's live stream: every two seconds what has changed, as server-sent events.

use std::time::Duration;

use actix_web::{web, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;

use super::{answer::refused, api::footprint_json};
use crate::actors::broker::{Broker, STREAMS_MAX};

/// Between two events.
const TICK: Duration = Duration::from_secs(2);

/// Writes a server-sent event.
pub(super) fn event(kind: &str, content: &impl Serialize) -> Bytes {
    let content = serde_json::to_string(content).unwrap_or_default();
    Bytes::from(format!("event: {kind}\ndata: {content}\n\n"))
}

/// Begins a stream of events to an operator.
pub(super) fn events() -> actix_web::HttpResponseBuilder {
    let mut builder = HttpResponse::Ok();
    builder
        .insert_header(("Content-Type", "text/event-stream"))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"));
    builder
}

/// There are too many streams to operators.
pub(super) fn too_many() -> HttpResponse {
    let why = format!("{STREAMS_MAX} streams to operators are open: close one");
    refused(503, "too-many-streams", &why)
}

pub(super) async fn live(broker: web::Data<Broker>) -> HttpResponse {
    let Some(place) = broker.take_stream() else {
        return too_many();
    };
    let broker = broker.get_ref().clone();
    // The next event is only made when the one before has left: a slow reader gets fewer.
    let events_of = stream::unfold(
        (broker, place, false),
        |(broker, place, is_later)| async move {
            if is_later {
                actix::clock::sleep(TICK).await;
            }
            let event = look(&broker).await;
            Some((Ok::<_, actix_web::Error>(event), (broker, place, true)))
        },
    );
    events().streaming(Box::pin(events_of))
}

async fn look(broker: &Broker) -> Bytes {
    let snapshot = broker.stats().await;
    let process = footprint_json(broker).await;
    event(
        "look",
        &json!({
            "process": process,
            "actors": snapshot.actors,
            "totals": snapshot.totals,
            "dropped": snapshot.dropped,
            "refused": snapshot.refused,
            "channels_total": snapshot.channels_total,
            "targets_total": snapshot.targets_total,
            "workers": snapshot.workers,
        }),
    )
}

//! What operators read: the process, its history, and the tables. Source: `docs/admin.md`.

use actix_web::{web, HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{json, Value};

use super::{
    answer::told,
    query::{token, BadQuery, Query},
};
use crate::{
    actors::{
        broker::{Broker, Gathered},
        footprint,
        looks::{ChannelsQuery, SessionsQuery},
    },
    engine::route::Route,
    stats::{
        history::POINT_SECS,
        rows::{Key, KeyRef, Top},
        snapshot::TargetSnapshot,
        views::{contains, ChannelSort, SessionSort},
    },
};

/// The document that says what there is.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// Parameters of every table.
const TABLE: [&str; 5] = ["sort", "order", "limit", "after", "search"];

pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Content-Type", "application/json"))
        .body(OPENAPI)
}

pub(super) async fn snapshot(broker: web::Data<Broker>) -> HttpResponse {
    told(&broker.stats().await)
}

/// Says what P-8 is and what it uses.
pub(super) async fn footprint_json(broker: &Broker) -> Value {
    let looked = web::block(footprint::look).await.unwrap_or_default();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_secs": broker.uptime().as_secs(),
        "workers": broker.workers(),
        "connections": broker.connections().load(std::sync::atomic::Ordering::Relaxed),
        "is_draining": broker.is_asked_to_stop(),
        "pid": looked.pid,
        "threads": looked.threads,
        "memory_bytes": looked.memory_bytes,
        "open_files": looked.open_files,
        "open_files_max": looked.open_files_max,
    })
}

pub(super) async fn footprint(broker: web::Data<Broker>) -> HttpResponse {
    told(&footprint_json(&broker).await)
}

pub(super) async fn history(broker: web::Data<Broker>) -> HttpResponse {
    told(&json!({"point_secs": POINT_SECS, "points": broker.history()}))
}

pub(super) async fn sessions(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    let asked = || {
        let names = [&TABLE[..], &["id", "channel", "route", "peer"]].concat();
        let query = Query::parse(request.query_string(), &names)?;
        Ok::<_, BadQuery>(SessionsQuery {
            filter: query.filter(),
            sort: query
                .word("sort", &SessionSort::ALL)?
                .unwrap_or(SessionSort::Age),
            window: query.window(true)?,
            since: std::time::Instant::now(),
        })
    };
    match asked() {
        Ok(query) => table(broker.sessions(query).await),
        Err(bad) => bad.into(),
    }
}

pub(super) async fn channels(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    let asked = || {
        let query = Query::parse(request.query_string(), &TABLE)?;
        let sort = query.word("sort", &ChannelSort::ALL)?;
        let sort = sort.unwrap_or(ChannelSort::Subscribers);
        Ok::<_, BadQuery>(ChannelsQuery {
            search: query.search(),
            sort,
            window: query.window(sort != ChannelSort::Name)?,
        })
    };
    match asked() {
        Ok(query) => table(broker.channels(query).await),
        Err(bad) => bad.into(),
    }
}

/// What targets are sorted by.
#[derive(Clone, Copy, PartialEq)]
enum TargetSort {
    Target,
    Requests,
    Connections,
    Failures,
    Latency,
}

const TARGET_SORTS: [(&str, TargetSort); 5] = [
    ("target", TargetSort::Target),
    ("requests", TargetSort::Requests),
    ("connections", TargetSort::Connections),
    ("failures", TargetSort::Failures),
    ("latency", TargetSort::Latency),
];

pub(super) async fn targets(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    let asked = || {
        let query = Query::parse(request.query_string(), &TABLE)?;
        let sort = query.word("sort", &TARGET_SORTS)?;
        let sort = sort.unwrap_or(TargetSort::Target);
        let window = query.window(sort != TargetSort::Target)?;
        Ok::<_, BadQuery>((sort, query.search(), window))
    };
    let (sort, search, window) = match asked() {
        Ok(asked) => asked,
        Err(bad) => return bad.into(),
    };
    let snapshot = broker.stats().await;
    let mut top: Top<TargetSnapshot> = Top::new(window);
    for target in snapshot.targets {
        if !is_found(search.as_ref(), &target.target) {
            continue;
        }
        let key = match sort {
            TargetSort::Target => KeyRef::Text(&target.target),
            TargetSort::Requests => KeyRef::Number(target.requests_current),
            TargetSort::Connections => KeyRef::Number(target.connections_current),
            TargetSort::Failures => KeyRef::Number(target.failures_total),
            TargetSort::Latency => KeyRef::Number(target.latency_us.unwrap_or_default()),
        };
        let row = || target.clone();
        top.offer((key, KeyRef::Text(&target.target)), row);
    }
    whole(top, snapshot.workers)
}

pub(super) async fn routes(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    let asked = || {
        let query = Query::parse(request.query_string(), &TABLE)?;
        query.word("sort", &[("route", ())])?;
        Ok::<_, BadQuery>((query.search(), query.window(false)?))
    };
    let (search, window) = match asked() {
        Ok(asked) => asked,
        Err(bad) => return bad.into(),
    };
    let options = broker.options_shared();
    let mut top = Top::new(window);
    for (n, route) in options.routes.routes().iter().enumerate() {
        let name = route.id.clone().unwrap_or_else(|| route.condition());
        let row = described(&name, route);
        if is_found(search.as_ref(), &row.to_string()) {
            top.offer((KeyRef::Text(&name), KeyRef::Number(n as u64)), || row);
        }
    }
    whole(top, broker.workers())
}

fn described(name: &str, route: &Route) -> Value {
    let targets = route.targets.iter().map(|target| target.kind.to_string());
    json!({
        "route": name,
        "condition": route.condition(),
        "prefix": route.prefix,
        "slow_client": route.slow_client.as_str(),
        "is_grip": !route.no_grip,
        "targets": targets.collect::<Vec<_>>(),
    })
}

fn is_found(part: Option<&String>, text: &str) -> bool {
    part.is_none_or(|part| contains(text, part))
}

fn whole<R: Serialize>(top: Top<R>, workers: usize) -> HttpResponse {
    table(Gathered {
        page: top.finish(),
        answered: workers,
        asked: workers,
    })
}

fn table<R: Serialize>(gathered: Gathered<R>) -> HttpResponse {
    let Gathered {
        page,
        answered,
        asked,
    } = gathered;
    let next = page.next.as_ref().map(|rank: &(Key, Key)| token(rank));
    told(&json!({
        "rows": page.rows,
        "matched": page.matched,
        "next": next,
        "is_complete": answered == asked,
    }))
}

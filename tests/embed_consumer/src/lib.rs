//! A notice board: an actix-web service with routes and a state of its own, which became live by
//! mounting P-8 as a library.
//!
//! ```text
//! GET  /notices         every notice                      (it was always there)
//! POST /notices         a new one; published as well      broker.publish(item)
//! GET  /notices/live    a stream of those to come         broker.hold(request, instruct)
//! GET  /notices/next    a long-poll for the next one      broker.hold(request, instruct)
//! POST /p8/publish      for publishers elsewhere          p8::http::control
//! GET  /ops/admin/      what P-8 is doing                 p8::http::admin
//! anything else         to another backend                p8::http::proxy
//! ```

use std::sync::{Mutex, PoisonError};

use actix_web::{web, HttpRequest, HttpResponse};
use http::{HeaderMap, HeaderName, HeaderValue};
use p8::grip::instruct::{self, Instruct};
use p8::grip::publish::parse_item;
use p8::Broker;
use serde_json::json;

/// The channel of new notices.
const CHANNEL: &str = "notices";

/// The service's own state.
pub struct Board {
    broker: Broker,
    notices: Mutex<Vec<String>>,
}

impl Board {
    /// A board without notices.
    pub fn new(broker: Broker) -> Board {
        Board {
            broker,
            notices: Mutex::default(),
        }
    }
}

/// Mounts the service and P-8's parts.
pub fn mount(board: &web::Data<Board>) -> impl FnOnce(&mut web::ServiceConfig) {
    let board = board.clone();
    move |app| {
        let broker = board.broker.clone();
        app.app_data(board)
            .route("/notices", web::get().to(list))
            .route("/notices", web::post().to(add))
            .route("/notices/live", web::get().to(live))
            .route("/notices/next", web::get().to(next))
            .service(web::scope("/p8").configure(p8::http::control(&broker)))
            .service(web::scope("/ops").configure(p8::http::admin(&broker)))
            .configure(p8::http::proxy(&broker));
    }
}

async fn list(board: web::Data<Board>) -> String {
    board
        .notices
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .join("\n")
}

async fn add(board: web::Data<Board>, notice: String) -> HttpResponse {
    board
        .notices
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(notice.clone());
    let formats = json!({
        "http-stream": {"content": format!("{notice}\n")},
        "http-response": {"body": notice},
    });
    let Ok(item) = parse_item(json!({"channel": CHANNEL, "formats": formats})) else {
        return HttpResponse::BadRequest().finish();
    };
    match board.broker.publish(item).await {
        Ok(()) => HttpResponse::Created().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

async fn live(board: web::Data<Board>, request: HttpRequest) -> HttpResponse {
    hold(&board, &request, "stream", "live\n").await
}

async fn next(board: web::Data<Board>, request: HttpRequest) -> HttpResponse {
    hold(&board, &request, "response", "nothing new").await
}

async fn hold(
    board: &Board,
    request: &HttpRequest,
    mode: &'static str,
    body: &'static str,
) -> HttpResponse {
    match instructed(mode, body) {
        Some(instruct) => board.broker.hold(request, instruct).await,
        None => HttpResponse::InternalServerError().finish(),
    }
}

/// What a backend would say with `Grip-*` headers.
fn instructed(mode: &'static str, body: &'static str) -> Option<Instruct> {
    let headers = [
        ("content-type", "text/plain"),
        ("grip-hold", mode),
        ("grip-channel", CHANNEL),
    ];
    let pairs = headers.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    instruct::parse(200, None, &HeaderMap::from_iter(pairs), body.into()).ok()
}

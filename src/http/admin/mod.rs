//! The operator's view: `/admin/`, a page, and `/admin/api/...`, the same as JSON.
//!
//! | file | what |
//! |---|---|
//! | `api` | what is read: process, history, tables |
//! | `actions` | what is done: publish, disconnect, drain; each leaves a line in the log |
//! | `live`, `tail` | what comes by itself: the page's news, the items of a channel |
//! | `query`, `answer` | how it is asked for, how it is told |
//!
//! All are plain routes of the control listener: who may ask is decided around them. Source:
//! `docs/admin.md`.

mod actions;
mod answer;
mod api;
mod live;
mod query;
mod tail;

use actix_web::{
    http::Method,
    web::{self, ServiceConfig},
    Handler, HttpResponse, Resource, Responder,
};

pub use actions::audit;

use super::pages;
use crate::actors::broker::Broker;

/// What the page may load: its own files, and nothing from elsewhere.
const POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Mounts `/admin` in an actix-web app, below the scope it is called in.
pub fn admin(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let broker = broker.clone();
    move |config| {
        let broker = web::Data::new(broker.clone());
        config.service(
            web::scope("/admin")
                .app_data(broker)
                .service(get("", to_page))
                .service(get("/", page))
                .service(get("/style.css", style))
                .service(get("/app.js", script))
                .service(get("/api/openapi.json", api::openapi))
                .service(get("/api/snapshot", api::snapshot))
                .service(get("/api/process", api::footprint))
                .service(get("/api/history", api::history))
                .service(get("/api/live", live::live))
                .service(get("/api/sessions", api::sessions))
                .service(get("/api/channels", api::channels))
                .service(get("/api/targets", api::targets))
                .service(get("/api/routes", api::routes))
                .service(get("/api/tail", tail::tail))
                .service(post("/api/publish", actions::publish_item))
                .service(post("/api/disconnect", actions::disconnect))
                .service(post("/api/drain", actions::drain))
                .default_service(web::to(answer::not_found)),
        );
    }
}

fn get<F, Args>(path: &str, answer: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let resource = web::resource(path.to_owned()).route(web::get().to(answer));
    resource.default_service(web::to(|| async { answer::only(Method::GET) }))
}

fn post<F, Args>(path: &str, answer: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let resource = web::resource(path.to_owned()).route(web::post().to(answer));
    resource.default_service(web::to(|| async { answer::only(Method::POST) }))
}

async fn to_page() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header(("Location", "admin/"))
        .finish()
}

async fn page() -> HttpResponse {
    file(pages::HTML, pages::ADMIN)
}

async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", pages::ADMIN_STYLE)
}

async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", pages::ADMIN_SCRIPT)
}

fn file(kind: &'static str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Content-Type", kind))
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Cache-Control", "no-cache"))
        .body(content)
}

//! The operator's view: `/admin/`, a page, and `/admin/api/snapshot`, the same as JSON.
//!
//! Source: `docs/admin.md`.

use actix_web::{
    web::{self, ServiceConfig},
    HttpResponse,
};

use super::{pages, reply};
use crate::actors::broker::Broker;

/// Mounts `/admin` in an actix-web app, below the scope it is called in.
pub fn admin(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let broker = broker.clone();
    move |config| {
        let broker = web::Data::new(broker.clone());
        config.service(
            web::scope("/admin")
                .app_data(broker)
                .route("", web::get().to(to_page))
                .route("/", web::get().to(page))
                .route("/api/snapshot", web::get().to(snapshot)),
        );
    }
}

async fn to_page() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header(("Location", "admin/"))
        .finish()
}

async fn page() -> HttpResponse {
    let mut builder = HttpResponse::Ok();
    reply::page_headers(&mut builder);
    builder
        .insert_header(("Content-Type", pages::HTML))
        .body(pages::ADMIN)
}

async fn snapshot(broker: web::Data<Broker>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(broker.stats().await)
}

//! `/live` and `/ready`, for whoever starts P-8 or sends clients to it; open to all.
//!
//! Source: `docs/operations.md#health`.

use actix_web::{
    web::{self, ServiceConfig},
    HttpResponse, HttpResponseBuilder,
};

use super::reply::REASON_HEADER;
use crate::actors::broker::Broker;

/// Mounts them in an actix-web app.
pub fn liveness(broker: &Broker) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let broker = broker.clone();
    move |config| {
        let page = |path| web::resource(path).app_data(web::Data::new(broker.clone()));
        config.service(page("/live").route(web::get().to(live)));
        config.service(page("/ready").route(web::get().to(ready)));
    }
}

/// Whoever reads this knows that the process answers.
async fn live() -> HttpResponse {
    text(HttpResponse::Ok(), "live\n")
}

/// New clients and publishes are welcome, unless P-8 stops or one of its threads does not turn.
async fn ready(broker: web::Data<Broker>) -> HttpResponse {
    let unwell = broker.unwell();
    let (reason, why) = if broker.is_draining() {
        ("draining", String::from("draining\n"))
    } else if unwell.is_empty() {
        return text(HttpResponse::Ok(), "ready\n");
    } else {
        let lines = unwell.into_iter().map(|unwell| format!("{unwell}\n"));
        ("unwell", lines.collect())
    };
    let mut unready = HttpResponse::ServiceUnavailable();
    unready.insert_header((REASON_HEADER, reason));
    text(unready, why)
}

fn text(mut answer: HttpResponseBuilder, text: impl Into<String>) -> HttpResponse {
    answer
        .content_type("text/plain")
        .insert_header(("Cache-Control", "no-store"))
        .body(text.into())
}

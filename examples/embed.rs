//! A chat: an actix-web service of its own, made live by mounting P-8 as a library. No proxy, no other
//! process.
//!
//! ```text
//! cargo run --example embed
//! curl -N http://127.0.0.1:8080/live              # a stream of what is said
//! curl    http://127.0.0.1:8080/next              # a long-poll for the next of it
//! curl -d 'hello' http://127.0.0.1:8080/say       # says it to both
//! ```
//!
//! `http://127.0.0.1:8080/ops/admin/` shows what P-8 is doing; publishers elsewhere post to `/p8/publish`.

use std::{error::Error, io::Write};

use actix_web::{
    http::StatusCode,
    web::{self, ServiceConfig},
    App, HttpRequest, HttpResponse, HttpServer,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use p8::{
    grip::{instruct, publish::parse_item, InstructError},
    Broker, BrokerOptions,
};
use serde_json::json;

/// The channel of everything that is said.
const CHANNEL: &str = "chat";

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Broker::start(BrokerOptions::default()).await?;
    let app = {
        let broker = broker.clone();
        move || App::new().configure(mount(&broker))
    };
    let server = HttpServer::new(app)
        // Without this a held client that leaves is not noticed.
        .h1_allow_half_closed(false)
        .disable_signals()
        .bind("127.0.0.1:8080")?;
    let _ = writeln!(std::io::stdout(), "http://127.0.0.1:8080/");
    let server = server.run();
    let handle = server.handle();
    // Held responses would keep the server from ending: they are let go first.
    actix_web::rt::spawn(async move {
        if actix_web::rt::signal::ctrl_c().await.is_ok() {
            broker.drain().await;
            handle.stop(true).await;
        }
    });
    Ok(server.await?)
}

/// The service: its own routes, and P-8's beside them.
pub fn mount(broker: &Broker) -> impl FnOnce(&mut ServiceConfig) {
    let broker = broker.clone();
    move |app| {
        app.app_data(web::Data::new(broker.clone()))
            .route("/live", web::get().to(live))
            .route("/next", web::get().to(next))
            .route("/say", web::post().to(say))
            .service(web::scope("/p8").configure(p8::http::control(&broker)))
            .service(web::scope("/ops").configure(p8::http::admin(&broker)));
    }
}

async fn live(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    hold(&request, &broker, "stream", "[live]\n").await
}

async fn next(request: HttpRequest, broker: web::Data<Broker>) -> HttpResponse {
    hold(&request, &broker, "response", "[nothing was said]\n").await
}

/// Holds the response as if a backend had asked for it.
async fn hold(
    request: &HttpRequest,
    broker: &Broker,
    mode: &'static str,
    body: &'static str,
) -> HttpResponse {
    match instructed(mode, body) {
        Ok(instruct) => broker.hold(request, instruct).await,
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn instructed(mode: &'static str, body: &'static str) -> Result<instruct::Instruct, InstructError> {
    let headers = [
        ("content-type", "text/plain"),
        ("grip-hold", mode),
        ("grip-channel", CHANNEL),
    ];
    let headers = headers.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    instruct::parse(200, None, &HeaderMap::from_iter(headers), body.into())
}

/// Publishes to everybody who is held here; no HTTP is needed for that.
async fn say(words: String, broker: web::Data<Broker>) -> HttpResponse {
    let line = format!("{words}\n");
    let item = parse_item(json!({
        "channel": CHANNEL,
        "formats": {"http-stream": {"content": line}, "http-response": {"body": line}},
    }));
    let published = match item {
        Ok(item) => broker.publish(item).await.is_ok(),
        Err(_) => false,
    };
    HttpResponse::new(if published {
        StatusCode::ACCEPTED
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    })
}

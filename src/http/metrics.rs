//! `/metrics` in Prometheus' text format: on the control listener, and if it is asked for on one of its
//! own, where every path and method gets it, as Pushpin has it. Source: `docs/operations.md#metrics`.

use std::{io, net::TcpListener, sync::Arc};

use actix_web::{
    dev::ServerHandle,
    web::{self, ServiceConfig},
    App, HttpResponse,
};

use crate::{actors::broker::Broker, stats::prometheus};

/// Connections to the listener of its own.
const CONNECTIONS_MAX: usize = 128;

/// What names begin with.
struct Prefix(Arc<str>);

/// Mounts `/metrics` in an actix-web app; names begin with the prefix.
pub fn metrics(
    broker: &Broker,
    prefix: &Arc<str>,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let (broker, prefix) = (broker.clone(), prefix.clone());
    move |config| {
        let page = web::resource("/metrics")
            .app_data(web::Data::new(broker.clone()))
            .app_data(web::Data::new(Prefix(prefix.clone())))
            .route(web::get().to(scrape));
        config.service(page);
    }
}

/// Starts the server of the listener of its own.
pub fn start(
    listener: TcpListener,
    broker: &Broker,
    prefix: &Arc<str>,
) -> io::Result<ServerHandle> {
    let (broker, prefix) = (broker.clone(), prefix.clone());
    let server = actix_web::HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(broker.clone()))
            .app_data(web::Data::new(Prefix(prefix.clone())))
            .default_service(web::to(scrape))
    });
    let server = server
        .workers(1)
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(handle)
}

async fn scrape(broker: web::Data<Broker>, prefix: web::Data<Prefix>) -> HttpResponse {
    let text = prometheus::encode(&broker.stats().await, &prefix.0);
    HttpResponse::Ok()
        .insert_header(("Content-Type", prometheus::MEDIA_TYPE))
        .insert_header(("Cache-Control", "no-store"))
        .body(text)
}

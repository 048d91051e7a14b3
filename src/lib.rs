//! P-8 is a realtime push server: a GRIP proxy that stands in front of an ordinary web application.
//!
//! It passes every request on. When the application answers with GRIP instructions (`Grip-Hold`,
//! `Grip-Channel` or a JSON instruct), P-8 takes them off, holds the client's connection and subscribes
//! it to channels. Later the application posts an item to the control port, and P-8 pushes it to
//! everybody on that channel: long-polling, HTTP streaming, server-sent events and WebSockets for
//! applications that answer short requests. Clients never see a proprietary protocol.
//!
//! ```text
//! grip <- engine <- actors <- http <- server <- main        nothing looks upward
//! ```
//!
//! - [`grip`]: the protocol's words and codecs; a GRIP library by itself.
//! - [`engine`]: what happens next; pure state machines and rules. May change with any release.
//! - [`stats`]: what P-8 counts about itself.
//! - [`actors`]: thin shells on actix: sessions, channels, hubs, publishers, upstreams.
//! - [`http`]: the network: actix-web towards clients, hyper towards backends.
//! - [`config`]: p-8.toml and the environment, checked.
//! - [`server`]: all of it wired together.
//!
//! A whole server:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = p8::Settings::from_toml("[http]\nlisten = \"127.0.0.1:7999\"")?;
//! let server = p8::Server::start(settings).await?;
//! println!("clients: {:?}", server.client_addrs());
//! # Ok(())
//! # }
//! ```
//!
//! Inside an existing actix-web service (see `examples/embed.rs`):
//!
//! ```no_run
//! use actix_web::{web, App, HttpRequest, HttpServer, Responder};
//!
//! async fn events(request: HttpRequest, broker: web::Data<p8::Broker>) -> impl Responder {
//!     let headers = [("grip-hold", "stream"), ("grip-channel", "news")];
//!     let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
//!     let headers = headers.into_iter().collect();
//!     let instruct = p8::grip::instruct::parse(200, None, &headers, "hello\n".into()).unwrap();
//!     broker.hold(&request, instruct).await
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let broker = p8::Broker::start(p8::BrokerOptions::default()).await?;
//!     HttpServer::new(move || {
//!         App::new()
//!             .app_data(web::Data::new(broker.clone()))
//!             .route("/events", web::get().to(events))
//!             .configure(p8::http::admin(&broker))
//!             .configure(p8::http::control(&broker))
//!     })
//!     // Without this a held client that leaves is not noticed.
//!     .h1_allow_half_closed(false)
//!     .bind("127.0.0.1:8080")?
//!     .run()
//!     .await?;
//!     Ok(())
//! }
//! ```

pub mod actors;
pub mod config;
pub mod engine;
pub mod grip;
pub mod http;
pub mod server;
pub mod stats;

pub use actors::broker::{Broker, BrokerOptions};
pub use config::Settings;
pub use server::{Error, Server};

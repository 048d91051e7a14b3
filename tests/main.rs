//! The integration tests: P-8 as clients, backends, publishers and operators meet it.
//!
//! One binary, linked once. `support` is what the tests are made with; every other module is one
//! area of behaviour, and each test's name is the sentence it proves. Unit tests stand beside the
//! code they test.

#![allow(missing_docs, unreachable_pub, reason = "nobody imports a test")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its support is not inside a #[test] function"
)]

mod support;

mod admin;
mod admin_api;
mod backend_failures;
mod backpressure;
mod browser;
#[cfg(feature = "chaos")]
mod chaos;
mod config;
mod control_access;
mod cross_origin;
mod disconnects;
mod draining;
mod embed;
mod examples;
mod forwarding;
mod framing;
mod gone_links;
mod hints;
mod hostile;
mod house;
mod http2;
mod http_stream;
mod https_backends;
mod import;
mod joining;
mod jsonp;
mod keep_alive;
mod kept_inputs;
mod large_bodies;
mod limits;
mod lingering;
mod link_bodies;
mod link_recovery;
mod link_sharing;
mod links;
mod listeners;
mod logs;
mod long_poll;
mod metrics;
mod network_filters;
mod ordering;
mod overload;
mod proxying;
mod publish;
mod publish_command;
mod pushpin_routes;
mod rates;
mod real_backends;
mod receipts;
mod recovery;
mod recovery_load;
mod regression;
mod reload;
mod request_ids;
mod retries;
mod route_lookup;
mod routing;
mod service;
mod signing;
mod simulation;
mod slow_client;
mod slow_consumers;
mod smuggling;
mod static_files;
#[cfg(feature = "chaos")]
mod supervision;
mod targets;
mod tls;
mod trusted_clients;
mod tunnel;
mod upgrade;
mod websocket;
#[cfg(feature = "chaos")]
mod wedges;
mod zhttpreq;
mod zmq;

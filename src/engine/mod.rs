//! Floor 1: what happens next. Pure rules and state machines; time is an argument, bytes go in and out.
//!
//! No clock, no socket, no actix and no tokio here: actors and the http floor carry out what these
//! modules decide. Public for benches and simulation; its interface may change with any release.

pub mod accept_rate;
pub mod answer;
pub mod backend_options;
pub mod backlog;
pub mod balance;
pub mod certificate;
pub mod client_limits;
pub mod control_access;
pub mod cross_origin;
pub mod delivery_rate;
pub mod draining;
pub mod fan_out;
pub mod filtering;
pub mod forward;
pub mod framing;
pub mod handover;
pub mod id_cache;
pub mod idle_surplus;
pub mod jsonp;
pub mod lingering;
pub mod link_target;
pub mod log_tally;
pub mod outbox;
pub mod overload;
pub mod plan;
pub mod presentation;
pub mod prev_ids;
pub mod proxy_header;
pub mod rate;
pub mod recovery;
pub mod request_id;
pub mod response_hold;
pub mod restart_budget;
pub mod route;
pub mod sequencer;
pub mod session;
pub mod sockjs;
pub mod stream_hold;
pub mod subscription;
pub mod timetable;
pub mod tls_options;
pub mod web_socket;
pub mod wedges;
pub mod wire;
pub mod ws;
pub mod ws_over_http;
pub mod zmq;

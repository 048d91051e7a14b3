//! Floor 2: the actors, thin shells on actix around the machines of `engine`.
//!
//! | actor | lives on | lifetime | after a panic |
//! |---|---|---|---|
//! | [`Session`](session::Session) | edge | a client connection | that client only |
//! | [`Upstream`](upstream::Upstream) | edge | a backend request | 502 |
//! | [`Hub`](hub::Hub) | edge, one per worker | process | restarted in place |
//! | [`Channel`](channel::Channel) | handler | first to last subscriber | restarted in place |
//! | [`Publisher`](publisher::Publisher) | handler | process | restarted in place |
//! | [`Meter`](meter::Meter) | control | process | restarted in place |
//! | [`Supervisor`](wedge_watch::Supervisor) | control | process | restarted in place |
//! | [`Checker`](checker::Checker) | the server's thread | process | restarted in place |
//!
//! They meet through [`messages`], and reach the network through [`ports`].

pub mod attentive;
pub mod broker;
pub mod broker_options;
pub mod channel;
pub mod channel_state;
#[cfg(feature = "chaos")]
pub mod chaos;
pub mod checker;
pub mod connection_ids;
pub mod crash_records;
pub mod dealers;
pub mod delivery_rate;
pub mod edge;
pub mod encoded;
pub mod fetch_error;
pub mod flusher;
pub mod footprint;
pub mod handler_state;
pub mod handler_thread;
pub mod handlers;
pub mod hearts;
pub mod held;
pub mod hub;
pub mod link_body;
pub mod looks;
pub mod messages;
pub mod meter;
pub mod occupancy;
pub mod outgoing;
pub mod polled_sessions;
pub mod ports;

pub mod publisher;
pub mod session;
pub mod session_context;
pub mod session_kind;
pub mod slip;
pub mod store;
pub mod supervisor;
pub mod tally;
pub mod targets;
pub mod task;
pub mod timing;
pub mod upstream;
pub mod waiting;
pub mod web_socket;
pub mod wedge_watch;
pub mod worker_report;

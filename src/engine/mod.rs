//! Floor 1: what happens next. Pure rules and state machines; time is an argument, bytes go in and out.
//!
//! No clock, no socket, no actix and no tokio here: actors and the http floor carry out what these
//! modules decide. Public for benches and simulation; its interface may change with any release.

pub mod delivery_rate;
pub mod fan_out;
pub mod filtering;
pub mod forward;
pub mod framing;
pub mod outbox;
pub mod plan;
pub mod rate;
pub mod response_hold;
pub mod restart_budget;
pub mod route;
pub mod stream_hold;
pub mod subscription;
pub mod timetable;
pub mod wire;

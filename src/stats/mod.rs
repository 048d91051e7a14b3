//! Floor 1: what P-8 counts about itself. No clock, no I/O, no shared atomics on the data path:
//! each worker counts for itself, and snapshots are merged when somebody looks.

pub mod counted;
pub mod counters;
pub mod histogram;
pub mod history;
pub mod prometheus;
pub mod readings;
pub mod receipt;
pub mod rows;
pub mod shared_counters;
pub mod snapshot;
pub mod views;

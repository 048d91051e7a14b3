//! Where clients come in, and what keeps them out.

mod addresses;
mod proxy_protocol;
mod slow_senders;
mod turns;
mod unix;

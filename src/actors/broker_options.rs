//! What a broker is started with, and what a reload replaces: plain values with defaults.

use std::{sync::Arc, time::Duration};

use super::{handler_state::HandlerOptions, store::HubOptions};
use crate::engine::{
    backend_options::BackendOptions, client_limits::ClientLimits, control_access::ControlAccess,
    delivery_rate::RateLimits, outbox::OutboxLimits, route::RouteTable, wedges::WedgeRules,
};

/// What a broker is started with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerOptions {
    /// Threads that channels and publishers live on; at least 1.
    pub arbiters: usize,
    /// Bounds and rules of channels.
    pub handler: HandlerOptions,
    /// When a thread counts as wedged, and how often that is borne.
    pub wedges: WedgeRules,
    /// Bounds of the workers' tables.
    pub hub: HubOptions,
    /// Bounds of sessions; a route's `slow_client` replaces the policy.
    pub outbox: OutboxLimits,
    /// How many deliveries leave in a second.
    pub rate: RateLimits,
    /// Most channels that one hold may ask for.
    pub subscriptions_max: usize,
    /// Which backend a request goes to.
    pub routes: Arc<RouteTable>,
    /// How requests reach backends.
    pub backend: Arc<BackendOptions>,
    /// Bounds of clients.
    pub clients: ClientLimits,
    /// The longest request head on the control port, in bytes.
    pub control_head_max: usize,
    /// Who may use the control listener.
    pub control_access: ControlAccess,
    /// The longest body of a publish, in bytes.
    pub control_body_max: usize,
    /// Most publishes under way at a time by the control listener.
    pub publishes_max: usize,
    /// TCP settings of parked clients.
    pub tcp: TcpOptions,
    /// Messages of WebSockets are compressed for clients that offer it.
    pub allow_compression: bool,
    /// Most sessions of clients that poll.
    pub polled_sessions_max: usize,
}

/// TCP settings of parked clients.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TcpOptions {
    /// Idle time after which the kernel probes the client.
    pub keepalive: Duration,
    /// How long sent bytes may stay unacknowledged.
    pub user_timeout: Duration,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            keepalive: Duration::from_secs(60),
            user_timeout: Duration::from_secs(60),
        }
    }
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            arbiters: 1,
            handler: HandlerOptions::default(),
            wedges: WedgeRules::default(),
            hub: HubOptions::default(),
            outbox: OutboxLimits::default(),
            rate: RateLimits::default(),
            subscriptions_max: 20,
            routes: Arc::default(),
            backend: Arc::default(),
            clients: ClientLimits::default(),
            control_head_max: 10_000,
            control_access: ControlAccess::default(),
            control_body_max: 1_000_000,
            publishes_max: 1_000,
            tcp: TcpOptions::default(),
            allow_compression: false,
            polled_sessions_max: 50_000,
        }
    }
}

impl BrokerOptions {
    /// Sets the routes.
    pub fn routes(mut self, routes: RouteTable) -> Self {
        self.routes = Arc::new(routes);
        self
    }
}

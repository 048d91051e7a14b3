//! From settings to the options of each part.

use std::sync::Arc;

use crate::{
    actors::{
        broker::{BrokerOptions, TcpOptions},
        handler_state::HandlerOptions,
        store::{HubOptions, Watched},
    },
    config::{HttpSettings, Settings},
    engine::{
        client_limits::{ClientLimits, Http2Limits, Patience, RequestLimits},
        framing::FramingLimits,
        outbox::OutboxLimits,
        route::RouteTable,
        sequencer::SequencerLimits,
    },
    http::listener::ClientOptions,
};

/// File descriptors kept for the control port and for backends.
const RESERVED_FILES: u64 = 256;

/// Turns settings into what a broker is started with.
pub(super) fn broker_options(settings: &Settings, routes: RouteTable) -> BrokerOptions {
    let mut options = BrokerOptions::default().routes(routes);
    let handler = &settings.handler;
    options.arbiters = handler.arbiters;
    options.wedges = handler.wedges;
    options.handler = HandlerOptions {
        channel_queue_items_max: handler.channel_queue_items_max,
        channel_queue_time_max: handler.channel_queue_time_max,
        publish_queue_bytes_max: handler.publish_queue_bytes_max,
        channels_max: handler.channels_max,
        order: SequencerLimits {
            wait: handler.message_wait,
            items_max: handler.channel_waiting_items_max,
        },
        id_cache_ttl: handler.id_cache_ttl,
        id_cache_max: handler.id_cache_max,
        update_on_first_subscription: handler.update_on_first_subscription,
    };
    options.hub = HubOptions {
        linger: handler.subscription_linger,
        lingering_max: handler.lingering_subscriptions_max,
        has_connection_ids: settings.zmq.command.is_some(),
        watched: match (&settings.zmq.stats, &settings.zmq.sub[..]) {
            (Some(_), _) if settings.zmq.has_stats_connections => Watched::Sessions,
            (Some(_), _) => Watched::Deliveries,
            (None, [_, ..]) => Watched::Channels,
            (None, []) => Watched::Nothing,
        },
    };
    options.outbox = OutboxLimits {
        items_max: handler.session_queue_items_max,
        bytes_max: handler.session_queue_bytes_max,
        policy: handler.slow_client,
    };
    options.rate = handler.rate;
    options.subscriptions_max = handler.connection_subscription_max;
    options.clients = client_limits(&settings.http);
    options.control_head_max = settings.control.max_headers_size;
    options.control_access = settings.control.access.clone();
    options.control_body_max = settings.control.max_body_size;
    options.publishes_max = settings.control.publishes_max;
    options.backend = settings.proxy.clone().into();
    options.polled_sessions_max = settings.http.client_maxconn;
    options.allow_compression = settings.http.allow_compression;
    options.tcp = TcpOptions {
        keepalive: settings.http.tcp_keepalive,
        user_timeout: settings.http.tcp_user_timeout,
    };
    options
}

/// Turns settings into what the client listener is started with.
pub(super) fn client_options(settings: &Settings) -> ClientOptions {
    let http = &settings.http;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let room = room();
    // Said here, at the start alone: a reload does not raise the limit.
    if room < http.client_maxconn {
        log::info!(client_maxconn = http.client_maxconn, connections_max = room;
            "the limit of open files is below client_maxconn: fewer connections are accepted");
    }
    ClientOptions {
        workers: http.workers.unwrap_or_else(cores),
        room,
        drain: http.drain,
    }
}

/// Turns settings into the bounds of clients.
fn client_limits(http: &HttpSettings) -> ClientLimits {
    ClientLimits {
        requests: RequestLimits {
            framing: FramingLimits {
                head_bytes_max: http.client_buffer_size,
                ..FramingLimits::default()
            },
            patience: Patience {
                head: http.header_timeout,
                body: http.body_timeout,
                keep_alive: http.keep_alive,
            },
            http2: http.http2,
        },
        http2: Http2Limits {
            streams_max: u32::try_from(http.http2_streams_max).unwrap_or(u32::MAX),
            ping_after: Some(http.http2_ping).filter(|after| !after.is_zero()),
            ping_timeout: http.http2_ping_timeout,
        },
        connections_max: http.client_maxconn.min(room()),
        accept_rate: http.accept_rate,
        believed: Arc::new(http.proxy_protocol_from.clone()),
    }
}

/// Returns how many connections there are file descriptors for.
fn room() -> usize {
    let files = raise_file_limit().saturating_sub(RESERVED_FILES);
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// Raises the limit of open files as far as this process may, and returns it.
fn raise_file_limit() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024)
}

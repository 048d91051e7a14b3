//! The configuration as it is written: the tables and keys of `p-8.toml`, nothing checked but
//! types.
//!
//! It has no defaults and knows no meaning; `tables`, `proxy`, `routes` and `targets` turn it into
//! [`super::Settings`]. Which keys exist is decided here and nowhere else: serde refuses the
//! others.

use serde::Deserialize;

use super::control;
pub(super) use super::shapes::{One, OneOrMore, SetProto};
use crate::engine::{balance, outbox, request_id};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) http: Http,
    #[serde(default)]
    pub(super) control: control::Control,
    #[serde(default)]
    pub(super) zmq: Zmq,
    #[serde(default)]
    pub(super) handler: Handler,
    #[serde(default)]
    pub(super) proxy: Proxy,
    #[serde(default)]
    pub(super) metrics: Metrics,
    #[serde(default)]
    pub(super) log: Log,
    pub(super) routes: Option<Vec<Route>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: Option<OneOrMore>,
    pub(super) tls_listen: Option<OneOrMore>,
    pub(super) tls_cert: Option<String>,
    pub(super) tls_key: Option<String>,
    pub(super) tls_certs: Option<String>,
    pub(super) tls_min_version: Option<TlsVersion>,
    pub(super) unix_listen: Option<OneOrMore>,
    pub(super) client_buffer_size: Option<u64>,
    pub(super) client_maxconn: Option<u64>,
    pub(super) allow_compression: Option<bool>,
    pub(super) workers: Option<u64>,
    pub(super) keep_alive_secs: Option<u64>,
    pub(super) header_timeout_secs: Option<u64>,
    pub(super) body_timeout_secs: Option<u64>,
    pub(super) accept_rate: Option<u64>,
    pub(super) proxy_protocol_from: Option<OneOrMore>,
    pub(super) tcp_keepalive_secs: Option<u64>,
    pub(super) tcp_user_timeout_secs: Option<u64>,
    pub(super) drain_secs: Option<u64>,
    pub(super) http2: Option<bool>,
    pub(super) http2_streams_max: Option<u64>,
    pub(super) http2_ping_secs: Option<u64>,
    pub(super) http2_ping_timeout_secs: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) filter: Option<String>,
    pub(super) format: Option<super::LogFormat>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zmq {
    pub(super) pull: Option<String>,
    pub(super) sub: Option<OneOrMore>,
    pub(super) sub_connect: Option<bool>,
    pub(super) command: Option<String>,
    pub(super) stats: Option<String>,
    pub(super) stats_format: Option<String>,
    pub(super) stats_report_interval: Option<u64>,
    pub(super) stats_connection_send: Option<bool>,
    pub(super) stats_connection_ttl: Option<u64>,
    pub(super) ipc_file_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handler {
    pub(super) message_rate: Option<u64>,
    pub(super) message_hwm: Option<u64>,
    pub(super) message_block_size: Option<u64>,
    pub(super) message_wait: Option<u64>,
    pub(super) id_cache_ttl: Option<u64>,
    pub(super) id_cache_max: Option<u64>,
    pub(super) connection_subscription_max: Option<u64>,
    pub(super) subscription_linger: Option<u64>,
    pub(super) lingering_subscriptions_max: Option<u64>,
    pub(super) update_on_first_subscription: Option<bool>,
    pub(super) arbiters: Option<u64>,
    pub(super) wedge_deadline_ms: Option<u64>,
    pub(super) replacements_max: Option<u64>,
    pub(super) session_queue_bytes_max: Option<u64>,
    pub(super) session_queue_items_max: Option<u64>,
    pub(super) channel_queue_items_max: Option<u64>,
    pub(super) channel_queue_ms_max: Option<u64>,
    pub(super) publish_queue_bytes_max: Option<u64>,
    pub(super) channel_waiting_items_max: Option<u64>,
    pub(super) channels_max: Option<u64>,
    pub(super) slow_client: Option<SlowClient>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proxy {
    pub(super) sig_iss: Option<String>,
    pub(super) sig_key: Option<String>,
    pub(super) upstream_key: Option<String>,
    pub(super) auto_cross_origin: Option<bool>,
    pub(super) cross_origin_allow: Option<OneOrMore>,
    pub(super) set_x_forwarded_protocol: Option<SetProto>,
    pub(super) accept_x_forwarded_protocol: Option<bool>,
    pub(super) x_forwarded_for: Option<OneOrMore>,
    pub(super) x_forwarded_for_trusted: Option<OneOrMore>,
    pub(super) orig_headers_need_mark: Option<OneOrMore>,
    pub(super) accept_pushpin_route: Option<bool>,
    pub(super) forwarded: Option<bool>,
    pub(super) cdn_loop: Option<String>,
    pub(super) request_ids: Option<RequestIds>,
    pub(super) debug: Option<bool>,
    pub(super) ca_cert: Option<String>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) response_timeout_secs: Option<u64>,
    pub(super) requests_max: Option<u64>,
    pub(super) eject_after: Option<u64>,
    pub(super) eject_secs: Option<u64>,
    pub(super) eject_secs_max: Option<u64>,
    pub(super) health_interval_secs: Option<u64>,
    pub(super) health_timeout_secs: Option<u64>,
    pub(super) pool_idle_max: Option<u64>,
    pub(super) pool_idle_secs: Option<u64>,
    pub(super) pool_age_secs: Option<u64>,
    pub(super) tunnel_idle_secs: Option<u64>,
    pub(super) recovery_timeout_secs: Option<u64>,
    pub(super) recovery_requests_max: Option<u64>,
    pub(super) filter_requests_max: Option<u64>,
    pub(super) zmq_timeout_secs: Option<u64>,
    pub(super) zmq_requests_max: Option<u64>,
    pub(super) ws_message_bytes_max: Option<u64>,
    pub(super) ws_answer_bytes_max: Option<u64>,
    pub(super) ws_requests_max: Option<u64>,
    pub(super) ws_disconnects_max: Option<u64>,
    pub(super) sockjs_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) listen: Option<One>,
    pub(super) prefix: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) host: Option<String>,
    pub(super) fallthrough: Option<bool>,
    pub(super) path_beg: Option<String>,
    pub(super) id: Option<String>,
    pub(super) proto: Option<Proto>,
    pub(super) ssl: Option<bool>,
    pub(super) sig_iss: Option<String>,
    pub(super) sig_key: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) as_host: Option<String>,
    pub(super) path_rem: Option<u64>,
    pub(super) replace_beg: Option<String>,
    pub(super) debug: Option<bool>,
    pub(super) aco: Option<bool>,
    pub(super) cross_origin_allow: Option<OneOrMore>,
    pub(super) log_level: Option<String>,
    pub(super) session: Option<bool>,
    pub(super) orig_headers: Option<bool>,
    pub(super) no_grip: Option<bool>,
    pub(super) jsonp_mode: Option<JsonpMode>,
    pub(super) jsonp_cb: Option<String>,
    pub(super) jsonp_body: Option<String>,
    pub(super) jsonp_defcb: Option<String>,
    pub(super) jsonp_defmethod: Option<String>,
    pub(super) sockjs: Option<String>,
    pub(super) sockjs_as_path: Option<String>,
    pub(super) auto_pong: Option<bool>,
    pub(super) headers: Option<Vec<Vec<String>>>,
    pub(super) slow_client: Option<SlowClient>,
    pub(super) order: Option<Order>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) response_timeout_secs: Option<u64>,
    pub(super) request_timeout_secs: Option<u64>,
    pub(super) requests_max: Option<u64>,
    pub(super) health_interval_secs: Option<u64>,
    pub(super) health_timeout_secs: Option<u64>,
    pub(super) targets: Option<Vec<Target>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) url: Option<String>,
    pub(super) test: Option<bool>,
    pub(super) demo: Option<bool>,
    pub(super) zhttp: Option<String>,
    pub(super) zhttpreq: Option<String>,
    pub(super) ssl: Option<bool>,
    pub(super) ipc_file_mode: Option<String>,
    pub(super) host: Option<String>,
    pub(super) untrusted: Option<bool>,
    pub(super) insecure: Option<bool>,
    pub(super) trust_connect_host: Option<bool>,
    pub(super) client_cert: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) ca_cert: Option<String>,
    pub(super) http2: Option<bool>,
    pub(super) over_http: Option<bool>,
    pub(super) one_event: Option<bool>,
    pub(super) subs: Option<Vec<String>>,
    pub(super) health: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    First,
    RoundRobin,
    LeastRequests,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SlowClient {
    Close,
    DropOldest,
    DropNewest,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RequestIds {
    On,
    Taken,
    Made,
    Off,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Proto {
    Http,
    Ws,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum JsonpMode {
    Basic,
    Extended,
}

impl From<Order> for balance::Order {
    fn from(written: Order) -> Self {
        match written {
            Order::First => balance::Order::First,
            Order::RoundRobin => balance::Order::RoundRobin,
            Order::LeastRequests => balance::Order::LeastRequests,
        }
    }
}

impl From<RequestIds> for request_id::Mode {
    fn from(written: RequestIds) -> Self {
        match written {
            RequestIds::On => request_id::Mode::On,
            RequestIds::Taken => request_id::Mode::Taken,
            RequestIds::Made => request_id::Mode::Made,
            RequestIds::Off => request_id::Mode::Off,
        }
    }
}

impl From<SlowClient> for outbox::SlowClient {
    fn from(written: SlowClient) -> Self {
        match written {
            SlowClient::Close => outbox::SlowClient::Close,
            SlowClient::DropOldest => outbox::SlowClient::DropOldest,
            SlowClient::DropNewest => outbox::SlowClient::DropNewest,
        }
    }
}

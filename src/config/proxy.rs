//! The second stage of `[proxy]`: signing, header edits, and the bounds of backend connections.
//!
//! It edits no header, see `engine::forward`.

use http::{HeaderName, HeaderValue};

use super::check::Checker;
use super::choice::{self, CheckTimes, REQUESTS_MAX};
use super::cross_origin;
use super::error::ConfigError;
use super::file::{self, OneOrMore};
use super::routes::{OfAllRoutes, Signing};
use super::sockjs;
use crate::engine::backend_options::BackendOptions;
use crate::engine::forward::{parse_xff_rules, ForwardOptions, SetProto, XffRule};
use crate::engine::outbox::SlowClient;

/// Turns the table into settings, and the signature's parts, which routes may override.
pub(super) fn check(
    checker: &mut Checker,
    written: file::Proxy,
    default: BackendOptions,
) -> Result<(BackendOptions, OfAllRoutes), ConfigError> {
    let key = |key| ["proxy", key];
    let signing = Signing {
        iss: Some(
            written
                .sig_iss
                .clone()
                .unwrap_or_else(|| "pushpin".to_owned()),
        ),
        key: checker.key(&key("sig_key"), written.sig_key.clone())?,
    };
    let of_all = OfAllRoutes {
        signing,
        cross_origin: cross_origin::of_all(checker, &written)?,
        slow_client: SlowClient::default(),
        are_chosen_by_id: written.accept_pushpin_route.unwrap_or(false),
        check: choice::check_times(
            checker,
            &["proxy"],
            choice::of_proxy(&written),
            CheckTimes::default(),
        )?,
    };
    let mut settings = recovery(checker, &written, default)?;
    settings = websockets(checker, &written, settings)?;
    settings.sockjs_url = sockjs::url(checker, &written)?;
    settings.forward = forward(checker, &written)?;
    settings.debug = written.debug.unwrap_or(settings.debug);
    settings.ejection = choice::ejection(checker, &written, settings.ejection)?;
    Ok((connections(checker, &written, settings)?, of_all))
}

fn connections(
    checker: &Checker,
    written: &file::Proxy,
    default: BackendOptions,
) -> Result<BackendOptions, ConfigError> {
    let key = |key| ["proxy", key];
    Ok(BackendOptions {
        ca: checker.authorities(&key("ca_cert"), written.ca_cert.as_deref())?,
        connect_timeout: checker.millis(
            &key("connect_timeout_ms"),
            written.connect_timeout_ms,
            default.connect_timeout,
            1..=600_000,
        )?,
        response_timeout: checker.secs(
            &key("response_timeout_secs"),
            written.response_timeout_secs,
            default.response_timeout,
            1..=86_400,
        )?,
        requests_max: checker.number(
            &key("requests_max"),
            written.requests_max,
            default.requests_max,
            REQUESTS_MAX,
        )?,
        pool_idle_max: checker.number(
            &key("pool_idle_max"),
            written.pool_idle_max,
            default.pool_idle_max,
            0..=100_000,
        )?,
        pool_idle: checker.secs(
            &key("pool_idle_secs"),
            written.pool_idle_secs,
            default.pool_idle,
            1..=86_400,
        )?,
        pool_age: checker.secs(
            &key("pool_age_secs"),
            written.pool_age_secs,
            default.pool_age,
            1..=604_800,
        )?,
        tunnel_idle: checker.secs(
            &key("tunnel_idle_secs"),
            written.tunnel_idle_secs,
            default.tunnel_idle,
            1..=604_800,
        )?,
        ..default
    })
}

fn recovery(
    checker: &Checker,
    written: &file::Proxy,
    default: BackendOptions,
) -> Result<BackendOptions, ConfigError> {
    let key = |key| ["proxy", key];
    Ok(BackendOptions {
        recovery_timeout: checker.secs(
            &key("recovery_timeout_secs"),
            written.recovery_timeout_secs,
            default.recovery_timeout,
            1..=3_600,
        )?,
        recovery_requests_max: checker.number(
            &key("recovery_requests_max"),
            written.recovery_requests_max,
            default.recovery_requests_max,
            1..=10_000,
        )?,
        filter_requests_max: checker.number(
            &key("filter_requests_max"),
            written.filter_requests_max,
            default.filter_requests_max,
            1..=10_000,
        )?,
        ..default
    })
}

fn websockets(
    checker: &Checker,
    written: &file::Proxy,
    default: BackendOptions,
) -> Result<BackendOptions, ConfigError> {
    let key = |key| ["proxy", key];
    Ok(BackendOptions {
        zmq_timeout: checker.secs(
            &key("zmq_timeout_secs"),
            written.zmq_timeout_secs,
            default.zmq_timeout,
            1..=3_600,
        )?,
        zmq_requests_max: checker.number(
            &key("zmq_requests_max"),
            written.zmq_requests_max,
            default.zmq_requests_max,
            1..=100_000,
        )?,
        ws_message_max: checker.number(
            &key("ws_message_bytes_max"),
            written.ws_message_bytes_max,
            default.ws_message_max,
            125..=1_073_741_824,
        )?,
        ws_answer_max: checker.number(
            &key("ws_answer_bytes_max"),
            written.ws_answer_bytes_max,
            default.ws_answer_max,
            1024..=1_073_741_824,
        )?,
        ws_requests_max: checker.number(
            &key("ws_requests_max"),
            written.ws_requests_max,
            default.ws_requests_max,
            1..=1_000_000,
        )?,
        ws_disconnects_max: checker.number(
            &key("ws_disconnects_max"),
            written.ws_disconnects_max,
            default.ws_disconnects_max,
            0..=1_000_000,
        )?,
        ..default
    })
}

fn forward(checker: &Checker, written: &file::Proxy) -> Result<ForwardOptions, ConfigError> {
    Ok(ForwardOptions {
        set_x_forwarded_protocol: match written.set_x_forwarded_protocol {
            Some(file::SetProto::ProtoOnly) => SetProto::ProtoOnly,
            Some(file::SetProto::Both) => SetProto::Both,
            Some(file::SetProto::Off) | None => SetProto::Off,
        },
        accept_x_forwarded_protocol: written.accept_x_forwarded_protocol.unwrap_or(false),
        upstream_key: checker
            .verifying_key(&["proxy", "upstream_key"], written.upstream_key.clone())?,
        accept_pushpin_route: written.accept_pushpin_route.unwrap_or(false),
        x_forwarded_for: xff(checker, "x_forwarded_for", &written.x_forwarded_for)?,
        x_forwarded_for_trusted: xff(
            checker,
            "x_forwarded_for_trusted",
            &written.x_forwarded_for_trusted,
        )?,
        forwarded: written.forwarded.unwrap_or(false),
        cdn_loop: cdn_loop(checker, written.cdn_loop.as_deref())?,
        request_ids: written.request_ids.map(Into::into).unwrap_or_default(),
        orig_headers_need_mark: need_mark(checker, &written.orig_headers_need_mark)?,
        sig: None,
    })
}

fn xff(
    checker: &Checker,
    key: &str,
    written: &Option<OneOrMore>,
) -> Result<Vec<XffRule>, ConfigError> {
    let Some(written) = written else {
        return Ok(Vec::new());
    };
    parse_xff_rules(&written.values.join(",")).map_err(|found| {
        let expected = "\"append\" and \"truncate:N\", separated by commas";
        checker.origin.wrong(&["proxy", key], found, expected)
    })
}

fn cdn_loop(checker: &Checker, written: Option<&str>) -> Result<Option<String>, ConfigError> {
    let Some(text) = written.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let id = text.split(';').next().unwrap_or_default().trim();
    if HeaderValue::from_str(text).is_err() || text.contains(',') || id.is_empty() {
        let expected = "one element of a header's list, such as a host name";
        return Err(checker.origin.wrong(&["proxy", "cdn_loop"], text, expected));
    }
    Ok(Some(text.to_owned()))
}

fn need_mark(
    checker: &Checker,
    written: &Option<OneOrMore>,
) -> Result<Vec<HeaderName>, ConfigError> {
    let names = written.iter().flat_map(|names| &names.values);
    let names = names.flat_map(|names| names.split(',')).map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(|name| {
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                let path = ["proxy", "orig_headers_need_mark"];
                checker.origin.wrong(&path, name, "names of headers")
            })
        })
        .collect()
}

//! The second stage of the file and of its small tables: from what was written to [`Settings`].
//!
//! Each key's bounds stand here, beside the warning about keys that do nothing yet. `[http]`,
//! `[control]`, `[proxy]` and the routes have files of their own.

use std::net::Ipv4Addr;

use super::check::Checker;
use super::error::ConfigError;
use super::file;
use super::origin::Origin;
use super::{control, listeners, proxy, routes, zmq};
use super::{HandlerSettings, LogSettings, MetricsSettings, Settings};
use crate::engine::delivery_rate::RateLimits;
use crate::engine::outbox::SlowClient;
use crate::engine::wedges::WedgeRules;

/// Turns the file as written into settings.
pub(super) fn check(written: file::File, origin: &Origin) -> Result<Settings, ConfigError> {
    let mut checker = Checker {
        origin,
        warnings: Vec::new(),
    };
    let defaults = Settings::default();
    let http = listeners::check(&mut checker, written.http, defaults.http)?;
    let control = control::check(&checker, written.control, defaults.control)?;
    let zmq = zmq::check(&mut checker, &written.zmq)?;
    let handler = handler(&mut checker, written.handler, defaults.handler)?;
    let (mut proxy, mut of_all) = proxy::check(&mut checker, written.proxy, defaults.proxy)?;
    of_all.slow_client = handler.slow_client;
    let metrics = metrics(&checker, written.metrics)?;
    let log = log(&checker, written.log)?;
    let mut routes = defaults.routes;
    match written.routes {
        Some(written) => routes = routes::check(&mut checker, written, &of_all)?,
        None => routes.iter_mut().for_each(|route| of_all.apply(route)),
    }
    proxy.forward.sig = of_all.signing.sig();
    Ok(Settings {
        http,
        control,
        handler,
        zmq,
        metrics,
        proxy,
        routes,
        log,
        warnings: checker.warnings,
        ..Settings::default()
    })
}

fn log(checker: &Checker, written: file::Log) -> Result<LogSettings, ConfigError> {
    let format = written.format.unwrap_or_default();
    let Some(filter) = written.filter.filter(|filter| !filter.is_empty()) else {
        return Ok(LogSettings {
            format,
            ..LogSettings::default()
        });
    };
    match env_filter::Builder::new().try_parse(&filter) {
        Ok(_) => Ok(LogSettings { filter, format }),
        Err(_) => {
            let expected = "levels by target such as \"info,p8::access=warn\"";
            Err(checker.origin.wrong(&["log", "filter"], &filter, expected))
        }
    }
}

fn metrics(checker: &Checker, written: file::Metrics) -> Result<MetricsSettings, ConfigError> {
    let listen = written.listen.filter(|listen| !listen.0.is_empty());
    let listen = listen
        .map(|listen| checker.address(&["metrics", "listen"], &listen.0, Ipv4Addr::LOCALHOST));
    let prefix = written.prefix.unwrap_or_default();
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let begins_well = !prefix.starts_with(|first: char| first.is_ascii_digit());
    if prefix.len() > 100 || !prefix.bytes().all(is_of_name) || !begins_well {
        let expected = "at most 100 letters, digits, _ and :, no digit first";
        let place = ["metrics", "prefix"];
        return Err(checker.origin.wrong(&place, &prefix, expected));
    }
    Ok(MetricsSettings {
        listen: listen.transpose()?,
        prefix,
    })
}

fn handler(
    checker: &mut Checker,
    written: file::Handler,
    default: HandlerSettings,
) -> Result<HandlerSettings, ConfigError> {
    let key = |key| ["handler", key];
    let default = order(checker, &written, default)?;
    let default = queues(checker, &written, default)?;
    Ok(HandlerSettings {
        rate: rate(checker, &written)?,
        wedges: wedges(checker, &written, default.wedges)?,
        connection_subscription_max: checker.number(
            &key("connection_subscription_max"),
            written.connection_subscription_max,
            default.connection_subscription_max,
            1..=100_000,
        )?,
        arbiters: checker.number(
            &key("arbiters"),
            written.arbiters,
            default.arbiters,
            1..=256,
        )?,
        session_queue_bytes_max: checker.number(
            &key("session_queue_bytes_max"),
            written.session_queue_bytes_max,
            default.session_queue_bytes_max,
            4096..=1_073_741_824,
        )?,
        session_queue_items_max: checker.number(
            &key("session_queue_items_max"),
            written.session_queue_items_max,
            default.session_queue_items_max,
            1..=1_000_000,
        )?,
        channels_max: checker.number(
            &key("channels_max"),
            written.channels_max,
            default.channels_max,
            1..=100_000_000,
        )?,
        subscription_linger: checker.secs(
            &key("subscription_linger"),
            written.subscription_linger,
            default.subscription_linger,
            0..=86_400,
        )?,
        lingering_subscriptions_max: checker.number(
            &key("lingering_subscriptions_max"),
            written.lingering_subscriptions_max,
            default.lingering_subscriptions_max,
            0..=100_000_000,
        )?,
        slow_client: written
            .slow_client
            .map_or(default.slow_client, SlowClient::from),
        ..default
    })
}

/// Checks what may wait for delivery.
fn queues(
    checker: &Checker,
    written: &file::Handler,
    default: HandlerSettings,
) -> Result<HandlerSettings, ConfigError> {
    let key = |key| ["handler", key];
    Ok(HandlerSettings {
        channel_queue_items_max: checker.number(
            &key("channel_queue_items_max"),
            written.channel_queue_items_max,
            default.channel_queue_items_max,
            1..=10_000_000,
        )?,
        channel_queue_time_max: checker.millis(
            &key("channel_queue_ms_max"),
            written.channel_queue_ms_max,
            default.channel_queue_time_max,
            1..=3_600_000,
        )?,
        publish_queue_bytes_max: checker.number(
            &key("publish_queue_bytes_max"),
            written.publish_queue_bytes_max,
            default.publish_queue_bytes_max,
            65_536..=1_099_511_627_776,
        )?,
        ..default
    })
}

/// Checks what is said about the order of items and their ids.
fn order(
    checker: &Checker,
    written: &file::Handler,
    default: HandlerSettings,
) -> Result<HandlerSettings, ConfigError> {
    let key = |key| ["handler", key];
    Ok(HandlerSettings {
        message_wait: checker.millis(
            &key("message_wait"),
            written.message_wait,
            default.message_wait,
            0..=3_600_000,
        )?,
        channel_waiting_items_max: checker.number(
            &key("channel_waiting_items_max"),
            written.channel_waiting_items_max,
            default.channel_waiting_items_max,
            1..=1_000,
        )?,
        id_cache_ttl: checker.secs(
            &key("id_cache_ttl"),
            written.id_cache_ttl,
            default.id_cache_ttl,
            0..=86_400,
        )?,
        id_cache_max: checker.number(
            &key("id_cache_max"),
            written.id_cache_max,
            default.id_cache_max,
            1..=100_000_000,
        )?,
        update_on_first_subscription: written
            .update_on_first_subscription
            .unwrap_or(default.update_on_first_subscription),
        ..default
    })
}

fn wedges(
    checker: &Checker,
    written: &file::Handler,
    default: WedgeRules,
) -> Result<WedgeRules, ConfigError> {
    let (deadline, most) = (written.wedge_deadline_ms, written.replacements_max);
    let key = |key| ["handler", key];
    let bounds = 0..=600_000;
    let deadline = checker.millis(
        &key("wedge_deadline_ms"),
        deadline,
        default.deadline,
        bounds,
    )?;
    let default = default.replacements_max;
    let replacements_max = checker.number(&key("replacements_max"), most, default, 0..=1_000)?;
    Ok(WedgeRules {
        deadline,
        replacements_max,
    })
}

fn rate(checker: &mut Checker, written: &file::Handler) -> Result<RateLimits, ConfigError> {
    let key = |key| ["handler", key];
    let number = |name, value, max| checker.number(&key(name), value, 0, 0..=max);
    let mut rate = RateLimits::default();
    let per_sec = number("message_rate", written.message_rate, 1_000_000_000)?;
    let hwm = number("message_hwm", written.message_hwm, 100_000_000)?;
    let block_size = written.message_block_size;
    let block_size = number("message_block_size", block_size, 1_073_741_824)?;
    rate.per_sec = u32::try_from(per_sec).unwrap_or(u32::MAX);
    (rate.hwm, rate.block_size) = (hwm as u64, block_size as u64);
    for (name, value) in [("message_hwm", hwm), ("message_block_size", block_size)] {
        if value > 0 && per_sec == 0 {
            checker.no_effect(&key(name), "without a message_rate nothing waits");
        }
    }
    Ok(rate)
}

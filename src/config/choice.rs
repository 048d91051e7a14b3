//! The second stage of what chooses among targets: order, times, ejection and health pages.
//!
//! It chooses nothing, see `engine::balance`.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::check::Checker;
use super::error::ConfigError;
use super::file;
use super::routes::OneRoute;
use crate::engine::balance::{Check, EjectionLimits, Order};
use crate::engine::route::{Route, RouteTimes, TargetKind};

/// Longest path of a health page, in bytes.
const HEALTH_PATH_MAX: usize = 2_000;

/// How many requests may be allowed to wait for a target's answer.
pub(super) const REQUESTS_MAX: RangeInclusive<u64> = 1..=1_000_000;

/// When health pages are asked, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckTimes {
    interval: Duration,
    timeout: Duration,
}

impl Default for CheckTimes {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
        }
    }
}

/// Returns what `[proxy]` says of health pages: interval and timeout.
pub(super) fn of_proxy(written: &file::Proxy) -> (Option<u64>, Option<u64>) {
    (written.health_interval_secs, written.health_timeout_secs)
}

/// Checks interval and timeout of health pages, in the table at a path.
pub(super) fn check_times(
    checker: &Checker,
    table: &[&str],
    (interval, timeout): (Option<u64>, Option<u64>),
    default: CheckTimes,
) -> Result<CheckTimes, ConfigError> {
    let secs = |key, value, default| {
        let path = [table, &[key]].concat();
        checker.secs(&path, value, default, 1..=3_600)
    };
    Ok(CheckTimes {
        interval: secs("health_interval_secs", interval, default.interval)?,
        timeout: secs("health_timeout_secs", timeout, default.timeout)?,
    })
}

/// Checks when targets are ejected.
pub(super) fn ejection(
    checker: &Checker,
    written: &file::Proxy,
    default: EjectionLimits,
) -> Result<EjectionLimits, ConfigError> {
    let key = |key| ["proxy", key];
    let after = checker.number(&key("eject_after"), written.eject_after, 0, 0..=1_000_000)?;
    let limits = EjectionLimits {
        after: match written.eject_after {
            Some(_) => u32::try_from(after).unwrap_or(u32::MAX),
            None => default.after,
        },
        first: checker.secs(
            &key("eject_secs"),
            written.eject_secs,
            default.first,
            1..=86_400,
        )?,
        max: checker.secs(
            &key("eject_secs_max"),
            written.eject_secs_max,
            default.max,
            1..=86_400,
        )?,
    };
    if limits.first > limits.max {
        let given = match written.eject_secs_max {
            Some(_) => "eject_secs_max",
            None => "eject_secs",
        };
        return Err(ConfigError::WrongValue {
            place: checker.origin.place(&key(given)),
            found: format!(
                "eject_secs = {} and eject_secs_max = {}",
                limits.first.as_secs(),
                limits.max.as_secs()
            ),
            expected: "eject_secs no longer than eject_secs_max".to_owned(),
        });
    }
    Ok(limits)
}

impl OneRoute<'_, '_> {
    /// Fills in order and times; returns those of the health pages.
    pub(super) fn choice(
        &self,
        written: &file::Route,
        route: &mut Route,
        default: CheckTimes,
    ) -> Result<CheckTimes, ConfigError> {
        route.order = written.order.map(Order::from).unwrap_or_default();
        let secs = |key: &str, value: Option<u64>| {
            let path = self.path(&[key]);
            let time = self.checker.secs(&path, value, Duration::ZERO, 1..=86_400);
            time.map(|time| value.is_some().then_some(time))
        };
        let connect = self.checker.millis(
            &self.path(&["connect_timeout_ms"]),
            written.connect_timeout_ms,
            Duration::ZERO,
            1..=600_000,
        )?;
        route.times = RouteTimes {
            connect: written.connect_timeout_ms.is_some().then_some(connect),
            response: secs("response_timeout_secs", written.response_timeout_secs)?,
            whole: secs("request_timeout_secs", written.request_timeout_secs)?,
        };
        let max = self.checker.number(
            &self.path(&["requests_max"]),
            written.requests_max,
            0,
            REQUESTS_MAX,
        )?;
        route.requests_max = written.requests_max.map(|_| max);
        let health = (written.health_interval_secs, written.health_timeout_secs);
        check_times(self.checker, &self.path(&[]), health, default)
    }

    /// Refuses an order of targets that are answered here.
    pub(super) fn check_order(&self, route: &Route) -> Result<(), ConfigError> {
        let is_built_in = |kind: &TargetKind| matches!(kind, TargetKind::Test | TargetKind::Demo);
        let has_built_in = route.targets.iter().any(|target| is_built_in(&target.kind));
        let word = match route.order {
            Order::First => return Ok(()),
            Order::RoundRobin => "round-robin",
            Order::LeastRequests => "least-requests",
        };
        if has_built_in {
            let expected = "\"first\" on a route with a test or demo target";
            return Err(self.wrong(&["order"], word, expected));
        }
        Ok(())
    }

    /// Checks a target's health page.
    pub(super) fn health(
        &self,
        keys: &[&str],
        written: Option<&str>,
        (kind, times): (&TargetKind, CheckTimes),
    ) -> Result<Option<Arc<Check>>, ConfigError> {
        let Some(path) = written else {
            return Ok(None);
        };
        let is_sendable = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !path.starts_with('/') || path.len() > HEALTH_PATH_MAX || !path.bytes().all(is_sendable)
        {
            let expected = "a path such as \"/health\", with or without a query";
            return Err(self.wrong(keys, path, expected));
        }
        if matches!(kind, TargetKind::Test | TargetKind::Demo) {
            let expected = "no health page of a target that is built in";
            return Err(self.wrong(keys, path, expected));
        }
        Ok(Some(Arc::new(Check::new(
            path,
            times.interval,
            times.timeout,
        ))))
    }
}

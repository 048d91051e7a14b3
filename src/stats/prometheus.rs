//! A snapshot in Prometheus' text format, version 0.0.4.
//!
//! Written here and not by the crate `prometheus-client`: that ends the names of counters in `_total`,
//! which Pushpin's do not, and wants its values in atomics that threads share. Source:
//! `docs/operations.md#metrics`.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
};

use super::{
    counters::{Dropped, Refused, Timed, Total},
    histogram::{Times, BOUNDS_US},
    snapshot::Snapshot,
};

/// The media type.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the names of P-8's own series begin with, behind the prefix.
const OWN: &str = "p8_";

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// Tells a total from a gauge by its name.
    fn of(name: &str) -> Kind {
        match name.ends_with("_current") {
            true => Kind::Gauge,
            false => Kind::Counter,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

struct Text<'a> {
    prefix: &'a str,
    out: String,
}

/// Writes everything, each name behind the prefix.
pub fn encode(snapshot: &Snapshot, prefix: &str) -> String {
    let mut text = Text {
        prefix,
        out: String::with_capacity(32_768),
    };
    text.pushpins(snapshot);
    for (name, help) in Total::NAMES.iter().zip(Total::HELP) {
        let value = snapshot.totals.get(name).copied().unwrap_or_default();
        text.single(&format!("{OWN}{name}"), Kind::of(name), help, value);
    }
    let help = "Items that did not reach a session that was subscribed, by reason.";
    text.by_reason(
        "items_dropped_total",
        help,
        Dropped::NAMES,
        &snapshot.dropped,
    );
    let help = "What was refused, by reason.";
    text.by_reason("refused_total", help, Refused::NAMES, &snapshot.refused);
    text.actors(snapshot);
    text.targets(snapshot);
    let of_process = [
        (
            "uptime_secs",
            "Seconds since the start.",
            snapshot.uptime_secs,
        ),
        (
            "workers_current",
            "Threads that serve clients.",
            snapshot.workers as u64,
        ),
        (
            "channels_current",
            "Channels with subscribers.",
            snapshot.channels_total as u64,
        ),
    ];
    for (name, help, value) in of_process {
        text.single(&format!("{OWN}{name}"), Kind::Gauge, help, value);
    }
    let name = format!("{OWN}build_current");
    text.head(&name, Kind::Gauge, "1, with the version of P-8.");
    text.sample(&name, &[("version", snapshot.version)], 1);
    for (name, help) in Timed::NAMES.iter().zip(Timed::HELP) {
        let times = snapshot.timed.get(name).cloned().unwrap_or_default();
        text.histogram(&format!("{OWN}{name}"), help, &times);
    }
    text.out
}

impl Text<'_> {
    /// The series that Pushpin has, under its names.
    fn pushpins(&mut self, snapshot: &Snapshot) {
        let total = |total: Total| snapshot.totals.get(total.as_str()).copied().unwrap_or(0);
        let sent = total(Total::ItemsDelivered) + total(Total::ResponsesSent);
        for (name, kind, help, value) in [
            (
                "request_received",
                Kind::Counter,
                "Requests of clients.",
                total(Total::Requests),
            ),
            (
                "connection_connected",
                Kind::Gauge,
                "Client connections.",
                total(Total::Connections),
            ),
            (
                "connection_minute",
                Kind::Counter,
                "Minutes of client connections: one for each, and one for each minute together.",
                snapshot.connection_minutes(),
            ),
            (
                "message_received",
                Kind::Counter,
                "Items accepted from publishers.",
                total(Total::ItemsPublished),
            ),
            (
                "message_sent",
                Kind::Counter,
                "Items sent to sessions.",
                sent,
            ),
        ] {
            self.single(name, kind, help, value);
        }
    }

    fn actors(&mut self, snapshot: &Snapshot) {
        type Value = fn(&super::snapshot::ActorSnapshot) -> u64;
        let series: [(&str, &str, Kind, Value); 3] = [
            ("actors_current", "Actors by kind.", Kind::Gauge, |actor| {
                actor.count
            }),
            (
                "actor_mailbox_current",
                "Messages waiting in the mailboxes of actors, by kind.",
                Kind::Gauge,
                |actor| actor.mailbox,
            ),
            (
                "actor_restarts_total",
                "Restarts of actors by kind and reason; panics of those that are not restarted.",
                Kind::Counter,
                |actor| actor.restarts,
            ),
        ];
        for (name, help, kind, value) in series {
            let own = format!("{OWN}{name}");
            self.head(&own, kind, help);
            for (actor, state) in &snapshot.actors {
                let labels = [("kind", *actor), ("reason", "panic")];
                let labels = match kind {
                    Kind::Counter => &labels[..],
                    _ => labels.get(..1).unwrap_or_default(),
                };
                self.sample(&own, labels, value(state));
            }
        }
    }

    fn targets(&mut self, snapshot: &Snapshot) {
        type Value = fn(&super::snapshot::TargetSnapshot) -> u64;
        let series: [(&str, &str, Value); 7] = [
            (
                "target_requests_current",
                "Requests under way to a target.",
                |target| target.requests_current,
            ),
            (
                "target_connections_current",
                "Connections that are open to a target.",
                |target| target.connections_current,
            ),
            (
                "target_connections_idle_current",
                "Connections to a target that wait for a request.",
                |target| target.connections_idle_current,
            ),
            (
                "target_refused_total",
                "Requests that were not sent to a target, for too many waited for its answer.",
                |target| target.refused_total,
            ),
            (
                "target_failures_total",
                "Requests that a target gave no answer.",
                |target| target.failures_total,
            ),
            (
                "target_ejections_total",
                "How often workers ejected a target.",
                |target| target.ejections_total,
            ),
            (
                "target_ejecting_current",
                "Workers that leave a target alone.",
                |target| target.workers_ejecting as u64,
            ),
        ];
        for (name, help, value) in series {
            let own = format!("{OWN}{name}");
            self.head(&own, Kind::of(name), help);
            for target in &snapshot.targets {
                self.sample(&own, &[("target", &target.target)], value(target));
            }
        }
    }

    /// A series for each reason, those included that have not come up.
    fn by_reason(
        &mut self,
        name: &str,
        help: &str,
        reasons: &[&'static str],
        counts: &BTreeMap<&'static str, u64>,
    ) {
        let own = format!("{OWN}{name}");
        self.head(&own, Kind::Counter, help);
        for reason in reasons {
            let count = counts.get(reason).copied().unwrap_or_default();
            self.sample(&own, &[("reason", reason)], count);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, times: &Times) {
        self.head(name, Kind::Histogram, help);
        let bounds = BOUNDS_US.iter().map(|us| (*us as f64 / 1e6).to_string());
        let bounds = bounds.chain(["+Inf".to_owned()]);
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in bounds.zip(times.counts) {
            below += count;
            self.sample(&bucket, &[("le", &bound)], below);
        }
        self.sample(&format!("{name}_sum"), &[], times.sum_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), &[], below);
    }

    fn single(&mut self, name: &str, kind: Kind, help: &str, value: u64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let (prefix, help, kind) = (self.prefix, help.trim(), kind.as_str());
        // A String takes everything.
        let _ = writeln!(self.out, "# HELP {prefix}{name} {help}");
        let _ = writeln!(self.out, "# TYPE {prefix}{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(self.prefix);
        self.out.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{before}{label}=\"");
            for letter in text.chars() {
                match letter {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    letter => self.out.push(letter),
                }
            }
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::snapshot::TargetSnapshot;

    #[test]
    fn names_have_the_prefix_and_labels_are_escaped() {
        let mut snapshot = Snapshot::default();
        snapshot.totals.insert("requests_total", 3);
        snapshot.dropped.insert("panic", 2);
        snapshot
            .targets
            .push(TargetSnapshot::of("a\"b\\c\nd".to_owned(), None));
        let times = Times {
            counts: std::array::from_fn(|range| u64::from(range < 2)),
            sum_us: 1_500,
        };
        snapshot.timed.insert("upstream_secs", times);
        let text = encode(&snapshot, "x_");
        for line in [
            "# TYPE x_request_received counter",
            "x_request_received 3",
            "# HELP x_p8_requests_total Client requests that reached the proxy.",
            "x_p8_requests_total 3",
            "# TYPE x_p8_sessions_current gauge",
            "x_p8_items_dropped_total{reason=\"panic\"} 2",
            "x_p8_items_dropped_total{reason=\"slow-client\"} 0",
            "x_p8_target_failures_total{target=\"a\\\"b\\\\c\\nd\"} 0",
            "x_p8_upstream_secs_bucket{le=\"0.0005\"} 1",
            "x_p8_upstream_secs_bucket{le=\"0.001\"} 2",
            "x_p8_upstream_secs_bucket{le=\"+Inf\"} 2",
            "x_p8_upstream_secs_sum 0.0015",
            "x_p8_upstream_secs_count 2",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        assert!(text.ends_with('\n'));
        assert!(text
            .lines()
            .all(|line| line.trim_start_matches("# HELP ").starts_with("x_")
                || line.starts_with("# TYPE x_")));
    }
}

//! The program's log: lines on standard error, and which of them, as `RUST_LOG` or the configuration
//! says. A reload can change that.

use std::io::Write;

use arc_swap::ArcSwap;
use env_filter::Filter;
use log::{Log, Metadata, Record};
use p8::config::{LogFormat, LogSettings};
use serde_json::Value;

use super::json;

/// The variable that wins over the configuration.
const VARIABLE: &str = "RUST_LOG";

/// The log.
pub(crate) struct Logger {
    filter: ArcSwap<Filter>,
    /// Writes whatever the filter lets through.
    lines: env_logger::Logger,
    is_fixed: bool,
}

impl Logger {
    /// Starts the log; it lives as long as the program.
    pub(crate) fn start(settings: &LogSettings) -> &'static Logger {
        let variable = std::env::var(VARIABLE).ok();
        let filter = filter(variable.as_deref().unwrap_or(&settings.filter));
        let style = std::env::var("RUST_LOG_STYLE").unwrap_or_default();
        let mut lines = env_logger::Builder::new();
        lines
            .filter_level(log::LevelFilter::Trace)
            .parse_write_style(&style);
        if settings.format == LogFormat::Json {
            lines.format(|out, record| {
                let time = out.timestamp_millis().to_string();
                writeln!(out, "{}", Value::Object(json::object(time, record)))
            });
        }
        let lines = lines.build();
        log::set_max_level(filter.filter());
        let logger: &'static Logger = Box::leak(Box::new(Logger {
            filter: ArcSwap::from_pointee(filter),
            lines,
            is_fixed: variable.is_some(),
        }));
        // Only a logger before this one could fail it.
        let _ = log::set_logger(logger);
        logger
    }

    /// Changes which lines are written, unless the variable says so.
    pub(super) fn set_filter(&self, settings: &LogSettings) {
        if self.is_fixed {
            return;
        }
        let filter = filter(&settings.filter);
        log::set_max_level(filter.filter());
        self.filter.store(filter.into());
    }
}

fn filter(text: &str) -> Filter {
    env_filter::Builder::new().parse(text).build()
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.load().matches(record) {
            self.lines.log(record);
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

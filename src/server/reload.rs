//! The configuration read again while P-8 runs: a dry run first, then what of it can change.
//!
//! A file with a mistake changes nothing. Requests and holds under way keep the route they have. Who
//! asks for it: a signal, the watch on the file, an operator. Source: `docs/operations.md#reload`.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::Value;

use super::{listen::spoken, options::broker_options};
use crate::{
    actors::broker::Broker,
    config::{ConfigError, Difference},
    engine::{
        certificate::FileError,
        route::{RouteError, RouteTable},
    },
    grip::error::Side,
    http::{
        certificates::Certificates,
        reload::{Refusal, Reload},
        tls::PortTls,
        zmq::{BindError, Sockets},
    },
    Settings,
};

/// Why a configuration was not applied; the one before it is in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// P-8 was not started from a file.
    #[error("there is no file to be read: P-8 was started from settings")]
    NoFile,
    /// The file cannot be read, or has a mistake.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The routes contradict each other.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// A certificate cannot be served.
    #[error("cannot use a certificate: {0}")]
    Certificate(#[from] FileError),
    /// TLS cannot be spoken.
    #[error("cannot speak TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// Others can reach the control listener, and nobody would ask them any more who they are.
    #[error(
        "others can reach {0} ([control] listen): expected [control] auth as long as P-8 runs"
    )]
    OpenControl(SocketAddr),
    /// An address for ZeroMQ backends cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl ReloadError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Operator
    }

    /// Names the cause in a stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFile => "no-config-file",
            Self::Config(error) => error.code(),
            Self::Routes(_) => "config-duplicate-route",
            Self::Certificate(error) => error.why.code(),
            Self::Tls(_) => "cannot-speak-tls",
            Self::OpenControl(_) => "config-open-control",
            Self::Bind(_) => "zmq-cannot-bind",
        }
    }
}

/// What a reload has changed, or would change.
///
/// **Shape**: the JSON of `POST /admin/reload`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Nothing was changed: it was only compared.
    pub dry_run: bool,
    /// What differs from the configuration in force.
    #[serde(flatten)]
    pub difference: Difference,
    /// One line for each key that does nothing.
    pub warnings: Vec<String>,
}

/// What is told of a configuration that was applied.
type Told = Box<dyn Fn(&Settings) + Send>;

/// What is replaced beside the broker's options.
pub(super) struct Replaced {
    pub(super) certificates: Arc<Certificates>,
    pub(super) tls: Vec<Arc<PortTls>>,
    pub(super) sockets: Sockets,
}

/// Reads the configuration again.
pub(super) struct Reloader {
    broker: Broker,
    file: Option<PathBuf>,
    replaced: Replaced,
    /// The settings that P-8 was started with have it; a reload moves no listener.
    control_listen: SocketAddr,
    current: Mutex<Settings>,
    told: Mutex<Vec<Told>>,
}

impl Reloader {
    pub(super) fn new(broker: &Broker, settings: &Settings, replaced: Replaced) -> Self {
        Self {
            broker: broker.clone(),
            file: settings.source.clone(),
            replaced,
            control_listen: settings.control.listen,
            current: Mutex::new(settings.clone()),
            told: Mutex::default(),
        }
    }

    /// Returns the settings in force.
    pub(super) fn current(&self) -> MutexGuard<'_, Settings> {
        locked(&self.current)
    }

    /// Has somebody told of every configuration that is applied.
    pub(super) fn tell(&self, told: Told) {
        locked(&self.told).push(told);
    }

    /// Returns the file.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Reads the file, compares, and applies it unless it is a dry run; `by` names who asked.
    pub(super) fn reload(&self, is_dry_run: bool, by: &str) -> Result<Report, ReloadError> {
        let outcome = self.read_and_apply(is_dry_run);
        if !is_dry_run {
            self.broker.count_reload(outcome.is_ok());
        }
        match &outcome {
            Err(error) => log::error!(by, code = error.code(), dry_run = is_dry_run, error:%;
                "the configuration cannot be used: the one before it is in force"),
            Ok(report) => {
                log::info!(by, dry_run = is_dry_run, difference:% = report.difference;
                    "the configuration was read again");
                let keys = &report.difference.needs_restart;
                if !keys.is_empty() {
                    let keys: Vec<_> = keys.iter().map(|change| change.key.as_str()).collect();
                    log::warn!(keys:% = keys.join(", "); "changed keys need a restart");
                }
                for warning in &report.warnings {
                    log::warn!("{warning}");
                }
            }
        }
        outcome
    }

    fn read_and_apply(&self, is_dry_run: bool) -> Result<Report, ReloadError> {
        let mut current = self.current();
        let file = self.file.as_ref().ok_or(ReloadError::NoFile)?;
        let settings = Settings::load(file)?;
        let mut control = settings.control.clone();
        control.listen = self.control_listen;
        if control.is_open() {
            return Err(ReloadError::OpenControl(control.listen));
        }
        let known = &self.broker.options_shared().routes;
        let routes = RouteTable::replacing(known, settings.routes.clone())?;
        // Those in force stay where a file cannot be used; but then nothing else may change either.
        Certificates::load(&settings.http.tls)?;
        let report = Report {
            dry_run: is_dry_run,
            difference: Difference::between(&current, &settings),
            warnings: settings.warnings.clone(),
        };
        if is_dry_run {
            return Ok(report);
        }
        let Replaced {
            certificates,
            tls,
            sockets,
        } = &self.replaced;
        let is_spoken_otherwise = spoken(&current.http) != spoken(&settings.http);
        let tls = tls.iter().filter(|_| is_spoken_otherwise);
        let tls = tls.map(|port| Ok((port, port.prepare(spoken(&settings.http))?)));
        let tls = tls.collect::<Result<Vec<_>, ReloadError>>()?;
        sockets.bind(&routes)?;
        for (port, config) in tls {
            port.replace(config);
        }
        certificates.reload(&settings.http.tls);
        self.broker
            .replace_options(broker_options(&settings, routes));
        sockets.keep_only(&self.broker.options_shared().routes);
        sockets.set_requests_max(settings.proxy.zmq_requests_max);
        for told in locked(&self.told).iter() {
            told(&settings);
        }
        *current = settings;
        Ok(report)
    }
}

impl Reload for Reloader {
    fn reload(&self, is_dry_run: bool) -> Result<Value, Refusal> {
        let refusal = |error: ReloadError| Refusal {
            is_impossible: matches!(error, ReloadError::NoFile),
            code: error.code(),
            text: error.to_string(),
        };
        let report = self.reload(is_dry_run, "operator").map_err(refusal)?;
        serde_json::to_value(report).map_err(|error| Refusal {
            is_impossible: false,
            code: "reload-crashed",
            text: error.to_string(),
        })
    }
}

/// A panic while it was locked leaves nothing half done that counts.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

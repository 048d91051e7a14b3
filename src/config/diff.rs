//! What differs between two configurations, and what of it takes effect while P-8 runs.
//!
//! It changes nothing, see `server::reload`. Source: `docs/operations.md#reload`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Settings;
use crate::engine::route::Route;

/// What differs between two configurations.
///
/// **Shape**: part of the JSON of `POST /admin/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Conditions of routes that only the new one has.
    pub routes_added: Vec<String>,
    /// Conditions of routes that only the old one has.
    pub routes_removed: Vec<String>,
    /// Conditions of routes that both have and that say something else.
    pub routes_changed: Vec<String>,
    /// Keys that take effect while P-8 runs.
    pub keys_changed: Vec<KeyChange>,
    /// Keys that take effect when P-8 is started the next time.
    pub needs_restart: Vec<KeyChange>,
}

/// A key that was set, changed or taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyChange {
    /// The key behind its table: `[proxy] debug`.
    pub key: String,
    /// Its value as it was written; `None`: it was not set.
    pub from: Option<String>,
    /// Its value as it is written now; `None`: it is not set any more.
    pub to: Option<String>,
}

impl Difference {
    /// Compares two configurations.
    pub fn between(old: &Settings, new: &Settings) -> Difference {
        let mut difference = Difference::default();
        difference.compare_routes(&old.routes, &new.routes);
        for ((table, key), from, to) in old.keys.changed(&new.keys) {
            let change = KeyChange {
                key: format!("[{table}] {key}"),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            };
            match takes_effect(table, key) {
                true => difference.keys_changed.push(change),
                false => difference.needs_restart.push(change),
            }
        }
        difference.compare_key_files(old, new);
        difference
    }

    /// A key file can change while the key that names it stays.
    fn compare_key_files(&mut self, old: &Settings, new: &Settings) {
        let is_noted = |change: &KeyChange| change.key.starts_with("[proxy] sig_");
        let is_same = old.proxy.forward.sig == new.proxy.forward.sig;
        if !is_same && !self.keys_changed.iter().any(is_noted) {
            self.note_content("[proxy] sig_key");
        }
        let is_noted = |change: &KeyChange| change.key == "[control] auth";
        let is_same = old.control.access.admitted == new.control.access.admitted;
        if !is_same && !self.keys_changed.iter().any(is_noted) {
            self.note_content("[control] auth");
        }
    }

    fn note_content(&mut self, key: &str) {
        let content = Some("(content of its file)".to_owned());
        self.keys_changed.push(KeyChange {
            key: key.to_owned(),
            from: content.clone(),
            to: content,
        });
    }

    fn compare_routes(&mut self, old: &[Route], new: &[Route]) {
        let (old, new) = (by_condition(old), by_condition(new));
        for (condition, routes) in &new {
            match old.get(condition) {
                None => self.routes_added.push(condition.clone()),
                Some(before) if before != routes => self.routes_changed.push(condition.clone()),
                Some(_) => {}
            }
        }
        let gone = old.keys().filter(|condition| !new.contains_key(*condition));
        self.routes_removed.extend(gone.cloned());
    }

    /// Tells whether nothing differs, as far as it is written in the file itself.
    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }
}

/// Groups routes by what they take; only those reached by id alone can have one condition.
fn by_condition(routes: &[Route]) -> BTreeMap<String, Vec<&Route>> {
    let mut groups: BTreeMap<String, Vec<&Route>> = BTreeMap::new();
    for route in routes {
        groups.entry(route.condition()).or_default().push(route);
    }
    groups
}

/// Tells whether a key takes effect while P-8 runs: addresses, threads and the time to stop in are of the
/// start.
fn takes_effect(table: &str, key: &str) -> bool {
    match table {
        "http" => !matches!(
            key,
            "drain_secs" | "listen" | "tls_listen" | "unix_listen" | "workers"
        ),
        "control" => key != "listen",
        "handler" => key != "arbiters",
        "log" => key != "format",
        "proxy" => true,
        // The addresses of [zmq] and [metrics].
        _ => false,
    }
}

/// One line for each thing that differs.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing differs");
        }
        let routes = [
            ("added", &self.routes_added),
            ("removed", &self.routes_removed),
            ("changed", &self.routes_changed),
        ];
        let mut separator = "";
        for (what, conditions) in routes {
            for condition in conditions {
                write!(f, "{separator}route {what}: {condition}")?;
                separator = "; ";
            }
        }
        let keys = [
            ("", &self.keys_changed),
            (" (needs a restart)", &self.needs_restart),
        ];
        for (what, changes) in keys {
            for change in changes {
                write!(f, "{separator}{change}{what}")?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(
            f,
            "{}: {} -> {}",
            self.key,
            shown(&self.from),
            shown(&self.to)
        )
    }
}

//! The layers of the configuration: the file, then the environment over it, merged by figment.
//!
//! It knows tables and keys only as names; types are `file`'s, meaning is `check`'s.
//!
//! Only `P8_<TABLE>__<KEY>` (double underscore, any case) is configuration: `P8_HTTP__WORKERS=2`.
//! Values are read as figment reads them (`2`, `true`, `[a, b]`, else text), but for the keys in
//! [`TEXTS`], which are text whatever they look like. Lists of tables (`routes`) cannot be set so.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::Figment;

use super::error::{ConfigError, Place};
use super::file::File;
use super::keys::Keys;
use super::origin::Origin;
use super::spans::Spans;

const PREFIX: &str = "P8_";

/// Keys that are text even if the variable looks like a number or a list.
const TEXTS: [(&str, &str); 17] = [
    ("http", "tls_cert"),
    ("http", "tls_certs"),
    ("http", "tls_key"),
    ("http", "tls_min_version"),
    ("zmq", "command"),
    ("zmq", "ipc_file_mode"),
    ("zmq", "pull"),
    ("zmq", "stats"),
    ("zmq", "stats_format"),
    ("control", "listen"),
    ("log", "filter"),
    ("metrics", "listen"),
    ("metrics", "prefix"),
    ("proxy", "cdn_loop"),
    ("proxy", "sig_iss"),
    ("proxy", "sig_key"),
    ("proxy", "upstream_key"),
];

/// Reads all layers, and remembers where each value came from.
pub(super) fn read<'a>(
    text: &'a str,
    file: &'a Path,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(File, Keys, Origin<'a>), ConfigError> {
    let spans = Spans::new(text).map_err(|(line, reason)| ConfigError::NotToml {
        file: file.display().to_string(),
        line,
        reason,
    })?;
    let mut figment = Figment::new().merge(Toml::string(text));
    let mut variables = HashMap::new();
    let environment: Vec<_> = environment.collect();
    for variable in environment.iter().cloned().filter_map(Variable::new) {
        let (table, key) = (variable.table.clone(), variable.key.clone());
        let value = variable.value()?;
        let layer = Dict::from([(
            table.clone(),
            Value::from(Dict::from([(key.clone(), value)])),
        )]);
        figment = figment.merge(Serialized::defaults(layer));
        variables.insert((table, key), variable.name);
    }
    let origin = Origin::new(file, spans, variables, environment.into_iter().collect());
    match figment.extract() {
        Ok(file) => Ok((file, Keys::of(&figment), origin)),
        Err(error) => Err(origin.error(error)),
    }
}

/// One variable of the environment that is configuration.
struct Variable {
    name: String,
    table: String,
    key: String,
    text: OsString,
}

impl Variable {
    fn new((name, text): (OsString, OsString)) -> Option<Variable> {
        let name = name.into_string().ok()?;
        let (table, key) = name.strip_prefix(PREFIX)?.split_once("__")?;
        let (table, key) = (table.to_ascii_lowercase(), key.to_ascii_lowercase());
        Some(Variable {
            name,
            table,
            key,
            text,
        })
    }

    fn value(&self) -> Result<Value, ConfigError> {
        let path = [self.table.as_str(), self.key.as_str()];
        let wrong = |found: &str, expected: &str| ConfigError::WrongValue {
            place: Place::new(self.name.clone(), &path),
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        if self.table == "routes" {
            return Err(wrong("a variable", "routes to be set in the file only"));
        }
        let Some(text) = self.text.to_str() else {
            return Err(wrong("bytes that are not UTF-8", "text"));
        };
        if TEXTS.contains(&(self.table.as_str(), self.key.as_str())) {
            return Ok(Value::from(text));
        }
        match text.parse() {
            Ok(value) => Ok(value),
            Err(never) => match never {},
        }
    }
}

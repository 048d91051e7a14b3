//! The keys that were set, as they were written: by them two configurations are told apart.
//!
//! Routes are not among them: what they say counts, not how it was written. Values of secrets are kept
//! to be compared, and never shown.

use std::collections::BTreeMap;
use std::fmt;

use figment::value::{Dict, Value};
use figment::Figment;

use super::origin::SECRETS;

/// What stands for the value of a secret.
const HIDDEN: &str = "(secret)";

/// The keys that were set, by table and name.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Keys(BTreeMap<(String, String), String>);

impl Keys {
    /// Lists the keys of all layers.
    pub(super) fn of(figment: &Figment) -> Keys {
        let mut keys = BTreeMap::new();
        for (table, value) in figment.extract::<Dict>().unwrap_or_default() {
            let Value::Dict(_, values) = value else {
                continue;
            };
            for (key, value) in values {
                keys.insert((table.clone(), key), text(&value));
            }
        }
        Keys(keys)
    }

    /// Yields what differs: table, key, and both values as they may be shown.
    pub(super) fn changed<'k>(
        &'k self,
        new: &'k Keys,
    ) -> impl Iterator<Item = ((&'k str, &'k str), Shown<'k>, Shown<'k>)> {
        let mut names: Vec<_> = self.0.keys().chain(new.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| {
            let (from, to) = (self.0.get(name), new.0.get(name));
            let shown = |value: &'k String| shown(&name.1, value);
            (from != to).then(|| {
                let (table, key) = (name.0.as_str(), name.1.as_str());
                ((table, key), from.map(shown), to.map(shown))
            })
        })
    }
}

/// A value as it may be shown; none: the key is not set.
type Shown<'k> = Option<&'k str>;

fn shown<'k>(key: &str, value: &'k str) -> &'k str {
    match SECRETS.contains(&key) {
        true => HIDDEN,
        false => value,
    }
}

/// Writes a value about as it stands in the file.
fn text(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("\"{text}\""),
        Value::Char(_, letter) => format!("\"{letter}\""),
        Value::Bool(_, is_set) => is_set.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .unwrap_or_else(|| format!("{number:?}")),
        Value::Empty(..) => String::new(),
        Value::Array(_, values) => {
            let values: Vec<_> = values.iter().map(text).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Dict(_, values) => {
            let pair = |(key, value): (&String, &Value)| format!("{key} = {}", text(value));
            let pairs: Vec<_> = values.iter().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// Shows no value: some are secrets.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

//! A line of the log as a JSON object, for programs.

use log::{
    kv::{Error, Key, Value, VisitSource},
    Record,
};
use serde_json::{Map, Value as Json};

/// Returns what a line says: time, level, target and message, and each key with its value.
///
/// A key that has the name of one of those gets `_` behind it.
pub(super) fn object(time: String, record: &Record<'_>) -> Map<String, Json> {
    let mut fields = Fields(Map::new());
    fields.0.insert("time".to_owned(), time.into());
    let level = record.level().as_str().to_ascii_lowercase();
    fields.0.insert("level".to_owned(), level.into());
    fields.0.insert("target".to_owned(), record.target().into());
    let message = record.args().to_string();
    fields.0.insert("message".to_owned(), message.into());
    // No value of ours fails; one that did would end the line early.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

struct Fields(Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut name = key.as_str().to_owned();
        while self.0.contains_key(&name) {
            name.push('_');
        }
        self.0.insert(name, json(&value));
        Ok(())
    }
}

fn json(value: &Value<'_>) -> Json {
    let number = value.to_u64().map(Json::from);
    number
        .or_else(|| value.to_i64().map(Json::from))
        .or_else(|| value.to_bool().map(Json::from))
        .unwrap_or_else(|| value.to_string().into())
}

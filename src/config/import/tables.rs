//! The tables of `p-8.toml` while an import gathers their keys.

use super::draft::Draft;

/// A table of `p-8.toml`, in the order written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Http,
    Control,
    Log,
    Zmq,
    Handler,
    Proxy,
    Metrics,
}

const TABLES: [(Table, &str); 7] = [
    (Table::Http, "http"),
    (Table::Control, "control"),
    (Table::Log, "log"),
    (Table::Zmq, "zmq"),
    (Table::Handler, "handler"),
    (Table::Proxy, "proxy"),
    (Table::Metrics, "metrics"),
];

/// Keys of `p-8.toml` on their way into a draft.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<(Table, &'static str, String, String)>);

impl Keys {
    /// Adds a key whose value is TOML, unless it is there.
    pub(super) fn add(&mut self, table: Table, key: &'static str, value: String, place: &str) {
        let is_known = |known: &(Table, &str, String, String)| known.0 == table && known.1 == key;
        if !self.0.iter().any(is_known) {
            self.0.push((table, key, value, place.to_owned()));
        }
    }

    /// Writes them, table by table.
    pub(super) fn write(&self, draft: &mut Draft) {
        for (table, name) in TABLES {
            let mut keys = self.0.iter().filter(|key| key.0 == table).peekable();
            if keys.peek().is_some() {
                draft.fixed("");
                draft.fixed(format!("[{name}]"));
            }
            for (_, key, value, place) in keys {
                draft.key(key, value, place);
            }
        }
    }
}

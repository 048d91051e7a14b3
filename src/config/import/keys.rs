//! Every key of `pushpin.conf`, and what becomes of it.

use super::draft::{list, quoted, Draft};
use super::listeners;
use super::notes::Notes;
use super::tables::{Keys, Table};
use super::{value, Files, Setting};

/// What becomes of a key.
#[derive(Clone, Copy)]
enum Fate {
    /// The same, as a text.
    Text(Table, &'static str),
    /// The same, as a number.
    Number(Table, &'static str),
    /// The same, as a number; a negative one means no limit, as the absence does.
    Limit(Table, &'static str),
    /// The same, as true or false.
    Flag(Table, &'static str),
    /// The same, as a list.
    List(Table, &'static str),
    /// A ZeroMQ address, moved by `port_offset`.
    Spec(Table, &'static str),
    /// Several of them.
    Specs(Table, &'static str),
    /// A key that signs or verifies, maybe in a file.
    Key(Table, &'static str),
    /// Has its own rule in [`Conversion::special`], or is read with another key.
    Special,
    /// P-8 has no use for it.
    NotNeeded(&'static str),
    /// P-8 cannot do it.
    NoEquivalent(&'static str),
}

const NO_PARTS: &str = "not needed: P-8 is one process";
const STATS: &str = "no equivalent: every held client is told of by itself";
const STATS_TIMES: &str = "not needed: [handler] stats_report_interval is for all";
const NO_EFFECT: &str = "not needed: it has no effect with Pushpin either";
const FILE_MODE: &str = "not needed: P-8 has no inner sockets; targets have an ipc_file_mode";
const LOG_PARTS: &str = "no equivalent: log lines of requests have no such part";

use Fate::{Flag, Key, Limit, List, NoEquivalent, NotNeeded, Number, Spec, Special, Specs, Text};

#[rustfmt::skip]
const KEYS: &[(&str, &str, Fate)] = &[
    ("global", "include", Special),
    ("global", "libdir", NotNeeded("not needed: it only stands for {libdir}")),
    ("global", "rundir", NotNeeded("not needed: it only stands for {rundir}")),
    ("global", "ipc_prefix", NotNeeded("not needed: it only stands for {ipc_prefix}")),
    ("global", "port_offset", Special),
    ("global", "stats_connection_ttl", Number(Table::Zmq, "stats_connection_ttl")),
    ("global", "stats_connection_send", Flag(Table::Zmq, "stats_connection_send")),
    ("runner", "services", NotNeeded(NO_PARTS)),
    ("runner", "rundir", NotNeeded("not needed: it only stands for {rundir}")),
    ("runner", "http_port", Special),
    ("runner", "https_ports", Special),
    ("runner", "local_ports", Special),
    ("runner", "logdir", NoEquivalent("no equivalent: P-8 logs to standard error")),
    ("runner", "log_level", Special),
    ("runner", "client_buffer_size", Number(Table::Http, "client_buffer_size")),
    ("runner", "client_maxconn", Number(Table::Http, "client_maxconn")),
    ("runner", "allow_compression", Flag(Table::Http, "allow_compression")),
    ("runner", "condure_bin", NotNeeded(NO_PARTS)),
    ("runner", "mongrel2_bin", NotNeeded(NO_PARTS)),
    ("runner", "m2sh_bin", NotNeeded(NO_PARTS)),
    ("runner", "zurl_bin", NotNeeded(NO_PARTS)),
    ("proxy", "workers", NotNeeded("not needed: P-8 has a worker for each core; [http] workers says otherwise")),
    ("proxy", "max_open_requests", NoEquivalent("no equivalent: [http] client_maxconn bounds requests too")),
    ("proxy", "routesfile", Special),
    ("proxy", "debug", Flag(Table::Proxy, "debug")),
    ("proxy", "auto_cross_origin", Flag(Table::Proxy, "auto_cross_origin")),
    ("proxy", "accept_x_forwarded_protocol", Flag(Table::Proxy, "accept_x_forwarded_protocol")),
    ("proxy", "set_x_forwarded_protocol", Special),
    ("proxy", "x_forwarded_for", List(Table::Proxy, "x_forwarded_for")),
    ("proxy", "x_forwarded_for_trusted", List(Table::Proxy, "x_forwarded_for_trusted")),
    ("proxy", "orig_headers_need_mark", List(Table::Proxy, "orig_headers_need_mark")),
    ("proxy", "accept_pushpin_route", Flag(Table::Proxy, "accept_pushpin_route")),
    ("proxy", "cdn_loop", Text(Table::Proxy, "cdn_loop")),
    ("proxy", "log_from", NoEquivalent(LOG_PARTS)),
    ("proxy", "log_user_agent", NoEquivalent(LOG_PARTS)),
    ("proxy", "sig_iss", Text(Table::Proxy, "sig_iss")),
    ("proxy", "sig_key", Key(Table::Proxy, "sig_key")),
    ("proxy", "upstream_key", Key(Table::Proxy, "upstream_key")),
    ("proxy", "sockjs_url", Text(Table::Proxy, "sockjs_url")),
    ("proxy", "prometheus_port", Text(Table::Metrics, "listen")),
    ("proxy", "prometheus_prefix", Text(Table::Metrics, "prefix")),
    ("proxy", "stats_report_interval", NotNeeded(STATS_TIMES)),
    ("proxy", "stats_connections_max_ttl", NoEquivalent(STATS)),
    ("proxy", "ipc_file_mode", NotNeeded(FILE_MODE)),
    ("proxy", "updates_check", NotNeeded(NO_EFFECT)),
    ("proxy", "organization_name", NotNeeded(NO_EFFECT)),
    ("handler", "ipc_file_mode", Text(Table::Zmq, "ipc_file_mode")),
    ("handler", "push_in_spec", Spec(Table::Zmq, "pull")),
    ("handler", "push_in_sub_spec", Specs(Table::Zmq, "sub")),
    ("handler", "push_in_sub_specs", Specs(Table::Zmq, "sub")),
    ("handler", "push_in_sub_connect", Flag(Table::Zmq, "sub_connect")),
    ("handler", "push_in_http_addr", Special),
    ("handler", "push_in_http_port", Special),
    ("handler", "push_in_http_max_headers_size", Number(Table::Control, "max_headers_size")),
    ("handler", "push_in_http_max_body_size", Number(Table::Control, "max_body_size")),
    ("handler", "stats_spec", Spec(Table::Zmq, "stats")),
    ("handler", "stats_format", Text(Table::Zmq, "stats_format")),
    ("handler", "command_spec", Spec(Table::Zmq, "command")),
    ("handler", "state_spec", NoEquivalent("no equivalent: there is no external session service")),
    ("handler", "message_rate", Limit(Table::Handler, "message_rate")),
    ("handler", "message_hwm", Limit(Table::Handler, "message_hwm")),
    ("handler", "message_block_size", Limit(Table::Handler, "message_block_size")),
    ("handler", "message_wait", Number(Table::Handler, "message_wait")),
    ("handler", "id_cache_ttl", Number(Table::Handler, "id_cache_ttl")),
    ("handler", "update_on_first_subscription", Flag(Table::Handler, "update_on_first_subscription")),
    ("handler", "connection_subscription_max", Number(Table::Handler, "connection_subscription_max")),
    ("handler", "subscription_linger", Number(Table::Handler, "subscription_linger")),
    ("handler", "stats_subscription_ttl", NoEquivalent("no equivalent: it is always 60 s")),
    ("handler", "stats_report_interval", Number(Table::Zmq, "stats_report_interval")),
    ("handler", "prometheus_port", Text(Table::Metrics, "listen")),
    ("handler", "prometheus_prefix", Text(Table::Metrics, "prefix")),
    ("handler", "share_all", NoEquivalent("no equivalent: equal requests are not joined")),
];

/// What the keys of Pushpin's inner sockets begin with.
const INNER: [&str; 9] = [
    "connmgr_",
    "condure_",
    "handler_",
    "proxy_",
    "intreq_",
    "m2a_",
    "zurl_",
    "ws_control_",
    "retry_",
];

/// Turns all keys into tables of the draft.
pub(super) fn convert(files: &Files, settings: &[Setting], draft: &mut Draft, notes: &mut Notes) {
    let mut conversion = Conversion {
        files,
        settings,
        notes,
        keys: Keys::default(),
        inner: 0,
    };
    for setting in settings {
        conversion.setting(setting);
    }
    conversion.plain_listener();
    conversion.control();
    let keys = conversion.keys;
    if conversion.inner > 0 {
        let text = format!(
            "{} keys of Pushpin's inner sockets are not needed: P-8 is one process",
            conversion.inner
        );
        notes.add(&files.config.display().to_string(), text);
    }
    keys.write(draft);
}

struct Conversion<'a> {
    files: &'a Files,
    settings: &'a [Setting],
    notes: &'a mut Notes,
    keys: Keys,
    inner: usize,
}

impl Conversion<'_> {
    fn setting(&mut self, setting: &Setting) {
        let entry = &setting.entry;
        let known = KEYS
            .iter()
            .find(|(section, key, _)| *section == entry.section && *key == entry.key);
        let Some((_, _, fate)) = known else {
            return self.unknown(setting);
        };
        match *fate {
            NotNeeded(text) | NoEquivalent(text) => self.notes.add(&setting.place, text),
            _ if setting.is_empty() => {}
            Special => self.special(setting),
            Text(table, key) => {
                self.add(table, key, quoted(&self.replaced(&setting.text())), setting)
            }
            Number(table, key) => self.number(table, key, setting, false),
            Limit(table, key) => self.number(table, key, setting, true),
            Flag(table, key) => self.add(table, key, is_true(&setting.text()).to_string(), setting),
            List(table, key) => self.add(table, key, list(&setting.entry.values), setting),
            Spec(table, key) => self.add(table, key, quoted(&self.spec(&setting.text())), setting),
            Specs(table, key) => {
                let specs = setting.entry.values.iter().map(|spec| self.spec(spec));
                let specs: Vec<String> = specs.collect();
                self.add(table, key, list(&specs), setting);
            }
            Key(table, key) => {
                let text = self.replaced(&setting.text());
                let text = self.files.key(&self.files.folder, &text);
                self.add(table, key, quoted(&text), setting);
            }
        }
    }

    fn add(&mut self, table: Table, key: &'static str, value: String, setting: &Setting) {
        self.keys.add(table, key, value, &setting.place);
    }

    fn unknown(&mut self, setting: &Setting) {
        let entry = &setting.entry;
        let is_inner = INNER.iter().any(|start| entry.key.starts_with(start))
            || (entry.section == "proxy" && matches!(&*entry.key, "stats_spec" | "command_spec"));
        if is_inner {
            self.inner += 1;
        } else {
            self.notes
                .add(&setting.place, "left out: not a key of Pushpin");
        }
    }

    fn number(&mut self, table: Table, key: &'static str, setting: &Setting, is_limit: bool) {
        match setting.text().trim().parse::<i64>() {
            Ok(number) if number >= 0 => self.add(table, key, number.to_string(), setting),
            Ok(_) if is_limit => {}
            _ => self.notes.add(
                &setting.place,
                "left out: expected a whole number, 0 or more",
            ),
        }
    }

    fn special(&mut self, setting: &Setting) {
        let key = setting.entry.key.as_str();
        match key {
            "http_port" => {
                let addresses = listeners::addresses(setting, self.notes);
                if !addresses.is_empty() {
                    self.add(Table::Http, "listen", list(&addresses), setting);
                }
            }
            "https_ports" => listeners::tls(setting, self.files, &mut self.keys, self.notes),
            "local_ports" => listeners::unix(setting, &mut self.keys, self.notes),
            "set_x_forwarded_protocol" => {
                let text = setting.text();
                let value = if text == "proto-only" {
                    quoted(&text)
                } else {
                    (text == "true").to_string()
                };
                self.add(Table::Proxy, "set_x_forwarded_protocol", value, setting);
            }
            "log_level" => self.log_level(setting),
            _ => {}
        }
    }

    /// One level for all; those of single services have no counterpart.
    fn log_level(&mut self, setting: &Setting) {
        let Some(level) = level(&setting.text()) else {
            let text = "left out: expected one level, 0 to 4; P-8 has no services of its own";
            return self.notes.add(&setting.place, text);
        };
        let filter = format!("{level},actix_http=off,actix_server=warn");
        self.add(Table::Log, "filter", quoted(&filter), setting);
    }

    /// Without `http_port` Pushpin does not listen there; P-8 always does.
    fn plain_listener(&mut self) {
        if value(self.settings, "runner", "http_port").is_some() {
            return;
        }
        let place = self.files.config.display().to_string();
        let text = "[runner] http_port is not set; P-8 always listens without TLS too, here at \
                    127.0.0.1:7999";
        self.notes.add(&place, text);
        let listen = quoted("127.0.0.1:7999");
        self.keys.add(Table::Http, "listen", listen, &place);
    }

    /// Writes what is not in Pushpin's files and not P-8's default: no cache of items' ids, no ids of
    /// requests, and the control port, whose address and port are two keys.
    fn control(&mut self) {
        let place = self.files.config.display().to_string();
        if value(self.settings, "handler", "id_cache_ttl").is_none() {
            self.keys
                .add(Table::Handler, "id_cache_ttl", "0".to_owned(), &place);
        }
        self.keys
            .add(Table::Proxy, "request_ids", quoted("off"), &place);
        let named = |key| {
            let mut settings = self.settings.iter();
            settings.find(|setting| setting.is("handler", key) && !setting.is_empty())
        };
        let Some(port) = named("push_in_http_port") else {
            let place = self.files.config.display().to_string();
            let text =
                "[handler] push_in_http_port is not set; P-8's control port is always there, \
                        at 127.0.0.1:5561";
            return self.notes.add(&place, text);
        };
        let number = port.text().trim().parse::<u16>().ok();
        let Some(number) = number.and_then(|number| number.checked_add(self.port_offset())) else {
            let text = "left out: expected a port";
            return self.notes.add(&port.place, text);
        };
        let address = named("push_in_http_addr");
        let (text, place) = match address {
            Some(address) => (self.replaced(&address.text()), &address.place),
            None => ("127.0.0.1".to_owned(), &port.place),
        };
        let listen = listeners::control(&text, number, place, self.notes);
        let listen = quoted(&listen);
        self.add(Table::Control, "listen", listen, port);
    }

    fn port_offset(&self) -> u16 {
        let offset = value(self.settings, "global", "port_offset");
        offset
            .and_then(|offset| offset.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Puts values in place of names in braces.
    fn replaced(&self, text: &str) -> String {
        let of = |section, key| value(self.settings, section, key);
        let rundir = of("global", "rundir").or_else(|| of("runner", "rundir"));
        let prefix = of("global", "ipc_prefix").unwrap_or_else(|| "pushpin-".to_owned());
        text.replace("{libdir}", &of("global", "libdir").unwrap_or_default())
            .replace("{rundir}", &rundir.unwrap_or_default())
            .replace("{ipc_prefix}", &prefix)
    }

    /// Replaces names, and moves the port of an address.
    fn spec(&self, text: &str) -> String {
        let spec = self.replaced(text);
        let moved = spec.strip_prefix("tcp://").and_then(|address| {
            let (host, port) = address.rsplit_once(':')?;
            let port = port.parse::<u16>().ok()?.checked_add(self.port_offset())?;
            Some(format!("tcp://{host}:{port}"))
        });
        moved.unwrap_or(spec)
    }
}

/// Reads a flag as Pushpin does: what is not empty, `0` or `false` is true.
fn is_true(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false")
}

/// Returns the name of a level that Pushpin has as a number.
pub(super) fn level(number: &str) -> Option<&'static str> {
    let names = ["error", "warn", "info", "debug", "trace"];
    let number: usize = number.trim().parse().ok()?;
    names.get(number).copied()
}

/// Tells whether a key goes into the result, whatever its value.
#[cfg(test)]
pub(super) fn is_taken_over(table: &str, name: &str) -> bool {
    let left = |fate: &Fate| matches!(fate, NotNeeded(_) | NoEquivalent(_));
    let mut keys = KEYS.iter();
    keys.any(|(section, key, fate)| *section == table && *key == name && !left(fate))
}

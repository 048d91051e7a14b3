//! The machine that decides when what is told of held clients: when one comes and goes, and again before
//! that runs out.
//!
//! ```text
//! conn J{"id":"0-7-12","type":"ws","peer-address":"192.0.2.7","ssl":true,"ttl":120}
//! conn J{"id":"0-7-12","unavailable":true}
//! ```
//!
//! Source: `docs/zmq.md#statistics`.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{stats::Stat, tnetstring::Value};

/// Names a held client: its worker, its place there, its hold.
pub type Name = (u64, u32, u64);

/// What is told of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// It is a WebSocket.
    pub is_socket: bool,
    /// Where it is, if that is known.
    pub peer: Option<IpAddr>,
    /// It came over TLS.
    pub is_secure: bool,
    /// The id of its route, if that has one.
    pub route: Option<String>,
}

/// The machine.
#[derive(Debug)]
pub struct Connections {
    ttl: Duration,
    known: HashMap<Name, Connection>,
    /// What is told again, the first one first; some have gone.
    refreshes: VecDeque<(Instant, Name)>,
}

impl Connections {
    /// Begins without any; what is told holds so long.
    pub fn new(ttl: Duration) -> Connections {
        Connections {
            ttl,
            known: HashMap::new(),
            refreshes: VecDeque::new(),
        }
    }

    /// Takes one that has come, or gone; returns what is told, if that is anything new.
    pub fn on_change(&mut self, name: Name, now: Option<Connection>, at: Instant) -> Option<Stat> {
        let Some(connection) = now else {
            self.known.remove(&name)?;
            return Some(unavailable(name));
        };
        let stat = self.told(name, &connection);
        if self.known.insert(name, connection).is_none() {
            self.refreshes.push_back((at + self.refresh(), name));
        }
        Some(stat)
    }

    /// Looks at the clock; returns what is told again. To be called about once a second.
    pub fn on_timer(&mut self, now: Instant) -> Vec<Stat> {
        let mut stats = Vec::new();
        while self.refreshes.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, name)) = self.refreshes.pop_front() else {
                break;
            };
            if let Some(connection) = self.known.get(&name) {
                stats.push(self.told(name, connection));
                self.refreshes.push_back((now + self.refresh(), name));
            }
        }
        if self.known.is_empty() && self.refreshes.is_empty() {
            (self.known, self.refreshes) = (HashMap::new(), VecDeque::new());
        }
        stats
    }

    /// Three quarters of the time that it holds.
    fn refresh(&self) -> Duration {
        self.ttl * 3 / 4
    }

    fn told(&self, name: Name, connection: &Connection) -> Stat {
        let kind = if connection.is_socket { "ws" } else { "http" };
        let mut fields = vec![("id", id(name)), ("type", Value::bytes(kind))];
        let peer = connection.peer.map(|peer| Value::bytes(peer.to_string()));
        fields.extend(peer.map(|peer| ("peer-address", peer)));
        if connection.is_secure {
            fields.push(("ssl", Value::Bool(true)));
        }
        let ttl = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        fields.push(("ttl", Value::Int(ttl)));
        let route = connection.route.clone().map(Value::bytes);
        fields.extend(route.map(|route| ("route", route)));
        Stat::new("conn", fields)
    }
}

/// The id, which is that of `/admin/api/sessions`.
fn id((worker, key, hold): Name) -> Value {
    Value::bytes(format!("{worker}-{key}-{hold}"))
}

fn unavailable(name: Name) -> Stat {
    let fields = vec![("id", id(name)), ("unavailable", Value::Bool(true))];
    Stat::new("conn", fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stats: &[Stat]) -> Vec<String> {
        let frames = stats.iter().map(|stat| stat.frame("me", true));
        frames
            .map(|frame| String::from_utf8(frame).unwrap())
            .collect()
    }

    fn stream() -> Connection {
        Connection {
            is_socket: false,
            peer: "192.0.2.7".parse().ok(),
            is_secure: false,
            route: None,
        }
    }

    #[test]
    fn one_that_comes_is_told_of_until_it_goes() {
        let (mut machine, start) = (Connections::new(Duration::from_secs(120)), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        let begun = machine
            .on_change((0, 7, 12), Some(stream()), start)
            .unwrap();
        let expected = r#"conn J{"from":"me","id":"0-7-12","peer-address":"192.0.2.7","ttl":120,"type":"http"}"#;
        assert_eq!(text(&[begun]), [expected]);
        assert_eq!(machine.on_timer(at(89)), []);
        assert_eq!(text(&machine.on_timer(at(90))), [expected]);
        assert_eq!(machine.on_timer(at(179)), []);
        assert_eq!(text(&machine.on_timer(at(180))), [expected]);
        let gone = machine.on_change((0, 7, 12), None, at(181)).unwrap();
        let expected = r#"conn J{"from":"me","id":"0-7-12","unavailable":true}"#;
        assert_eq!(text(&[gone]), [expected]);
        assert_eq!(machine.on_change((0, 7, 12), None, at(182)), None);
        assert_eq!(machine.on_timer(at(1_000)), []);
        assert!(machine.known.is_empty() && machine.refreshes.is_empty());
    }

    #[test]
    fn what_is_known_of_it_is_told_and_nothing_else() {
        let mut machine = Connections::new(Duration::from_secs(60));
        let socket = Connection {
            is_socket: true,
            peer: None,
            is_secure: true,
            route: Some("shop".to_owned()),
        };
        let told = machine.on_change((1, 2, 3), Some(socket), Instant::now());
        let expected =
            r#"conn J{"from":"me","id":"1-2-3","route":"shop","ssl":true,"ttl":60,"type":"ws"}"#;
        assert_eq!(text(&[told.unwrap()]), [expected]);
    }
}

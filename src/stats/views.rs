//! Rows of the operator's tables, and which sessions are meant. Source: `docs/admin.md#tables`.

use std::net::SocketAddr;

use serde::Serialize;

/// A held session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionRow {
    /// Names it as long as it is held: worker, place, hold.
    pub id: String,
    /// Where its client is; none if another server or an HTTP/2 long-poll has it.
    pub peer: Option<String>,
    /// Its route's id, or condition; empty if it is embedded.
    pub route: String,
    /// `response`, `stream` or `ws-message`.
    pub transport: &'static str,
    /// Seconds since it was held.
    pub age_secs: u64,
    /// The first of its channels, at most [`CHANNELS_SHOWN`].
    pub channels: Vec<String>,
    /// All of them.
    pub channels_total: usize,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// Bytes written since it was held.
    pub sent_bytes: u64,
    /// Milliseconds since something was written.
    pub last_write_ms_ago: u64,
}

/// Most channels in a session's row.
pub const CHANNELS_SHOWN: usize = 8;

impl SessionRow {
    /// Makes a row; it is filled by who knows more.
    pub fn new(id: String, transport: &'static str) -> Self {
        Self {
            id,
            peer: None,
            route: String::new(),
            transport,
            age_secs: 0,
            channels: Vec::new(),
            channels_total: 0,
            queued_bytes: 0,
            sent_bytes: 0,
            last_write_ms_ago: 0,
        }
    }
}

/// A channel with subscribers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChannelRow {
    /// Its name.
    pub name: String,
    /// Sessions subscribed to it.
    pub subscribers: u64,
    /// Those that are long-polls.
    pub response: u64,
    /// Those that are streams.
    pub stream: u64,
    /// Those that are WebSockets.
    #[serde(rename = "ws-message")]
    pub socket: u64,
    /// Items that it sent out.
    pub items: u64,
    /// The id of the last item that went out in order.
    pub last_id: Option<String>,
    /// Items that wait for the one they follow.
    pub waiting: u64,
    /// Items of it that slow clients lost, and that it dropped as they came out of order.
    pub dropped: u64,
    /// Workers with subscribers.
    pub workers: usize,
}

/// What tables are sorted by, and which rows they show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionSort {
    /// By age.
    Age,
    /// By bytes that wait.
    Queued,
    /// By bytes written.
    Sent,
    /// By the time since the last write.
    LastWrite,
    /// By the number of channels.
    Channels,
    /// By route.
    Route,
    /// By peer.
    Peer,
    /// By transport.
    Transport,
}

impl SessionSort {
    /// Every word with its meaning.
    pub const ALL: [(&'static str, Self); 8] = [
        ("age", Self::Age),
        ("queued", Self::Queued),
        ("sent", Self::Sent),
        ("last_write", Self::LastWrite),
        ("channels", Self::Channels),
        ("route", Self::Route),
        ("peer", Self::Peer),
        ("transport", Self::Transport),
    ];
}

/// What channels are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelSort {
    /// By subscribers.
    Subscribers,
    /// By name.
    Name,
    /// By items.
    Items,
    /// By items that wait.
    Waiting,
    /// By items dropped.
    Dropped,
}

impl ChannelSort {
    /// Every word with its meaning.
    pub const ALL: [(&'static str, Self); 5] = [
        ("subscribers", Self::Subscribers),
        ("name", Self::Name),
        ("items", Self::Items),
        ("waiting", Self::Waiting),
        ("dropped", Self::Dropped),
    ];
}

/// Which sessions are meant; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// The id.
    pub id: Option<String>,
    /// One of its channels.
    pub channel: Option<String>,
    /// Its route, as its row names it.
    pub route: Option<String>,
    /// Its peer: an address, with a port or without.
    pub peer: Option<String>,
    /// A part of its id, peer, route, transport or of one of its channels, in lower case.
    pub search: Option<String>,
}

/// A session as filters see it.
pub struct Facts<'a, C: Iterator<Item = &'a str>> {
    /// Its id.
    pub id: &'a str,
    /// Its peer.
    pub peer: Option<SocketAddr>,
    /// Its route.
    pub route: &'a str,
    /// Its transport.
    pub transport: &'static str,
    /// Its channels.
    pub channels: C,
}

impl SessionFilter {
    /// Tells whether nothing is said, so that every session is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether a session is meant.
    pub fn fits<'a, C: Iterator<Item = &'a str> + Clone>(&self, facts: &Facts<'a, C>) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        let of_peer = |wanted: &String| facts.peer.is_some_and(|peer| is_address(wanted, peer));
        is(&self.id, facts.id)
            && is(&self.route, facts.route)
            && self.peer.as_ref().is_none_or(of_peer)
            && self
                .channel
                .as_ref()
                .is_none_or(|wanted| facts.channels.clone().any(|name| name == wanted))
            && self
                .search
                .as_ref()
                .is_none_or(|part| is_found(part, facts))
    }
}

fn is_address(wanted: &str, peer: SocketAddr) -> bool {
    match wanted.parse::<SocketAddr>() {
        Ok(wanted) => wanted == peer,
        Err(_) => wanted
            .parse()
            .is_ok_and(|wanted: std::net::IpAddr| wanted == peer.ip()),
    }
}

fn is_found<'a, C: Iterator<Item = &'a str> + Clone>(part: &str, facts: &Facts<'a, C>) -> bool {
    let has = |text: &str| contains(text, part);
    has(facts.id)
        || has(facts.route)
        || has(facts.transport)
        || facts.channels.clone().any(has)
        || facts.peer.is_some_and(|peer| has(&peer.to_string()))
}

/// Tells whether a text has a part that is in lower case, whatever its own.
pub fn contains(text: &str, part: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(part);
    }
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty()
        || text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(channels: &'a [&'a str]) -> Facts<'a, impl Iterator<Item = &'a str> + Clone> {
        Facts {
            id: "0-1-2",
            peer: "10.0.0.7:99".parse().ok(),
            route: "shop",
            transport: "stream",
            channels: channels.iter().copied(),
        }
    }

    #[test]
    fn a_filter_takes_what_fits_all_that_it_says() {
        let cases = [
            ("", "", true),
            ("id", "0-1-2", true),
            ("id", "0-1", false),
            ("channel", "News", true),
            ("channel", "new", false),
            ("route", "shop", true),
            ("route", "sho", false),
            ("peer", "10.0.0.7", true),
            ("peer", "10.0.0.7:99", true),
            ("peer", "10.0.0.7:98", false),
            ("peer", "nonsense", false),
            ("search", "new", true),
            ("search", "0.7:9", true),
            ("search", "ärger", true),
            ("search", "zzz", false),
        ];
        let filter_of = |name: &str, text: &str| {
            let given = |wanted: &str| (name == wanted).then(|| text.to_owned());
            SessionFilter {
                id: given("id"),
                channel: given("channel"),
                route: given("route"),
                peer: given("peer"),
                search: given("search"),
            }
        };
        for (name, text, expected) in cases {
            let filter = filter_of(name, text);
            let fits = filter.fits(&facts(&["News", "Ärger"]));
            assert_eq!(fits, expected, "{name} {text}");
        }
        let mut both = filter_of("route", "shop");
        both.peer = Some("10.0.0.8".to_owned());
        assert!(!both.fits(&facts(&["News"])), "all that is said counts");
    }
}

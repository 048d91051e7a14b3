//! The backend: it knows the truth, an ordered log for each channel, and is asked for it.
//!
//! What it sends to clients are lines: `start c0 5` and `stop c0` say from where on a client is to get a
//! channel, `c0 6` is the sixth item of it. An item's id is its number, where the channel has ids.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::Arc,
};

use bytes::Bytes;
use http::HeaderMap;
use p8::{
    engine::session::{Asked, Published},
    grip::{
        channel::{ChannelName, ItemId},
        instruct::Subscription,
        publish::{Formats, Item, ResponseBody, ResponseFormat, ResponseSend, StreamFormat},
    },
};

use super::{
    seat::numbers,
    world::{Event, World},
};

pub const PREFIX: &str = "x-";
/// After so long everybody has everything, if nothing is lost.
pub const SILENCE_MS: u64 = 8_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each item says what it follows.
    Chained,
    /// Items have ids only.
    Ids,
    /// Items have neither.
    None,
}

#[derive(Debug)]
pub struct Entry {
    at: u64,
    pub is_hint: bool,
    sender: usize,
}

#[derive(Debug)]
pub struct Log {
    pub order: Order,
    pub entries: Vec<Entry>,
}

pub struct Backend {
    pub logs: Vec<Log>,
}

/// An item on its way through P-8; its delivery is numbered by its channel.
#[derive(Clone)]
pub struct Sent {
    pub channel: usize,
    pub number: usize,
    pub delivery: u64,
    item: Arc<Item>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{} {}", self.channel, self.number)
    }
}

impl Published for Sent {
    fn item(&self) -> &Item {
        &self.item
    }
}

/// What the backend says of a session.
#[derive(Clone, Debug)]
pub struct Word {
    pub body: String,
    pub subscriptions: Vec<Subscription>,
    pub is_hold: bool,
}

/// What the backend answers a request.
#[derive(Clone, Debug)]
pub enum Reply {
    Body(String),
    Hold(Word),
}

impl Backend {
    pub fn new(rng: &mut fastrand::Rng) -> Self {
        let orders = [
            Order::Chained,
            Order::Chained,
            Order::Chained,
            Order::Ids,
            Order::None,
        ];
        let logs = orders.map(|order| Log {
            order,
            entries: Vec::new(),
        });
        let mut backend = Self { logs: logs.into() };
        for log in &mut backend.logs {
            for _ in 0..rng.usize(..3) {
                log.entries.push(Entry {
                    at: 0,
                    is_hint: false,
                    sender: 0,
                });
            }
        }
        backend
    }

    /// Tells whether the filters of this user let an item pass.
    pub fn passes(&self, user: usize, channel: usize, number: usize) -> bool {
        self.sender(channel, number) != user && !is_dropped(user, channel, number)
    }

    pub fn is_hint(&self, channel: usize, number: usize) -> bool {
        number == 0 || self.logs[channel].entries[number - 1].is_hint
    }

    fn sender(&self, channel: usize, number: usize) -> usize {
        let number = number.checked_sub(1);
        number.map_or(0, |place| self.logs[channel].entries[place].sender)
    }

    /// An entry as it is published; 0 is a hint that is none, and has no id.
    pub fn item(&self, channel: usize, number: usize) -> Sent {
        let order = match number {
            0 => Order::None,
            _ => self.logs[channel].order,
        };
        let id = |number: usize| ItemId::from(number.to_string());
        let is_hint = self.is_hint(channel, number);
        let line = Bytes::from(line(channel, number));
        let send = ResponseSend {
            status: 200,
            reason: None,
            headers: HeaderMap::new(),
            body: ResponseBody::Bytes(line.clone()),
            content_filters: None,
        };
        let (response, stream) = if is_hint {
            (ResponseFormat::Hint, StreamFormat::Hint)
        } else {
            let stream = StreamFormat::Send {
                content: line,
                content_filters: None,
            };
            (ResponseFormat::Send(send), stream)
        };
        let sender = self.sender(channel, number).to_string();
        let meta = [
            ("sender", sender),
            ("channel", channel.to_string()),
            ("number", number.to_string()),
        ];
        Sent {
            channel,
            number,
            delivery: 0,
            item: Arc::new(Item {
                channel: full_name(channel),
                id: (order != Order::None).then(|| id(number)),
                prev_id: (order == Order::Chained).then(|| id(number - 1)),
                formats: Formats {
                    response: Some(response),
                    stream: Some(stream),
                    ws: None,
                },
                meta: BTreeMap::from(meta.map(|(key, value)| (key.to_owned(), value))),
                size: None,
                no_seq: false,
            }),
        }
    }
}

/// The verdict of `http-check`.
pub fn is_dropped(user: usize, channel: usize, number: usize) -> bool {
    (user * 7 + channel * 3 + number * 5).is_multiple_of(11)
}

pub fn name(channel: usize) -> ChannelName {
    ChannelName::from(format!("c{channel}"))
}

pub fn full_name(channel: usize) -> ChannelName {
    name(channel).prefixed(PREFIX)
}

/// The channel of a name, with or without the prefix.
pub fn channel_of(name: &ChannelName) -> usize {
    let name = name.as_str();
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    bare[1..].parse().expect("a channel's number")
}

pub fn number_of(id: &ItemId) -> usize {
    id.as_str().parse().expect("an item's number")
}

fn line(channel: usize, number: usize) -> String {
    format!("c{channel} {number}\n")
}

impl World {
    /// Writes an entry and publishes it: sometimes late, twice or not at all.
    pub fn on_write(&mut self, channel: usize) {
        if self.is_quiet() {
            return;
        }
        self.check_silent(channel);
        let is_hint = self.rng.u8(..15) == 0;
        let sender = self.rng.usize(..self.clients.len());
        let log = &mut self.backend.logs[channel];
        log.entries.push(Entry {
            at: self.now,
            is_hint,
            sender,
        });
        let number = log.entries.len();
        let sent = self.backend.item(channel, number);
        match self.rng.u8(..100) {
            0..=3 if !self.is_calm => self.tally.count("not published", 1),
            18..=20 => {
                let bare_hint = self.backend.item(channel, 0);
                self.after(1, 15, Event::Publish(sent));
                self.after(1, 15, Event::Publish(bare_hint));
            }
            4..=7 => {
                self.after(1, 30, Event::Publish(sent.clone()));
                self.after(1, 3_000, Event::Publish(sent));
            }
            8..=17 => self.after(50, 2_000, Event::Publish(sent)),
            _ => self.after(1, 15, Event::Publish(sent)),
        }
        // Bursts, and now and then silence.
        let pause = match self.rng.u8(..20) {
            0 => SILENCE_MS + 500,
            1..10 => 20,
            _ => 900,
        };
        self.after(1, pause, Event::Write(channel));
    }

    /// Where nothing is lost, nobody misses anything when nothing was written for a while.
    fn check_silent(&mut self, channel: usize) {
        let silent_since = self.now.saturating_sub(SILENCE_MS);
        let entries = &self.backend.logs[channel].entries;
        if !self.is_calm || entries.last().is_some_and(|entry| entry.at > silent_since) {
            return;
        }
        for seat in self.seats.values() {
            let is_settled = seat.begun_at.is_some_and(|at| at < silent_since);
            if is_settled && !seat.unsure.contains(&channel) {
                let missing = self.next_of(seat.client, channel);
                assert_eq!(
                    missing, None,
                    "client {} misses that of c{channel}",
                    seat.client
                );
            }
        }
    }

    /// What the backend sees of a log: at times not the very last entries, but never less than `base`.
    fn view(&mut self, channel: usize, base: usize) -> usize {
        let is_stale = self.fails(4);
        let at = self.now - if is_stale { self.rng.u64(..60) } else { 0 }.min(self.now);
        let entries = &self.backend.logs[channel].entries;
        entries.partition_point(|entry| entry.at <= at).max(base)
    }

    /// Says what a client has not had in a channel after `base`, and up to where that is.
    fn news(&mut self, client: usize, channel: usize, base: usize) -> (String, usize) {
        let view = self.view(channel, base);
        let client = &self.clients[client];
        let numbers = (base + 1..=view).filter(|n| client.may_have(&self.backend, channel, *n));
        (numbers.map(|n| line(channel, n)).collect(), view)
    }

    /// Makes a hold of a client's channels, with all that it has not had.
    fn hold(&mut self, client: usize, last: &[(usize, usize)]) -> Word {
        let mut word = Word {
            body: String::new(),
            subscriptions: Vec::new(),
            is_hold: true,
        };
        let listed = self.clients[client].pick_channels(&mut self.rng, self.now);
        for channel in 0..self.backend.logs.len() {
            let seen = self.clients[client].seen.get(&channel).copied();
            if !listed.contains(&channel) {
                if seen.is_some() {
                    let _ = writeln!(word.body, "stop c{channel}");
                    self.tally.count("stopped", 1);
                }
                continue;
            }
            let is_checked = self.clients[client].checks(&self.backend, channel);
            let known = last.iter().find(|(of, _)| *of == channel).map(|(_, n)| *n);
            let mut prev_id = None;
            if is_checked {
                let base = known.max(seen).unwrap_or_else(|| {
                    let base = self.view(channel, 0);
                    let _ = writeln!(word.body, "start c{channel} {base}");
                    base
                });
                let (news, view) = self.news(client, channel, base);
                word.body.push_str(&news);
                prev_id = Some(ItemId::from(view.to_string()));
            } else if seen.is_none() {
                let _ = writeln!(word.body, "start c{channel} 0");
            }
            word.subscriptions.push(Subscription {
                channel: name(channel),
                prev_id,
                filters: self.clients[client].filters(channel),
            });
        }
        word
    }

    /// A request, again or for the first time.
    pub fn on_request(&mut self, seat: u64, last: &[(usize, usize)]) {
        let Some(client) = self.seats.get(&seat).map(|seat| seat.client) else {
            return;
        };
        let is_stream = self.clients[client].is_stream;
        let reply = if is_stream && self.rng.u8(..5) == 0 && self.clients[client].has_link {
            self.tally.count("chains", 1);
            Reply::Hold(Word {
                body: String::new(),
                subscriptions: Vec::new(),
                is_hold: false,
            })
        } else {
            let word = self.hold(client, last);
            let is_news = word.body.lines().any(|line| line.starts_with('c'));
            match is_news && !is_stream {
                true => Reply::Body(word.body),
                false => Reply::Hold(word),
            }
        };
        self.after(1, 150, Event::Heard(seat, reply));
    }

    /// A next link; some are not answered, and some lead on to another one.
    pub fn on_link_asked(&mut self, seat: u64, key: u32, task: u64, asked: &Asked) {
        let Some(client) = self.seats.get(&seat).map(|seat| seat.client) else {
            return;
        };
        let last = numbers(&asked.last);
        let fails = self.fails(6);
        let word = (!fails).then(|| self.hold(client, &last));
        if fails {
            self.tally.count("links failed", 1);
        }
        self.after(1, 200, Event::LinkHeard(seat, key, task, word));
    }
}

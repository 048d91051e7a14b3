//! Statistics as they go out over ZeroMQ, and the machine that decides when what is told of
//! subscriptions.
//!
//! ```text
//! sub T61:4:mode,6:stream,7:channel,4:news,3:ttl,2:60#11:subscribers,1:3#}
//! sub J{"mode":"stream","channel":"news","unavailable":true}
//! ```
//!
//! One frame: the type, a space, `T` and a tnetstring map or `J` and JSON. Source:
//! `docs/zmq.md#statistics`.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use super::{
    local_channels::{Change, Sessions},
    tnetstring::Value,
};
use crate::grip::channel::ChannelName;

/// How long what is told of a subscription holds.
const TTL: Duration = Duration::from_secs(60);

/// When it is told again.
const REFRESH: Duration = Duration::from_secs(45);

/// How long a change of the count alone may wait.
const COUNT_DELAY: Duration = Duration::from_secs(1);

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Stat {
    /// Its type, by which it is subscribed to.
    pub kind: &'static str,
    /// Its fields.
    pub fields: Vec<(&'static str, Value)>,
}

impl Stat {
    /// Makes a message.
    pub fn new(kind: &'static str, fields: Vec<(&'static str, Value)>) -> Stat {
        Stat { kind, fields }
    }

    /// Writes its frame.
    pub fn frame(&self, from: &str, is_json: bool) -> Vec<u8> {
        let mut frame = self.kind.as_bytes().to_vec();
        frame.extend_from_slice(if is_json { b" J" } else { b" T" });
        let from = ("from", Value::bytes(from.to_owned()));
        let fields = [from].into_iter().chain(self.fields.iter().cloned());
        if is_json {
            let fields = fields.map(|(key, value)| (key.to_owned(), json(&value)));
            let map: serde_json::Map<_, _> = fields.collect();
            frame.extend_from_slice(Json::Object(map).to_string().as_bytes());
        } else {
            Value::map(fields).write(&mut frame);
        }
        frame
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::Bytes(bytes) => Json::from(String::from_utf8_lossy(bytes).as_ref()),
        // No statistic has another.
        Value::Null | Value::Float(_) | Value::List(_) | Value::Map(_) => Json::Null,
    }
}

/// What sessions take, as it is named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mode {
    Response,
    Stream,
    Ws,
}

const MODES: [Mode; 3] = [Mode::Response, Mode::Stream, Mode::Ws];

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Response => "response",
            Mode::Stream => "stream",
            Mode::Ws => "ws",
        }
    }

    /// Returns how many there are; none: the channel has no subscription of this mode.
    fn count(self, sessions: Option<Sessions>) -> Option<u32> {
        let sessions = sessions?;
        let (count, is_lingering) = match self {
            Mode::Response => (sessions.response, sessions.is_lingering),
            Mode::Stream => (sessions.stream, false),
            Mode::Ws => (sessions.ws, false),
        };
        (count > 0 || is_lingering).then_some(count)
    }
}

type Subject = (ChannelName, Mode);

/// The machine: a first and a last subscription are told at once, a count within a second, and what has
/// not changed before it runs out.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// What there is, and when it was last told.
    told: HashMap<Subject, (u32, Instant)>,
    /// Counts that are not told yet.
    changed: HashSet<Subject>,
    /// What is told again, the first one first; some have ended.
    refreshes: VecDeque<(Instant, Subject)>,
}

impl Subscriptions {
    /// Takes a change; returns what is told at once.
    pub fn on_change(&mut self, channel: &ChannelName, change: Change, now: Instant) -> Vec<Stat> {
        let mut stats = Vec::new();
        for mode in MODES {
            let subject = (channel.clone(), mode);
            match (mode.count(change.0), mode.count(change.1)) {
                (None, Some(count)) => {
                    self.refreshes.push_back((now + REFRESH, subject.clone()));
                    stats.push(self.tell(subject, count, now));
                }
                (Some(_), None) => {
                    self.told.remove(&subject);
                    self.changed.remove(&subject);
                    stats.push(unavailable(&subject));
                }
                (Some(before), Some(count)) if before != count => {
                    if let Some(told) = self.told.get_mut(&subject) {
                        told.0 = count;
                    }
                    self.changed.insert(subject);
                }
                _ => {}
            }
        }
        stats
    }

    /// Looks at the clock; returns what is due. To be called about once a second.
    pub fn on_timer(&mut self, now: Instant) -> Vec<Stat> {
        let mut stats = Vec::new();
        for subject in std::mem::take(&mut self.changed) {
            let Some((count, at)) = self.told.get(&subject).copied() else {
                continue;
            };
            if now.saturating_duration_since(at) < COUNT_DELAY {
                self.changed.insert(subject);
            } else {
                stats.push(self.tell(subject, count, now));
            }
        }
        while self.refreshes.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, subject)) = self.refreshes.pop_front() else {
                break;
            };
            if let Some((count, _)) = self.told.get(&subject).copied() {
                self.refreshes.push_back((now + REFRESH, subject.clone()));
                stats.push(self.tell(subject, count, now));
            }
        }
        stats
    }

    fn tell(&mut self, subject: Subject, count: u32, now: Instant) -> Stat {
        let stat = Stat::new(
            "sub",
            vec![
                ("mode", Value::bytes(subject.1.name())),
                ("channel", Value::bytes(subject.0.as_str().to_owned())),
                ("ttl", Value::Int(TTL.as_secs() as i64)),
                ("subscribers", Value::Int(i64::from(count))),
            ],
        );
        self.told.insert(subject, (count, now));
        stat
    }
}

fn unavailable((channel, mode): &Subject) -> Stat {
    Stat::new(
        "sub",
        vec![
            ("mode", Value::bytes(mode.name())),
            ("channel", Value::bytes(channel.as_str().to_owned())),
            ("unavailable", Value::Bool(true)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn streams(stream: u32) -> Option<Sessions> {
        Some(Sessions {
            stream,
            ..Sessions::default()
        })
    }

    fn text(stats: &[Stat]) -> String {
        let frames = stats.iter().map(|stat| stat.frame("me", true));
        let frames = frames.map(|frame| String::from_utf8(frame).unwrap());
        frames.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn frames_are_tnetstrings_or_json() {
        let stat = unavailable(&("news".into(), Mode::Ws));
        let json = r#"sub J{"channel":"news","from":"me","mode":"ws","unavailable":true}"#;
        assert_eq!(text(std::slice::from_ref(&stat)), json);
        let frame = stat.frame("me", false);
        assert_eq!(&frame[..5], b"sub T");
        let map = Value::read(&Bytes::from(frame).slice(5..)).unwrap();
        assert_eq!(map.get("from"), Some(&Value::bytes("me")));
        assert_eq!(map.get("channel"), Some(&Value::bytes("news")));
        assert_eq!(map.get("unavailable"), Some(&Value::Bool(true)));
    }

    #[test]
    fn the_first_and_the_last_are_told_at_once_and_counts_within_a_second() {
        let (mut machine, a, start) = (Subscriptions::default(), "a".into(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let first = machine.on_change(&a, (None, streams(1)), start);
        assert!(text(&first).contains(r#""subscribers":1,"ttl":60"#));
        for n in 1..100 {
            let more = machine.on_change(&a, (streams(n), streams(n + 1)), at(u64::from(n)));
            assert_eq!(more, [], "gathered");
        }
        assert_eq!(machine.on_timer(at(900)), []);
        let counted = machine.on_timer(at(1_900));
        assert!(text(&counted).contains(r#""subscribers":100"#) && counted.len() == 1);
        assert_eq!(machine.on_timer(at(2_900)), []);
        let last = machine.on_change(&a, (streams(100), None), at(3_000));
        assert!(text(&last).contains("unavailable"));
        assert_eq!(machine.on_timer(at(100_000)), [], "nothing is left");
        assert!(machine.told.is_empty() && machine.refreshes.is_empty());
    }

    #[test]
    fn what_stays_is_told_again_before_it_runs_out() {
        let (mut machine, a, start) = (Subscriptions::default(), "a".into(), Instant::now());
        machine.on_change(&a, (None, streams(1)), start);
        let mut told = Vec::new();
        for secs in 1..=200 {
            let stats = machine.on_timer(start + Duration::from_secs(secs));
            told.extend(stats.iter().map(|_| secs));
        }
        assert_eq!(told, [45, 90, 135, 180]);
    }

    #[test]
    fn a_long_polls_subscription_stays_while_it_lingers() {
        let (mut machine, a, now) = (Subscriptions::default(), "a".into(), Instant::now());
        let polls = |response, is_lingering| {
            Some(Sessions {
                response,
                is_lingering,
                ..Sessions::default()
            })
        };
        assert_eq!(machine.on_change(&a, (None, polls(1, false)), now).len(), 1);
        let lingers = (polls(1, false), polls(0, true));
        assert_eq!(machine.on_change(&a, lingers, now), []);
        let ended = machine.on_change(&a, (polls(0, true), None), now);
        assert!(text(&ended).contains(r#""mode":"response","unavailable":true"#));
    }
}

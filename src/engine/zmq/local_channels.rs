//! What workers tell of their channels, put together: which there are on this server, and how many
//! sessions of each kind.

use std::collections::HashMap;

use crate::grip::channel::ChannelName;

/// The sessions of one channel, by what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Long-polls.
    pub response: u32,
    /// Streams.
    pub stream: u32,
    /// WebSockets.
    pub ws: u32,
    /// Long-polls were there, and the subscription is kept for them.
    pub is_lingering: bool,
}

impl Sessions {
    fn add(self, other: Sessions) -> Sessions {
        Sessions {
            response: self.response.saturating_add(other.response),
            stream: self.stream.saturating_add(other.stream),
            ws: self.ws.saturating_add(other.ws),
            is_lingering: self.is_lingering || other.is_lingering,
        }
    }
}

/// A change: a channel before and after, all workers together; none: no worker is subscribed.
pub type Change = (Option<Sessions>, Option<Sessions>);

/// The channels that any worker is subscribed to.
#[derive(Debug, Default)]
pub struct LocalChannels {
    channels: HashMap<ChannelName, Vec<(u64, Sessions)>>,
}

impl LocalChannels {
    /// Takes what a worker has of a channel now; returns what that changes for the server.
    pub fn on_report(
        &mut self,
        worker: u64,
        channel: &ChannelName,
        sessions: Option<Sessions>,
    ) -> Change {
        let before = self.sessions(channel);
        let workers = self.channels.entry(channel.clone()).or_default();
        workers.retain(|(known, _)| *known != worker);
        workers.extend(sessions.map(|sessions| (worker, sessions)));
        if workers.is_empty() {
            self.channels.remove(channel);
        }
        (before, self.sessions(channel))
    }

    /// Returns the sessions of a channel; none if no worker is subscribed.
    pub fn sessions(&self, channel: &ChannelName) -> Option<Sessions> {
        let workers = self.channels.get(channel)?.iter();
        workers.map(|(_, sessions)| *sessions).reduce(Sessions::add)
    }

    /// Returns every channel.
    pub fn names(&self) -> impl Iterator<Item = &ChannelName> {
        self.channels.keys()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_put_together_and_the_last_one_ends_a_channel() {
        let mut local = LocalChannels::default();
        let a = ChannelName::from("a");
        let streams = |stream| Sessions {
            stream,
            ..Sessions::default()
        };
        let lingering = Sessions {
            is_lingering: true,
            ..Sessions::default()
        };
        let both = Sessions {
            is_lingering: true,
            ..streams(2)
        };
        for (worker, reported, change) in [
            (1, Some(streams(1)), (None, Some(streams(1)))),
            (1, Some(streams(2)), (Some(streams(1)), Some(streams(2)))),
            (2, Some(lingering), (Some(streams(2)), Some(both))),
            (1, None, (Some(both), Some(lingering))),
            (1, None, (Some(lingering), Some(lingering))),
            (2, None, (Some(lingering), None)),
            (3, None, (None, None)),
        ] {
            assert_eq!(local.on_report(worker, &a, reported), change);
        }
        assert!(local.is_empty());
    }
}

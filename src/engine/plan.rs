//! What a hold subscribes to: the route's implicit channels, then the instructed ones, prefixed and limited.
//!
//! Source: `docs/grip.md#channels`.

use crate::grip::{
    channel::{ChannelName, ItemId},
    instruct::Subscription,
};

/// A channel to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its full name.
    pub channel: ChannelName,
    /// The last item that the backend knows of; none checks nothing.
    pub prev_id: Option<ItemId>,
}

/// The channels of one hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Each once, in the order of subscription.
    pub channels: Vec<Wanted>,
    /// How many instructed channels were left out because of the limit.
    pub refused: usize,
}

/// Makes the plan: implicit channels (never prefixed, not counted), then up to `max` instructed ones.
pub fn subscriptions(
    implicit: &[ChannelName],
    instructed: &[Subscription],
    prefix: Option<&str>,
    max: usize,
) -> Plan {
    let mut plan = Plan::default();
    for channel in implicit {
        plan.add(channel.clone(), None);
    }
    for Subscription {
        channel, prev_id, ..
    } in instructed.iter().take(max)
    {
        plan.add(
            channel.prefixed(prefix.unwrap_or_default()),
            prev_id.clone(),
        );
    }
    plan.refused = instructed.len().saturating_sub(max);
    plan
}

impl Plan {
    fn add(&mut self, channel: ChannelName, prev_id: Option<ItemId>) {
        if !self.channels.iter().any(|known| known.channel == channel) {
            self.channels.push(Wanted { channel, prev_id });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instructed(names: &[&str]) -> Vec<Subscription> {
        let subscription = |name: &&str| Subscription {
            channel: ChannelName::new(name),
            prev_id: None,
            filters: Vec::new(),
        };
        names.iter().map(subscription).collect()
    }

    #[test]
    fn implicit_channels_come_first_unprefixed_and_uncounted() {
        let plan = subscriptions(
            &[ChannelName::new("implicit")],
            &instructed(&["a", "b", "c"]),
            Some("pre-"),
            2,
        );
        let names: Vec<_> = plan
            .channels
            .iter()
            .map(|wanted| wanted.channel.as_str())
            .collect();
        assert_eq!(names, ["implicit", "pre-a", "pre-b"]);
        assert_eq!(plan.refused, 1);
    }

    #[test]
    fn a_channel_named_twice_is_subscribed_once() {
        let plan = subscriptions(
            &[ChannelName::new("a")],
            &instructed(&["a", "b", "b"]),
            None,
            20,
        );
        assert_eq!(plan.channels.len(), 2);
        assert_eq!(plan.refused, 0);
    }
}

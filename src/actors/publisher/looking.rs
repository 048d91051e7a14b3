//! A publisher's channels as operators see them, and their items as they come.

use std::sync::atomic::Ordering;

use actix::prelude::*;
use tokio::sync::mpsc::error::TrySendError;

use super::Publisher;
use crate::{
    actors::looks::{ListChannels, Listen, TakeReadings, Tapped, LOOK_SLICE},
    grip::publish::Item,
    stats::{
        readings::Readings,
        receipt::Outcome,
        rows::{KeyRef, Top},
        views::{contains, ChannelRow, ChannelSort},
    },
};

impl Publisher {
    /// Tells who tails a channel of an item; nobody does but for an operator's look.
    pub(super) fn tap(&self, item: &Item, outcome: Outcome) {
        let mut taps = self.directory.taps.borrow_mut();
        let Some(of_channel) = taps.get_mut(&item.channel) else {
            return;
        };
        of_channel.retain(|tap| {
            let tapped = Tapped {
                item: item.clone(),
                outcome,
            };
            match tap.sender.try_send(tapped) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    tap.missed.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            }
        });
        if of_channel.is_empty() {
            taps.remove(&item.channel);
        }
    }
}

impl Handler<ListChannels> for Publisher {
    type Result = ResponseFuture<Top<ChannelRow>>;

    fn handle(&mut self, ListChannels(query): ListChannels, _: &mut Self::Context) -> Self::Result {
        let directory = self.directory.clone();
        let channels = directory.channels.borrow();
        let all: Vec<_> = channels
            .iter()
            .map(|(name, listed)| (name.clone(), listed.state.clone()))
            .collect();
        drop(channels);
        Box::pin(async move {
            let mut top = Top::new(query.window);
            for slice in all.chunks(LOOK_SLICE) {
                for (name, state) in slice {
                    let part = query.search.as_ref();
                    if !part.is_none_or(|part| contains(name.as_str(), part)) {
                        continue;
                    }
                    let state = state.borrow();
                    let sort_key = match query.sort {
                        ChannelSort::Name => KeyRef::Text(name.as_str()),
                        ChannelSort::Subscribers => {
                            KeyRef::Number(state.subscribers().iter().sum())
                        }
                        ChannelSort::Items => KeyRef::Number(state.items),
                        ChannelSort::Waiting => KeyRef::Number(state.sequencer.waiting() as u64),
                        ChannelSort::Dropped => KeyRef::Number(state.dropped()),
                    };
                    let tie = KeyRef::Text(name.as_str());
                    top.offer((sort_key, tie), || state.row(name));
                }
                tokio::task::yield_now().await;
            }
            top
        })
    }
}

impl Handler<TakeReadings> for Publisher {
    type Result = MessageResult<TakeReadings>;

    fn handle(&mut self, _: TakeReadings, _: &mut Self::Context) -> Self::Result {
        MessageResult::<TakeReadings>(self.handler.counters.read() as Readings)
    }
}

impl Handler<Listen> for Publisher {
    type Result = ();

    fn handle(&mut self, Listen { channel, tap }: Listen, _: &mut Self::Context) {
        let mut taps = self.directory.taps.borrow_mut();
        // Those of operators who have gone, on channels without items.
        taps.retain(|_, of_channel| {
            of_channel.retain(|tap| !tap.sender.is_closed());
            !of_channel.is_empty()
        });
        taps.entry(channel).or_default().push(tap);
    }
}

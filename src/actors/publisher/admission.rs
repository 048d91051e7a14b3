//! Whether there is room for the items of a request: in items, bytes and time.

use std::collections::HashMap;

use actix::prelude::*;

use super::{now, Publisher};
use crate::{
    actors::messages::PublishFailure,
    grip::{channel::ChannelName, publish::Item},
};

impl Publisher {
    /// Refuses a request.
    pub(super) fn refuse(
        &self,
        failure: PublishFailure,
    ) -> ResponseFuture<Result<(), PublishFailure>> {
        self.handler.refuse_publish(&failure);
        Box::pin(async move { Err(failure) })
    }

    /// Looks whether the channels have room for all items of a request, and are not too far behind.
    pub(super) fn room_for(&self, items: &[Item]) -> Result<(), PublishFailure> {
        let options = self.handler.options();
        let waiting_bytes = self.handler.waiting_bytes.get();
        let bytes = || items.iter().map(Item::bytes).sum::<usize>();
        // A request that alone is past a bound passes when nothing else waits.
        if waiting_bytes > 0 && waiting_bytes + bytes() > options.publish_queue_bytes_max {
            return Err(PublishFailure::FullBytes(options.publish_queue_bytes_max));
        }
        let channels = self.directory.channels.borrow();
        let mut wanted: HashMap<&ChannelName, usize> = HashMap::new();
        for item in items {
            let Some(listed) = channels.get(&item.channel) else {
                continue;
            };
            let more = wanted.entry(&item.channel).or_default();
            *more += 1;
            let waiting = listed.waiting.get();
            if waiting == 0 {
                continue;
            }
            if waiting + *more > options.channel_queue_items_max {
                return Err(PublishFailure::Full(options.channel_queue_items_max));
            }
            let max = options.channel_queue_time_max;
            if *more == 1 && listed.state.borrow().backlog.behind(now()) > max {
                let max = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
                return Err(PublishFailure::Behind(max));
            }
        }
        Ok(())
    }
}

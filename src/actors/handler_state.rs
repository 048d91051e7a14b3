//! What the actors of one handler arbiter share: their bounds, counters, and the ids seen lately.
//!
//! It lives beside them, so a crash of one of them takes nothing of it along.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    crash_records::LostItems, encoded::Encoded, messages::PublishFailure, outgoing::Outgoing,
    supervisor::Busy, waiting::Bulk,
};
use crate::{
    engine::{
        id_cache::{IdCache, Sighting},
        rate::Rate,
        sequencer::SequencerLimits,
        ws::Deflater,
    },
    grip::{channel::ChannelName, channel::ItemId, publish::Item},
    stats::counters::{Counters, Dropped, Refused, Total},
};

/// Bounds and rules of a handler arbiter.
#[derive(Clone, Copy, Debug)]
pub struct HandlerOptions {
    /// Most items waiting in one channel's mailbox; past it a publish is refused with 503.
    pub channel_queue_items_max: usize,
    /// How far a channel may be behind; past it a publish is refused with 503.
    pub channel_queue_time_max: Duration,
    /// Most bytes of items waiting in the channels' mailboxes together; past it likewise.
    pub publish_queue_bytes_max: usize,
    /// Most channels of one handler arbiter; past it a hold that needs a new one is refused with 503.
    pub channels_max: usize,
    /// What waits in one channel for the item it follows; past it an item is dropped, counted.
    pub order: SequencerLimits,
    /// How long an id counts as seen; 0: never.
    pub id_cache_ttl: Duration,
    /// Most ids of one handler arbiter; past it the oldest is forgotten, counted.
    pub id_cache_max: usize,
    /// Sessions of a channel that is new here ask their backends again.
    pub update_on_first_subscription: bool,
}

impl Default for HandlerOptions {
    fn default() -> Self {
        Self {
            channel_queue_items_max: 10_000,
            channel_queue_time_max: Duration::from_secs(5),
            publish_queue_bytes_max: 64 << 20,
            channels_max: 1_000_000,
            order: SequencerLimits {
                wait: Duration::from_secs(5),
                items_max: 100,
            },
            id_cache_ttl: Duration::from_secs(60),
            id_cache_max: 1_000_000,
            update_on_first_subscription: true,
        }
    }
}

/// The item that the actors of an arbiter are at. Other threads may look, so that one that an actor
/// never gets through has a name.
#[derive(Clone, Debug, Default)]
pub struct InHand(Arc<Mutex<Option<Named>>>);

/// The channel and the id of an item.
type Named = (ChannelName, Option<ItemId>);

impl InHand {
    /// Notes which item they are at.
    pub fn take_up(&self, item: &Item) {
        if let Ok(mut in_hand) = self.0.lock() {
            *in_hand = Some((item.channel.clone(), item.id.clone()));
        }
    }

    /// They are through with it; returns what it was.
    pub fn put_down(&self) -> Option<Named> {
        self.0.lock().ok()?.take()
    }

    /// Returns what it is.
    pub fn look(&self) -> Option<Named> {
        self.0.try_lock().ok()?.clone()
    }
}

/// What other threads may see of a handler arbiter, whatever it does.
#[derive(Clone, Debug, Default)]
pub struct HandlerView {
    /// What its actors count.
    pub counters: Arc<Counters>,
    /// The item that they are at.
    pub in_hand: InHand,
    /// Items that crashed actors of this broker.
    pub lost_items: LostItems,
}

/// What the publisher and the channels of a handler arbiter share.
pub struct HandlerState {
    options: Cell<HandlerOptions>,
    /// What they count.
    pub counters: Arc<Counters>,
    /// The item that they are at.
    pub in_hand: InHand,
    /// Items that crashed one of them.
    pub lost_items: LostItems,
    /// What the channels send to hubs.
    pub outgoing: Rc<Outgoing>,
    /// The bytes of items that wait for the channels.
    pub waiting_bytes: Bulk,
    ids: RefCell<IdCache>,
    /// Lines about single items, which would stop the arbiter if there were one for each.
    lines: RefCell<Rate>,
    /// Made on first use: it is large.
    deflater: RefCell<Option<Deflater>>,
}

impl HandlerState {
    /// Makes the state of a handler arbiter.
    pub fn new(options: HandlerOptions, view: HandlerView) -> Self {
        let HandlerView {
            counters,
            in_hand,
            lost_items,
        } = view;
        Self {
            options: Cell::new(options),
            outgoing: Rc::new(Outgoing::new(counters.clone())),
            counters,
            in_hand,
            lost_items,
            waiting_bytes: Bulk::default(),
            ids: IdCache::new(options.id_cache_ttl, options.id_cache_max).into(),
            lines: Rate::new(1).into(),
            deflater: RefCell::default(),
        }
    }

    /// Counts in a total for how long an actor is busy.
    pub fn busy(&self, total: Total) -> Option<Busy> {
        let counters = self.counters.clone();
        Some(Rc::new(move |ns| counters.add(total, ns)))
    }

    /// Returns their bounds and rules.
    pub fn options(&self) -> HandlerOptions {
        self.options.get()
    }

    /// Changes them, for what comes from now on.
    pub fn set_options(&self, options: HandlerOptions) {
        self.options.set(options);
        let mut ids = self.ids.borrow_mut();
        ids.set_bounds(options.id_cache_ttl, options.id_cache_max);
    }

    /// Encodes an item, compressed too if somebody may take that.
    pub fn encoded(&self, item: Item, is_deflated: bool) -> Encoded {
        let mut deflater = self.deflater.borrow_mut();
        let deflater = is_deflated.then(|| deflater.get_or_insert_with(Deflater::new));
        Encoded::new(item, deflater)
    }

    /// Notes an item's id; true if it was seen before.
    pub fn is_repeat(&self, item: &Item) -> bool {
        let Some(id) = &item.id else {
            return false;
        };
        let now = actix::clock::Instant::now().into_std();
        match self.ids.borrow_mut().on_item(&item.channel, id, now) {
            Sighting::First => return false,
            Sighting::Repeat => {
                self.counters.add(Total::ItemsRepeated, 1);
                log::debug!(target: "p8::publish", channel:? = item.channel.as_str(), id = id.as_str();
                    "item was published before");
                return true;
            }
            Sighting::FirstOverMax => {}
        }
        self.counters.add(Total::IdsForgotten, 1);
        if self.may_log() {
            log::warn!(limit = self.options().id_cache_max;
                "too many ids: the oldest are forgotten before their time");
        }
        false
    }

    /// Forgets the id of an item that was not delivered, so that it may be published again.
    pub fn forget_id(&self, channel: &ChannelName, id: Option<&ItemId>) {
        if let Some(id) = id {
            self.ids.borrow_mut().forget(channel, id);
        }
    }

    /// Names the item that crashed one of them; it may be published again.
    pub fn note_crashed(&self, consequence: &'static str) {
        if let Some((channel, id)) = self.in_hand.put_down() {
            self.forget_id(&channel, id.as_ref());
            self.counters.drop_items(Dropped::Panic, 1);
            self.lost_items.note(&channel, id.as_ref(), consequence);
        }
    }

    /// Counts and names items that were dropped as they came out of order.
    pub fn drop_unordered(&self, channel: &ChannelName, reason: Dropped, items: usize) {
        self.counters.drop_items(reason, items as u64);
        if items > 0 && self.may_log() {
            log::warn!(channel:? = channel.as_str(), reason = reason.as_str(), items;
                "items that came out of order were dropped; one such line a second");
        }
    }

    /// Counts and names an item that has waited in vain for the one it follows.
    pub fn note_gap(&self, item: &Item) {
        self.counters.add(Total::ItemsGivenUp, 1);
        if self.may_log() {
            let text =
                |id: &Option<ItemId>| id.as_ref().map_or_else(String::new, ItemId::to_string);
            log::warn!(channel:? = item.channel.as_str(), id:? = text(&item.id), prev_id:? = text(&item.prev_id);
                "the item before this one did not come; one such line a second");
        }
    }

    /// Counts and logs a publish that is refused.
    pub fn refuse_publish(&self, failure: &PublishFailure) {
        let refused = match failure {
            PublishFailure::Behind(_) => Refused::PublishSlow,
            _ => Refused::PublishQueue,
        };
        self.counters.refuse(refused, 1);
        if self.may_log() {
            log::warn!(target: "p8::publish", why:% = failure, reason = refused.as_str();
                "publishes are refused; one such line a second");
        }
    }

    fn may_log(&self) -> bool {
        let now = actix::clock::Instant::now().into_std();
        self.lines.borrow_mut().take(now)
    }
}

//! A client's connection at P-8: its session's machine, and what is kept between two holds of a request.

use std::collections::{BTreeMap, BTreeSet};

use p8::{
    engine::session::{Output, Session},
    grip::channel::{ChannelName, ItemId},
};

use super::{
    backend::{channel_of, name, number_of, Sent, Word},
    world::{Event, World},
};

pub struct Seat {
    pub client: usize,
    pub hub: usize,
    pub machine: Option<Session<Sent>>,
    /// Its place at the hub.
    pub key: Option<u32>,
    /// The place of the hold before, which is left when the next one begins.
    pub old_key: Option<u32>,
    /// A hold is being set up, or its next link's channels: what the backend said of it.
    pub word: Option<Word>,
    /// Items for the hold to come, with the place they came to.
    pub early: Vec<(u32, Sent)>,
    pub is_expecting: bool,
    /// The task that is not aborted.
    pub asking: u64,
    pub woken_at: Option<u64>,
    /// When its first hold began.
    pub begun_at: Option<u64>,
    /// Channels of which the hub remembered nothing when the session came: what went out between the
    /// backend's word and then is missed until the next item, or until the backend is asked anyway.
    pub unsure: BTreeSet<usize>,
    pub last_sent: u64,
    pub last: Vec<(usize, usize)>,
    account: Account,
}

/// What became of the items that one machine was given.
#[derive(Debug, Default)]
struct Account {
    given: usize,
    hints: usize,
    settled: usize,
    /// The last delivery of each channel that is not checked.
    deliveries: BTreeMap<usize, u64>,
    /// All deliveries that were appended.
    appended: BTreeSet<(usize, u64)>,
}

impl Seat {
    pub fn new(client: usize, hub: usize) -> Self {
        Self {
            client,
            hub,
            machine: None,
            key: None,
            old_key: None,
            word: None,
            early: Vec::new(),
            is_expecting: false,
            asking: 0,
            woken_at: None,
            begun_at: None,
            unsure: BTreeSet::new(),
            last_sent: 0,
            last: Vec::new(),
            account: Account::default(),
        }
    }

    /// An item is given to the machine.
    pub fn give(&mut self, is_hint: bool) {
        self.account.given += 1;
        self.account.hints += usize::from(is_hint);
    }

    /// Notes what an output settles; returns the item that it puts in the stream.
    pub fn settle(&mut self, output: &Output<Sent>, is_checked: impl Fn(usize) -> bool) {
        let account = &mut self.account;
        match output {
            Output::Append(_, sent) => {
                account.settled += 1;
                self.unsure.remove(&sent.channel);
                let is_new = account.appended.insert((sent.channel, sent.delivery));
                assert!(is_new, "appended twice: {sent:?}");
                if !is_checked(sent.channel) {
                    let before = account.deliveries.insert(sent.channel, sent.delivery);
                    assert!(before < Some(sent.delivery), "before its time: {sent:?}");
                }
            }
            Output::Skip(..) => account.settled += 1,
            Output::Supersede(items) => account.settled += items,
            Output::Respond(response, _) => {
                account.settled += usize::from(response.body.starts_with(b"c"));
            }
            _ => {}
        }
    }

    /// A machine is done with: whatever it was given was appended, answered, counted, or waits.
    pub fn close_account(&mut self, waiting: usize, may_be_pending: bool) {
        let account = std::mem::take(&mut self.account);
        let settled = account.settled + waiting;
        let unsettled = account.given.checked_sub(settled);
        let bound = account.hints + usize::from(may_be_pending);
        assert!(
            unsettled.is_some_and(|unsettled| unsettled <= bound),
            "of {account:?} {waiting} wait"
        );
    }
}

/// The last ids of a session, as numbers.
pub fn numbers(last: &[(ChannelName, ItemId)]) -> Vec<(usize, usize)> {
    let last = last.iter();
    last.map(|(name, id)| (channel_of(name), number_of(id)))
        .collect()
}

/// The same ids as a session is told them.
pub fn names(last: &[(usize, usize)]) -> Vec<(ChannelName, ItemId)> {
    let id_of = |(channel, number): &(usize, usize)| {
        let id = ItemId::from(number.to_string());
        (name(*channel), id)
    };
    last.iter().map(id_of).collect()
}

impl World {
    /// A connection ends: its places at the hub are left.
    pub fn end_seat(&mut self, id: u64) {
        let Some(mut seat) = self.seats.remove(&id) else {
            return;
        };
        if let Some(machine) = seat.machine.take() {
            let waiting = machine.into_waiting().len();
            seat.close_account(waiting, true);
        }
        for key in seat.key.into_iter().chain(seat.old_key) {
            self.after(0, 5, Event::Leave(seat.hub, key));
        }
    }
}

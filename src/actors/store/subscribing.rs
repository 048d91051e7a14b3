//! Who is subscribed to what: sessions that come, change their channels and leave.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{places::Places, ChannelChange, Entry, HubStore, Joining, LocalChannel};
use crate::{
    actors::messages::{Join, SessionKind, Subscribed},
    engine::{
        fan_out::{Members, SessionKey},
        outbox::Outbox,
        plan::Wanted,
        subscription::Subscription,
    },
    grip::channel::{ChannelName, ItemId},
    stats::counters::{Dropped, Total},
};

/// A session that was entered in the tables.
pub struct Entered {
    /// Its name on this worker.
    pub key: SessionKey,
    /// Names the hold, for ever.
    pub hold: u64,
    /// How far it is subscribed.
    pub subscribed: Subscribed,
}

/// A session's way into its channels.
#[derive(Default)]
struct Entering {
    places: Vec<(u32, u32)>,
    pending: usize,
    checks: Vec<(ChannelName, ItemId)>,
    conflicts: Vec<ChannelName>,
}

impl HubStore {
    /// Enters a session.
    pub fn join(&mut self, join: Join) -> Entered {
        let key = SessionKey(self.sessions.vacant_key() as u32);
        let mut entering = Entering::default();
        for wanted in join.channels {
            self.enter_channel((key, join.kind), wanted, &mut entering);
        }
        let limits = self.limits_index(join.limits);
        let route = self.routes.number(join.route.as_ref());
        let last_sent_ms = self.now_ms();
        self.holds += 1;
        let hold = self.holds;
        self.sessions.insert(Entry {
            hold,
            outbox: Outbox::default(),
            outlet: None,
            session: join.session,
            places: Places::new(std::mem::take(&mut entering.places)),
            limits,
            queue: join.queue,
            deadline: None,
            last_sent_ms,
            sent_bytes: 0,
            begun_secs: u32::try_from(last_sent_ms / 1_000).unwrap_or(u32::MAX),
            route,
            kind: join.kind,
            body_end: join.body_end,
            is_attentive: join.is_attentive,
            is_dirty: false,
            is_closing: false,
            is_deaf: false,
        });
        self.counters.add(Total::Sessions, 1);
        let subscribed = self.subscribed(key, entering);
        Entered {
            key,
            hold,
            subscribed,
        }
    }

    /// Changes what a session listens to; it goes on in the channels that stay.
    pub fn change_channels(
        &mut self,
        key: SessionKey,
        (hold, is_attentive): (u64, bool),
        channels: Vec<Wanted>,
    ) -> Subscribed {
        let Some(entry) = self.sessions.get_mut(key.0 as usize) else {
            return Subscribed::default();
        };
        if entry.hold != hold {
            return Subscribed::default();
        }
        let kind = entry.kind;
        // Never back: what was told is still on its way.
        entry.is_attentive |= is_attentive;
        let before = std::mem::replace(&mut entry.places, Places::new(Vec::new()));
        let stays = |store: &Self, index: u32| {
            let channel = store.channels.get(index as usize);
            channel
                .is_some_and(|channel| channels.iter().any(|wanted| wanted.channel == channel.name))
        };
        let (staying, leaving): (Vec<_>, Vec<_>) = before
            .all()
            .iter()
            .copied()
            .partition(|(index, _)| stays(self, *index));
        let mut entering = Entering {
            places: staying,
            ..Entering::default()
        };
        for wanted in channels {
            let index = self.names.get(&wanted.channel).copied();
            let mut places = entering.places.iter();
            match index.filter(|index| places.any(|(known, _)| known == index)) {
                None => self.enter_channel((key, kind), wanted, &mut entering),
                Some(index) => self.stay_in_channel(key, (index, wanted), &mut entering),
            }
        }
        // Entered before anything is left, so that places that move meanwhile are found in the entry.
        if let Some(entry) = self.sessions.get_mut(key.0 as usize) {
            entry.places = Places::new(std::mem::take(&mut entering.places));
        }
        for (index, place) in leaving {
            self.leave_channel(key, (index, place), kind);
        }
        self.subscribed(key, entering)
    }

    fn enter_channel(
        &mut self,
        (key, kind): (SessionKey, SessionKind),
        wanted: Wanted,
        entering: &mut Entering,
    ) {
        let Wanted {
            channel: name,
            prev_id,
        } = wanted;
        let index = self.channel_index(&name);
        self.note_session(index);
        let Some(channel) = self.channels.get_mut(index as usize) else {
            return;
        };
        channel.tally.enter(kind.transport());
        entering.places.push((index, channel.members.join(key)));
        if !channel.subscription.is_live() {
            channel.waiters.push(key);
            entering.pending += 1;
            entering.checks.extend(prev_id.map(|id| (name, id)));
        } else if prev_id.is_some_and(|id| self.conflicts(index, &id)) {
            entering.conflicts.push(name);
        }
    }

    /// A channel that has not acknowledged yet is waited for once more.
    fn stay_in_channel(
        &mut self,
        key: SessionKey,
        (index, wanted): (u32, Wanted),
        entering: &mut Entering,
    ) {
        let channel = self.channels.get_mut(index as usize);
        let Some(channel) = channel.filter(|channel| !channel.subscription.is_live()) else {
            return;
        };
        if !channel.waiters.contains(&key) {
            channel.waiters.push(key);
        }
        entering.pending += 1;
        let Wanted { channel, prev_id } = wanted;
        entering.checks.extend(prev_id.map(|id| (channel, id)));
    }

    /// Tells whether a channel's last item is another than a session knows.
    fn conflicts(&self, index: u32, prev_id: &ItemId) -> bool {
        let channel = self.channels.get(index as usize);
        let last = channel.and_then(|channel| channel.last.as_ref());
        last.is_some_and(|last| last != prev_id)
    }

    /// A backend insists on another last item, so this one is wrong.
    pub fn forget(&mut self, name: &ChannelName) {
        let index = self.names.get(name).copied();
        let channel = index.and_then(|index| self.channels.get_mut(index as usize));
        if let Some(last) = channel.and_then(|channel| channel.last.take()) {
            let channel = name.clone();
            self.changes.push(ChannelChange::Forget { channel, last });
        }
    }

    fn subscribed(&mut self, key: SessionKey, entering: Entering) -> Subscribed {
        let Entering {
            pending,
            checks,
            conflicts,
            ..
        } = entering;
        let ready = (pending > 0).then(|| {
            let (ready, receiver) = oneshot::channel();
            let joining = Joining {
                pending,
                checks,
                conflicts: Vec::new(),
                ready,
            };
            self.joining.insert(key, joining);
            receiver
        });
        Subscribed { conflicts, ready }
    }

    fn channel_index(&mut self, name: &ChannelName) -> u32 {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        self.generations += 1;
        let generation = self.generations;
        let index = self.channels.insert(LocalChannel {
            name: name.clone(),
            subscription: Subscription::new(generation),
            members: Members::default(),
            waiters: Vec::new(),
            last: None,
            tally: Arc::default(),
            linger_until: None,
            is_lingering: false,
        }) as u32;
        self.names.insert(name.clone(), index);
        self.note_channel(name);
        self.changes.push(ChannelChange::Subscribe {
            channel: name.clone(),
            generation,
        });
        index
    }

    /// Takes a session out.
    pub fn leave(&mut self, key: SessionKey) {
        let Some(entry) = self.sessions.try_remove(key.0 as usize) else {
            return;
        };
        self.note_left(key, entry.hold);
        self.timetable.change(key, entry.deadline, None);
        self.joining.remove(&key);
        self.forget_waiting(entry.queue, key);
        self.counters.subtract(Total::Sessions, 1);
        self.counters
            .drop_items(Dropped::ClientGone, entry.outbox.items() as u64);
        for place in entry.places.all() {
            self.leave_channel(key, *place, entry.kind);
        }
        self.give_back_memory();
    }

    fn leave_channel(&mut self, key: SessionKey, (index, place): (u32, u32), kind: SessionKind) {
        self.note_session(index);
        let Some(channel) = self.channels.get_mut(index as usize) else {
            return;
        };
        channel.waiters.retain(|waiter| *waiter != key);
        channel.tally.leave(kind.transport());
        let sessions = &mut self.sessions;
        channel.members.leave(place, |moved, to| {
            let Some(entry) = sessions.get_mut(moved.0 as usize) else {
                return;
            };
            for known in entry.places.all_mut() {
                if known.0 == index {
                    known.1 = to;
                }
            }
        });
        if kind == SessionKind::Response {
            let now = actix::clock::Instant::now().into_std();
            channel.linger_until = Some(now + self.options.load().linger);
        }
        if channel.members.is_empty() {
            self.linger(index);
        }
    }

    /// Takes a channel's acknowledgement; sessions for which it was the last one are ready.
    pub fn acknowledge(
        &mut self,
        name: &ChannelName,
        generation: u64,
        (epoch, next): (u64, u64),
        last: Option<ItemId>,
    ) {
        let index = self.names.get(name).copied();
        let Some((index, channel)) =
            index.and_then(|index| Some((index, self.channels.get_mut(index as usize)?)))
        else {
            return;
        };
        let subscription = &mut channel.subscription;
        if !subscription.on_acknowledged(generation, epoch, next) {
            return;
        }
        channel.last = last;
        for key in std::mem::take(&mut channel.waiters) {
            let checks = self.joining.get(&key).map(|joining| &joining.checks);
            let mut checks = checks.into_iter().flatten();
            let prev_id = checks.find(|(channel, _)| channel == name);
            let prev_id = prev_id.map(|(_, id)| id.clone());
            let is_conflict = prev_id.is_some_and(|id| self.conflicts(index, &id));
            self.note_acknowledged(key, is_conflict.then(|| name.clone()));
        }
    }

    fn note_acknowledged(&mut self, key: SessionKey, conflict: Option<ChannelName>) {
        let Some(joining) = self.joining.get_mut(&key) else {
            return;
        };
        joining.conflicts.extend(conflict);
        joining.pending = joining.pending.saturating_sub(1);
        if joining.pending == 0 {
            let joined = self.joining.remove(&key);
            let _ = joined.map(|joined| joined.ready.send(joined.conflicts));
        }
    }

    /// The channel cannot be made: sessions that wait for it are refused, and it is forgotten with them.
    pub fn refuse(&mut self, name: &ChannelName, generation: u64, epoch: u64) {
        let index = self.names.get(name).copied();
        let Some(channel) = index.and_then(|index| self.channels.get_mut(index as usize)) else {
            return;
        };
        let subscription = &channel.subscription;
        if subscription.generation() != generation || !subscription.listens_to(epoch) {
            return;
        }
        for key in std::mem::take(&mut channel.waiters) {
            self.joining.remove(&key);
        }
        self.names.remove(name);
        self.note_channel(name);
    }
}

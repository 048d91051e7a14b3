//! Clients: what each is to get, and whether that is what it reads.

use std::collections::BTreeMap;

use super::{
    backend::{Backend, Order},
    seat::Seat,
    world::{Event, World, QUIET_AT},
};

#[derive(Debug)]
pub struct Client {
    pub user: usize,
    pub is_stream: bool,
    /// Its streams have a next link.
    pub has_link: bool,
    /// The backend knows what it has had, and gives prev-ids.
    pub is_checked: bool,
    pub has_filters: bool,
    channels: Vec<usize>,
    pub hub: usize,
    /// Up to where it has each channel; 0 where nobody checks.
    pub seen: BTreeMap<usize, usize>,
    /// Its connection.
    pub seat: Option<u64>,
}

impl Client {
    pub fn new(user: usize, backend: &Backend, rng: &mut fastrand::Rng) -> Self {
        let is_checked = user % 3 < 2;
        let all = 0..backend.logs.len();
        let channels = all.filter(|_| rng.u8(..3) > 0).collect();
        Self {
            user,
            is_stream: user.is_multiple_of(2),
            has_link: is_checked || rng.bool(),
            is_checked,
            has_filters: rng.u8(..3) == 0,
            channels,
            hub: rng.usize(..2),
            seen: BTreeMap::new(),
            seat: None,
        }
    }

    /// The channels it listens to from now on: now and then a stream leaves one for a while.
    pub fn pick_channels(&self, rng: &mut fastrand::Rng, now: u64) -> Vec<usize> {
        let mut channels = self.channels.clone();
        if self.is_stream && self.has_link && now < QUIET_AT && rng.u8(..4) == 0 {
            channels.pop();
        }
        channels
    }

    pub fn checks(&self, backend: &Backend, channel: usize) -> bool {
        self.is_checked && backend.logs[channel].order == Order::Chained
    }

    /// The filters of a channel; the last one keeps a session waiting.
    pub fn filters(&self, channel: usize) -> Vec<String> {
        let names = ["skip-self", "http-check"].map(str::to_owned);
        match self.is_filtered(channel) {
            true => names.into(),
            false => Vec::new(),
        }
    }

    fn is_filtered(&self, channel: usize) -> bool {
        self.has_filters && channel.is_multiple_of(2)
    }

    pub fn may_have(&self, backend: &Backend, channel: usize, number: usize) -> bool {
        let is_filtered = self.is_filtered(channel);
        !backend.is_hint(channel, number)
            && (!is_filtered || backend.passes(self.user, channel, number))
    }
}

impl World {
    pub fn on_connect(&mut self, client: usize) {
        if self.clients[client].seat.is_some() {
            return;
        }
        self.names += 1;
        let seat = self.names;
        self.clients[client].seat = Some(seat);
        self.seats
            .insert(seat, Seat::new(client, self.clients[client].hub));
        self.after(1, 40, Event::Request(seat, Vec::new()));
    }

    /// Its connection is gone, for whatever reason; it comes again.
    pub fn on_disconnect(&mut self, client: usize) {
        let Some(seat) = self.clients[client].seat.take() else {
            return;
        };
        self.end_seat(seat);
        // Where nobody checks, a new connection begins anew.
        let is_checked = self.clients[client].is_checked;
        let backend = &self.backend;
        let chained = |channel: usize| is_checked && backend.logs[channel].order == Order::Chained;
        self.clients[client]
            .seen
            .retain(|channel, _| chained(*channel));
        let pause = if self.clients[client].is_stream {
            1_000
        } else {
            60
        };
        self.after(0, pause, Event::Connect(client));
    }

    /// What a client reads must be the next that it may have, where that is checked.
    pub fn read(&mut self, client: usize, text: &str) {
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let channel = |word: &str| word[1..].parse::<usize>().expect("a channel");
            let Client { user, .. } = self.clients[client];
            match words[..] {
                ["start", of, base] => {
                    let base = base.parse().expect("a number");
                    self.clients[client].seen.insert(channel(of), base);
                }
                ["stop", of] => {
                    self.clients[client].seen.remove(&channel(of));
                }
                [of, number] => {
                    let number = number.parse().expect("a number");
                    self.read_item(client, channel(of), number);
                }
                _ => panic!("client {user} reads {line:?}"),
            }
        }
    }

    fn read_item(&mut self, client: usize, channel: usize, number: usize) {
        let expected = self.next_of(client, channel);
        let is_checked = self.clients[client].checks(&self.backend, channel);
        let client = &mut self.clients[client];
        let user = client.user;
        let Some(seen) = client.seen.get_mut(&channel) else {
            panic!("client {user} reads {number} of c{channel}, which it does not listen to");
        };
        if is_checked {
            let seen = std::mem::replace(seen, number);
            assert_eq!(
                Some(number),
                expected,
                "client {user} on c{channel} after {seen}"
            );
        }
        assert!(
            client.may_have(&self.backend, channel, number),
            "client {user} reads {number} of c{channel}, which is not for it"
        );
    }

    /// The number of the next item that a client may have in a channel that is checked for it.
    pub fn next_of(&self, client: usize, channel: usize) -> Option<usize> {
        let client = &self.clients[client];
        let seen = *client.seen.get(&channel)?;
        let numbers = seen + 1..=self.backend.logs[channel].entries.len();
        numbers
            .filter(|_| client.checks(&self.backend, channel))
            .find(|number| client.may_have(&self.backend, channel, *number))
    }

    /// In the end nothing is missing where that is checked, and nothing waits anywhere.
    pub fn check_end(&mut self) {
        for client in 0..self.clients.len() {
            let seat = self.clients[client]
                .seat
                .and_then(|seat| self.seats.get(&seat));
            for channel in 0..self.backend.logs.len() {
                if self.is_calm && seat.is_some_and(|seat| seat.unsure.contains(&channel)) {
                    continue;
                }
                let missing = self.next_of(client, channel);
                assert_eq!(missing, None, "client {client} misses that of c{channel}");
            }
        }
        for mut seat in std::mem::take(&mut self.seats).into_values() {
            let machine = seat.machine.take();
            let waiting = machine.map_or(0, |machine| machine.into_waiting().len());
            assert_eq!(
                waiting, 0,
                "items wait in the end at client {}",
                seat.client
            );
            seat.close_account(0, false);
        }
    }
}

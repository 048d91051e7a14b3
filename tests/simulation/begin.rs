//! How holds begin at a connection, and what a backend's word means to its session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use p8::{
    engine::{
        filtering::Filtering,
        prev_ids::PrevIds,
        response_hold::ResponseHold,
        session::{Beginning, LinkAnswer, Session, Terms},
        stream_hold::StreamHold,
    },
    grip::{
        channel::ItemId,
        instruct::{KeepAlive, KeepAliveMode, NextLink},
        response::Response,
    },
};

use super::{
    backend::{channel_of, full_name, Reply, Sent, Word, PREFIX},
    seat::names,
    world::{Event, Link, Told, World},
};

const POLL_MS: u64 = 8_000;

impl World {
    /// The backend's reply to a request, or to one that was asked again.
    pub fn on_heard(&mut self, id: u64, reply: Reply) {
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let client = seat.client;
        match reply {
            Reply::Body(body) => {
                // The answer stands for what came while it was made.
                self.read(client, &body);
                self.on_disconnect(client);
            }
            Reply::Hold(word) => {
                seat.is_expecting = true;
                seat.old_key = seat.key.take();
                let hub = seat.hub;
                let wanted = wanted(&word);
                seat.word = Some(word);
                let key = self.join(hub, id, wanted);
                if let Some(seat) = self.seats.get_mut(&id) {
                    seat.key = Some(key);
                }
            }
        }
    }

    /// Every channel has acknowledged: a hold begins, or a next link's answer is told.
    pub fn on_ready(&mut self, id: u64, key: u32) {
        let Some(seat) = self.seats.get_mut(&id).filter(|seat| seat.key == Some(key)) else {
            return;
        };
        let Some(word) = seat.word.take() else { return };
        let client = seat.client;
        let entry = self.hubs[seat.hub].entries.get(&key);
        let conflicts = entry.map_or(Vec::new(), |entry| entry.conflicts.clone());
        if seat.machine.is_some() {
            let answer = self.link_answer(client, word, &conflicts);
            let answered = Told::LinkAnswered(Some(Box::new(answer)));
            return self.send(Link::HubToSeat(id), Event::ToSeat(id, key, answered));
        }
        self.begin(id, key, word, &conflicts);
    }

    fn begin(&mut self, id: u64, key: u32, word: Word, conflicts: &[usize]) {
        let moment = self.moment();
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let (client, hub, old_key) = (seat.client, seat.hub, seat.old_key.take());
        seat.is_expecting = false;
        let told = names(&seat.last);
        let mut seen = BTreeSet::new();
        let of_hold = |of: u32| of == key || Some(of) == old_key;
        let waiting: VecDeque<Sent> = std::mem::take(&mut seat.early)
            .into_iter()
            .filter(|(of, sent)| of_hold(*of) && seen.insert((sent.channel, sent.delivery)))
            .map(|(_, sent)| sent)
            .collect();
        for sent in &waiting {
            seat.give(self.backend.is_hint(sent.channel, sent.number));
        }
        self.tally.count("early", waiting.len());
        if let Some(old_key) = old_key {
            self.after(0, 5, Event::Leave(hub, old_key));
        }
        let has_link = self.clients[client].has_link;
        let is_stream = self.clients[client].is_stream;
        let is_chain = !word.is_hold;
        self.read(client, &word.body);
        let terms = match is_chain {
            true => Terms {
                waiting_max: self.waiting_max,
                ..Terms::default()
            },
            false => self.terms(client, &word),
        };
        let mut machine = if is_stream {
            let hold = StreamHold::new(Some(keep_alive()), moment.now, moment.jitter);
            Session::stream(hold, has_link.then(|| self.next_link()), terms, moment.now)
        } else {
            let mut response = Response::empty(200);
            response.body = Bytes::from("timeout");
            let hold = ResponseHold::new(response, self.instant(self.now + POLL_MS));
            Session::response(hold, true, terms)
        };
        if is_chain {
            machine.begin_chain();
        } else {
            let conflicts = conflicts.iter().map(|channel| full_name(*channel));
            let beginning = Beginning {
                waiting,
                conflicts: conflicts.collect(),
                told: old_key.map(|_| told),
            };
            machine.begin(beginning, moment);
        }
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.machine = Some(machine);
            seat.begun_at.get_or_insert(self.now);
            seat.last_sent = self.now;
        }
        self.carry_out(id, key);
    }

    fn terms(&self, client: usize, word: &Word) -> Terms {
        let user = self.clients[client].user.to_string();
        let meta = [("user", user.as_str()), ("url", "/check")];
        let meta = meta.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Terms {
            prev_ids: PrevIds::new(&[], &word.subscriptions, Some(PREFIX)),
            filtering: Filtering::new(&word.subscriptions, Some(PREFIX), &BTreeMap::from(meta)),
            waiting_max: self.waiting_max,
        }
    }

    fn link_answer(&self, client: usize, word: Word, conflicts: &[usize]) -> LinkAnswer {
        let terms = self.terms(client, &word);
        LinkAnswer {
            is_hold: word.is_hold,
            body: Bytes::from(word.body),
            prev_ids: terms.prev_ids,
            filtering: terms.filtering,
            keep_alive: Some(keep_alive()),
            next: Some(self.next_link()),
            conflicts: conflicts
                .iter()
                .map(|channel| full_name(*channel))
                .collect(),
        }
    }

    /// Its timeout heals whatever was lost, but there is nothing to heal in a calm world.
    fn next_link(&self) -> NextLink {
        NextLink {
            uri: "/next".to_owned(),
            timeout_secs: if self.is_calm { 3_600 } else { 12 },
        }
    }
}

pub fn wanted(word: &Word) -> Vec<(usize, Option<ItemId>)> {
    let subscriptions = word.subscriptions.iter();
    subscriptions
        .map(|s| (channel_of(&s.channel), s.prev_id.clone()))
        .collect()
}

fn keep_alive() -> KeepAlive {
    KeepAlive {
        content: Bytes::from("keep-alive"),
        timeout_secs: 20,
        mode: KeepAliveMode::Idle,
    }
}

//! What `actors::attentive`, `actors::session` and `http` do around a session's machine.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use p8::{
    engine::session::{Asked, FilterAnswer, Output, Session, Skipped},
    grip::{filter::FilterError, network_filter::Question, response::Response},
};

use super::{
    backend::{channel_of, is_dropped, Word},
    begin::wanted,
    seat::numbers,
    world::{Event, Link, Told, World},
};

impl World {
    pub fn on_told(&mut self, id: u64, key: u32, told: Told) {
        let moment = self.moment();
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let is_held = seat.machine.is_some() && seat.key == Some(key);
        if let (Told::Item(sent), false) = (&told, is_held) {
            let is_retried = seat.machine.is_none() && seat.key.is_some();
            if seat.is_expecting || is_retried {
                match seat.early.len() < self.waiting_max {
                    true => seat.early.push((key, sent.clone())),
                    false => self.tally.count("overflowed", 1),
                }
            }
            return;
        }
        if !is_held {
            return;
        }
        if let Told::Item(sent) = &told {
            seat.give(self.backend.is_hint(sent.channel, sent.number));
        }
        let Some(machine) = &mut seat.machine else {
            return;
        };
        let is_turn = matches!(told, Told::Turn);
        match told {
            Told::Item(sent) => machine.on_item(sent, moment),
            Told::Refresh => machine.on_refresh(moment),
            Told::Turn => machine.on_turn(),
            Told::Filtered(answer) => machine.on_filtered(answer, moment),
            Told::LinkAnswered(Some(answer)) => machine.on_answer(*answer, moment),
            Told::LinkAnswered(None) => machine.on_failure(moment),
        }
        let asked = self.tally.of("asked") + self.tally.of("retried");
        self.carry_out(id, key);
        if is_turn && asked == self.tally.of("asked") + self.tally.of("retried") {
            self.tally.count("turns not needed", 1);
        }
    }

    pub fn on_timer(&mut self, id: u64, key: u32, at: u64) {
        let moment = self.moment();
        let start = self.instant(0);
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        if seat.key != Some(key) || seat.woken_at != Some(at) {
            return;
        }
        seat.woken_at = None;
        let last_sent = start + std::time::Duration::from_millis(seat.last_sent);
        if let Some(machine) = &mut seat.machine {
            machine.on_timer(last_sent, moment);
            self.carry_out(id, key);
        }
    }

    fn is_aborted(&self, id: u64, key: u32, task: u64) -> bool {
        let seat = self.seats.get(&id);
        seat.is_none_or(|seat| seat.key != Some(key) || seat.asking != task)
    }

    pub fn on_turn(&mut self, id: u64, key: u32, task: u64) {
        if !self.is_aborted(id, key, task) {
            self.send(Link::HubToSeat(id), Event::ToSeat(id, key, Told::Turn));
        }
    }

    /// Subscriptions first, then the session is told.
    pub fn on_link_heard(&mut self, id: u64, key: u32, task: u64, word: Option<Word>) {
        if self.is_aborted(id, key, task) {
            return;
        }
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let hub = seat.hub;
        match word {
            None => self.send(
                Link::HubToSeat(id),
                Event::ToSeat(id, key, Told::LinkAnswered(None)),
            ),
            Some(word) => {
                let wanted = wanted(&word);
                seat.word = Some(word);
                seat.unsure.clear();
                self.change_channels(hub, key, wanted);
            }
        }
    }

    /// Does what the machine wants.
    pub fn carry_out(&mut self, id: u64, key: u32) {
        loop {
            let Some(seat) = self.seats.get_mut(&id).filter(|seat| seat.key == Some(key)) else {
                return;
            };
            let client = seat.client;
            let Some(output) = seat.machine.as_mut().and_then(Session::next_output) else {
                break;
            };
            let checked = |channel| self.clients[client].checks(&self.backend, channel);
            seat.settle(&output, checked);
            self.tell(|| format!("  client {client}: {output:?}"));
            match output {
                Output::Append(content, _) => {
                    self.tally.count("appended", 1);
                    self.on_sent(id, client, &content);
                }
                Output::AppendBody(body) => self.on_sent(id, client, &body),
                Output::KeepAlive(_) => {}
                Output::Respond(response, _) => return self.on_response(id, client, &response),
                Output::Finish(end) => {
                    self.tell(|| format!("ended: {end:?}"));
                    self.rest_of(id);
                    return self.on_disconnect(client);
                }
                Output::Filter(question) => self.ask_filter(id, key, &question),
                Output::TakeTurn => {
                    let task = self.new_task(id);
                    self.after(0, 150, Event::Turn(id, key, task));
                }
                Output::Ask(asked) if asked.link.is_some() => self.follow(id, key, asked),
                Output::Ask(asked) => return self.retry(id, key, &asked),
                Output::Skip(_, why) => self.tally.count(kind_of(&why), 1),
                Output::Supersede(items) => self.tally.count("superseded", items),
                Output::Forget(channel) => {
                    let hub = self.seats[&id].hub;
                    self.after(0, 5, Event::HubForget(hub, channel_of(&channel)));
                }
            }
        }
        self.wake(id, key);
    }

    fn wake(&mut self, id: u64, key: u32) {
        let machine = self.seats.get(&id).and_then(|seat| seat.machine.as_ref());
        let deadline = machine.and_then(Session::deadline);
        let deadline = deadline.map(|at| self.ms(at));
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        if seat.woken_at != deadline {
            seat.woken_at = deadline;
            if let Some(at) = deadline {
                self.at(at, Event::Timer(id, key, at));
            }
        }
    }

    fn on_sent(&mut self, id: u64, client: usize, content: &[u8]) {
        let text = String::from_utf8_lossy(content).into_owned();
        self.read(client, &text);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.last_sent = self.now;
        }
    }

    fn on_response(&mut self, id: u64, client: usize, response: &Response) {
        if response.body != "timeout" {
            self.tally.count("answered", 1);
            let text = String::from_utf8_lossy(&response.body).into_owned();
            self.read(client, &text);
        }
        self.rest_of(id);
        self.on_disconnect(client);
    }

    /// The outputs behind the last word of a machine: nothing but what it counts.
    fn rest_of(&mut self, id: u64) {
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        while let Some(output) = seat.machine.as_mut().and_then(Session::next_output) {
            let is_count = matches!(output, Output::Supersede(_) | Output::Skip(..));
            assert!(is_count, "after the end: {output:?}");
            seat.settle(&output, |_| false);
        }
    }

    fn new_task(&mut self, id: u64) -> u64 {
        self.names += 1;
        let task = self.names;
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.asking = task;
        }
        task
    }

    fn follow(&mut self, id: u64, key: u32, asked: Asked) {
        self.tally.count("asked", 1);
        let task = self.new_task(id);
        self.after(1, 100, Event::LinkAsked(id, key, task, asked));
    }

    /// The request is asked again; its session stays subscribed, and what waits is kept.
    fn retry(&mut self, id: u64, key: u32, asked: &Asked) {
        self.tally.count("retried", 1);
        self.rest_of(id);
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let waiting = seat
            .machine
            .take()
            .map(Session::into_waiting)
            .unwrap_or_default();
        seat.close_account(waiting.len(), false);
        seat.early
            .extend(waiting.into_iter().map(|sent| (key, sent)));
        let last = numbers(&asked.last);
        seat.last
            .retain(|(known, _)| last.iter().all(|(channel, _)| channel != known));
        seat.last.extend(last);
        seat.woken_at = None;
        let last = seat.last.clone();
        self.after(1, 100, Event::Request(id, last));
    }

    /// `http-check`, answered by what the question says: at times late, or not at all.
    fn ask_filter(&mut self, id: u64, key: u32, question: &Question) {
        let user = self.clients[self.seats[&id].client].user;
        let meta: BTreeMap<String, String> =
            serde_json::from_slice(question.headers["pub-meta"].as_bytes()).expect("JSON");
        let number = |of: &str| meta[of].parse::<usize>().expect("a number");
        let fails = self.fails(12);
        let answer = if fails {
            Err(FilterError::Unanswered {
                filter: question.filter,
                why: "chance".to_owned(),
            })
        } else {
            let mut headers = HeaderMap::new();
            if is_dropped(user, number("channel"), number("number")) {
                headers.insert("action", "drop".parse().expect("a value"));
            }
            Ok(FilterAnswer {
                status: 204,
                headers,
                body: Bytes::new(),
            })
        };
        let late = if self.rng.u8(..5) == 0 { 700 } else { 30 };
        self.after(1, late, Event::ToSeat(id, key, Told::Filtered(answer)));
    }
}

fn kind_of(why: &Skipped) -> &'static str {
    match why {
        Skipped::Filtered => "filtered",
        Skipped::FilterError(_) => "filter errors",
        Skipped::QueueFull => "overflowed",
        Skipped::ContentFilters | Skipped::Unpatchable(_) | Skipped::Unsendable => {
            panic!("not in this world: {why:?}")
        }
    }
}

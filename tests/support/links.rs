//! Answers with links and ids, and a backend that answers by path.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::backend::{Answer, Backend, Request};
use super::wait::{wait_until, DEADLINE};

impl Answer {
    /// Names the link that a stream goes on with.
    pub fn next(self, link: &str) -> Answer {
        self.header("Grip-Link", format!("<{link}>; rel=next"))
    }

    /// Names the link that hears of the end.
    pub fn gone(self, link: &str) -> Answer {
        self.header("Grip-Link", format!("<{link}>; rel=gone"))
    }
}

/// Asks for a hold on channel `a`, whose last item is that one.
pub fn checked(mode: &str, prev_id: &str, body: &str) -> Answer {
    let answer = Answer::ok(body).header("Grip-Hold", mode);
    answer.header("Grip-Channel", format!("a; prev-id={prev_id}"))
}

/// A backend that answers by path, and by how often that path was asked before.
pub fn by_path(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Backend {
    let asked = Mutex::new(HashMap::<String, usize>::new());
    Backend::answering(move |request| {
        let path = path(request);
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let times = asked.entry(path.to_owned()).or_default();
        let before = *times;
        *times += 1;
        drop(asked);
        answer(path, before)
    })
}

fn path(request: &Request) -> &str {
    request.target.split('?').next().unwrap_or_default()
}

/// What a backend was asked for at that path.
pub fn seen_at(backend: &Backend, at: &str) -> Vec<Request> {
    let mut seen = backend.seen();
    seen.retain(|request| path(request) == at);
    seen
}

/// Waits until a backend was asked so often at that path.
#[track_caller]
pub fn wait_for_requests(backend: &Backend, at: &str, count: usize) -> Vec<Request> {
    wait_until(DEADLINE, &format!("{count} requests for {at}"), || {
        seen_at(backend, at).len() >= count
    });
    seen_at(backend, at)
}

//! How long a client may be silent while something of it is waited for: a head, more of a body.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix::clock::{Instant, Sleep};

/// The timers of one connection; there are none while nothing is waited for.
#[derive(Default)]
pub struct Silence {
    head: Option<Pin<Box<Sleep>>>,
    body: Option<Pin<Box<Sleep>>>,
    is_body_awaited: bool,
}

impl Silence {
    /// Tells that a head is timed anew: nothing of it has come, its first byte has, or all of it.
    pub fn restart_head(&mut self) {
        self.head = None;
    }

    /// Ends when a head, or the first byte of one, has not come within the time.
    pub fn poll_head(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = || Box::pin(actix::clock::sleep(limit));
        self.head.get_or_insert_with(timer).as_mut().poll(cx)
    }

    /// Tells that some of a body has come, or that none is waited for.
    pub fn body_moved(&mut self) {
        self.is_body_awaited = false;
    }

    /// Ends when nothing of a body has come within the time.
    pub fn poll_body(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = || Box::pin(actix::clock::sleep(limit));
        let is_new = self.body.is_none();
        let timer = self.body.get_or_insert_with(timer);
        if !std::mem::replace(&mut self.is_body_awaited, true) && !is_new {
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }
}

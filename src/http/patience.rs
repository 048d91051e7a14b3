//! How long a client may be silent while something of it is waited for: a head, more of a body.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix::clock::{sleep_until, Instant, Sleep};

/// The timers of one connection; there are none before something is waited for.
#[derive(Default)]
pub struct Silence {
    head: Timer,
    body: Timer,
}

/// A time that is set anew far more often than it comes.
#[derive(Default)]
struct Timer {
    due: Option<Instant>,
    /// Ends when it is due, or before: to set it for each request would cost more than to look again.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// Tells that a head is timed anew: nothing of it has come, its first byte has, or all of it.
    pub fn restart_head(&mut self) {
        self.head.due = None;
    }

    /// Ends when a head, or the first byte of one, has not come within the time.
    pub fn poll_head(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.head.poll(limit, cx)
    }

    /// Tells that some of a body has come, or that none is waited for.
    pub fn body_moved(&mut self) {
        self.body.due = None;
    }

    /// Ends when nothing of a body has come within the time.
    pub fn poll_body(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        self.body.poll(limit, cx)
    }
}

impl Timer {
    fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.due.get_or_insert_with(|| Instant::now() + limit);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::time::{advance, pause};

    use super::*;

    #[actix_rt::test]
    async fn time_is_counted_from_the_last_start() {
        pause();
        let mut cx = Context::from_waker(Waker::noop());
        let mut silence = Silence::default();
        let limit = Duration::from_secs(10);
        assert!(silence.poll_head(limit, &mut cx).is_pending());
        advance(Duration::from_secs(6)).await;
        silence.restart_head();
        assert!(silence.poll_head(limit, &mut cx).is_pending());
        advance(Duration::from_secs(6)).await;
        assert!(silence.poll_head(limit, &mut cx).is_pending(), "6 s of it");
        advance(Duration::from_secs(5)).await;
        assert!(silence.poll_head(limit, &mut cx).is_ready());
        silence.restart_head();
        let shorter = Duration::from_secs(1);
        assert!(silence.poll_head(shorter, &mut cx).is_pending());
        silence.restart_head();
        assert!(silence.poll_head(limit, &mut cx).is_pending());
        silence.restart_head();
        assert!(silence.poll_head(shorter, &mut cx).is_pending());
        advance(Duration::from_secs(2)).await;
        assert!(silence.poll_head(shorter, &mut cx).is_ready());
    }
}

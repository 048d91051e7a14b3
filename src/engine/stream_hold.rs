//! The stream machine: an open response to which items are appended, kept alive while idle.
//!
//! Items of a stream without filters never pass here: a hub appends them to the outbox directly and
//! this machine only hears when something was last sent. Source: `docs/grip.md#stream-hold`.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::grip::instruct::{KeepAlive, KeepAliveMode};

/// What a stream does when it is woken.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Append this content and wait on.
    Append(Bytes),
    /// Nothing is due yet.
    Wait,
}

/// An open stream.
#[derive(Debug)]
pub struct StreamHold(Option<Box<KeptAlive>>);

/// What a stream without keep-alives does not have.
#[derive(Debug)]
struct KeptAlive {
    how: KeepAlive,
    due: Instant,
}

impl StreamHold {
    /// Begins the hold; `jitter` (0 to 999 ms) makes the first keep-alive come earlier.
    pub fn new(keep_alive: Option<KeepAlive>, now: Instant, jitter: Duration) -> Self {
        Self(keep_alive.map(|how| {
            let due = now + delay(&how, jitter);
            Box::new(KeptAlive { how, due })
        }))
    }

    /// Goes on with another keep-alive; one that stays the same keeps its time.
    pub fn change(&mut self, keep_alive: Option<KeepAlive>, now: Instant, jitter: Duration) {
        let before = self.0.as_ref().map(|kept| &kept.how);
        if before != keep_alive.as_ref() {
            *self = Self::new(keep_alive, now, jitter);
        }
    }

    /// Returns when [`StreamHold::on_timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|kept| kept.due)
    }

    /// Looks at the clock; an item sent since restarts an idle keep-alive's delay.
    pub fn on_timer(&mut self, now: Instant, last_sent: Instant, jitter: Duration) -> Output {
        let Some(kept) = self.0.as_deref_mut().filter(|kept| now >= kept.due) else {
            return Output::Wait;
        };
        let delay = delay(&kept.how, jitter);
        let idle_until = last_sent + delay;
        if kept.how.mode == KeepAliveMode::Idle && idle_until > now {
            kept.due = idle_until;
            return Output::Wait;
        }
        kept.due = now + delay;
        Output::Append(kept.how.content.clone())
    }
}

fn delay(how: &KeepAlive, jitter: Duration) -> Duration {
    let timeout = Duration::from_secs(u64::from(how.timeout_secs));
    timeout.saturating_sub(jitter).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keep_alive(mode: KeepAliveMode) -> Option<KeepAlive> {
        Some(KeepAlive {
            content: Bytes::from("ka"),
            timeout_secs: 10,
            mode,
        })
    }

    #[test]
    fn without_keep_alive_nothing_is_ever_due() {
        let now = Instant::now();
        let mut hold = StreamHold::new(None, now, Duration::ZERO);
        assert_eq!(hold.deadline(), None);
        assert_eq!(
            hold.on_timer(now + SECOND * 99, now, Duration::ZERO),
            Output::Wait
        );
    }

    #[test]
    fn idle_waits_again_after_an_item_and_interval_does_not() {
        for (mode, at_ten) in [
            (KeepAliveMode::Idle, Output::Wait),
            (KeepAliveMode::Interval, Output::Append(Bytes::from("ka"))),
        ] {
            let start = Instant::now();
            let mut hold = StreamHold::new(keep_alive(mode), start, Duration::ZERO);
            assert_eq!(hold.deadline(), Some(start + SECOND * 10));
            let sent = start + SECOND * 4;
            assert_eq!(
                hold.on_timer(start + SECOND * 10, sent, Duration::ZERO),
                at_ten,
                "{mode:?}"
            );
        }
    }

    #[test]
    fn an_idle_stream_is_kept_alive_again_and_again() {
        let start = Instant::now();
        let mut hold = StreamHold::new(keep_alive(KeepAliveMode::Idle), start, SECOND / 2);
        let first = start + Duration::from_millis(9_500);
        assert_eq!(hold.deadline(), Some(first));
        assert_eq!(
            hold.on_timer(first, start, SECOND / 2),
            Output::Append(Bytes::from("ka"))
        );
        let second = first + Duration::from_millis(9_500);
        assert_eq!(hold.deadline(), Some(second));
        assert_eq!(
            hold.on_timer(second, first, Duration::ZERO),
            Output::Wait,
            "jitter differs"
        );
        assert_eq!(hold.deadline(), Some(first + SECOND * 10));
    }
}

//! When a session asks its backend again: at once, after a moment in which many such wishes gather, or
//! after a failure with growing pauses.
//!
//! ```text
//!            hint ───────────────┐
//! Idle ── gap, refresh ──▶ Due ──┴▶ Waiting (for a turn) ──▶ Asking ──▶ Idle
//!                           ▲ 1, 2, 4, 8, 16 s and a jitter ──┘ failed     (over after the sixth)
//! ```
//!
//! With a gap the session has missed something: what comes meanwhile waits. Without one, items go on
//! until the backend is really asked. Source: `docs/grip.md#recovery`.

use std::time::{Duration, Instant};

/// How long wishes gather before the backend is asked.
const GATHER: Duration = Duration::from_millis(100);

/// Failures after which it is not asked again.
const FAILURES_MAX: u32 = 6;

/// The whole of a session's jitter (0 to 999 ms), shortened so that gathering stays short.
const GATHER_JITTER_PART: u32 = 8;

/// Whether what comes meanwhile has to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gap {
    /// It need not.
    #[default]
    None,
    /// Something was missed, and may still come by itself.
    Missed,
    /// The backend is to speak first.
    Told,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Due {
        at: Instant,
        gap: Gap,
    },
    Waiting {
        gap: Gap,
    },
    Asking {
        gap: Gap,
    },
}

/// The wish of one session to ask its backend again.
#[derive(Debug, Default)]
pub struct Recovery {
    state: State,
    failures: u32,
    /// It is not only a gap, which may close by itself, that the backend is asked for.
    is_wanted: bool,
}

impl Recovery {
    /// Returns when [`Recovery::on_timer`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Due { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Tells whether items have to wait: for what was missed, or for the backend's word.
    pub fn has_gap(&self) -> bool {
        self.gap() != Gap::None
    }

    /// Tells whether what was missed may still come by itself.
    pub fn may_catch_up(&self) -> bool {
        self.gap() == Gap::Missed && !self.is_asking()
    }

    fn gap(&self) -> Gap {
        match self.state {
            State::Idle => Gap::None,
            State::Due { gap, .. } | State::Waiting { gap } | State::Asking { gap } => gap,
        }
    }

    fn set_gap(&mut self, to: Gap) {
        match &mut self.state {
            State::Idle => {}
            State::Due { gap, .. } | State::Waiting { gap } | State::Asking { gap } => {
                if *gap == Gap::None || to == Gap::Told {
                    *gap = to;
                }
            }
        }
    }

    /// Tells whether the backend is being asked now.
    pub fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking { .. })
    }

    /// Tells whether a turn is waited for.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Wants to ask soon, whatever comes by itself.
    pub fn refresh(&mut self, now: Instant, jitter: Duration) {
        self.is_wanted |= !self.is_asking();
        self.gather(now, jitter);
    }

    /// Asks soon, unless that is so already.
    fn gather(&mut self, now: Instant, jitter: Duration) {
        if self.state == State::Idle {
            let at = now + GATHER + jitter / GATHER_JITTER_PART;
            let gap = Gap::None;
            self.state = State::Due { at, gap };
        }
    }

    /// Notes that something was missed, and wants to ask soon.
    pub fn miss(&mut self, now: Instant, jitter: Duration) {
        self.gather(now, jitter);
        self.set_gap(Gap::Missed);
    }

    /// The backend is to speak before anything else is delivered.
    pub fn hold_up(&mut self) {
        self.set_gap(Gap::Told);
    }

    /// Wants to ask at once; true if a turn must be taken for that.
    pub fn ask_now(&mut self) -> bool {
        self.is_wanted |= !self.is_asking();
        self.take_turn()
    }

    fn take_turn(&mut self) -> bool {
        match self.state {
            State::Idle | State::Due { .. } => {
                self.state = State::Waiting { gap: self.gap() };
                true
            }
            State::Waiting { .. } | State::Asking { .. } => false,
        }
    }

    /// Looks at the clock; true if a turn must be taken.
    pub fn on_timer(&mut self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| at <= now) && self.take_turn()
    }

    /// The session's turn has come; true if the backend is asked now.
    pub fn on_turn(&mut self) -> bool {
        let State::Waiting { gap } = self.state else {
            return false;
        };
        self.state = State::Asking { gap };
        true
    }

    /// Nothing is missing any more, or the backend has answered.
    pub fn settle(&mut self) {
        *self = Self::default();
    }

    /// The missed items came by themselves: there is nothing to ask unless something else is.
    pub fn on_caught_up(&mut self) {
        if !self.may_catch_up() {
            return;
        }
        match &mut self.state {
            State::Due { gap, .. } | State::Waiting { gap } if self.is_wanted => *gap = Gap::None,
            _ => self.settle(),
        }
    }

    /// The backend did not answer; false if it is not asked again.
    pub fn on_failure(&mut self, now: Instant, jitter: Duration) -> bool {
        let gap = self.gap();
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            return false;
        }
        let pause = Duration::from_secs(1 << (self.failures - 1)) + jitter;
        self.state = State::Due {
            at: now + pause,
            gap,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: Duration = Duration::ZERO;

    #[test]
    fn wishes_gather_and_then_take_one_turn() {
        let start = Instant::now();
        let mut recovery = Recovery::default();
        recovery.refresh(start, NO_JITTER);
        recovery.miss(start + GATHER / 2, NO_JITTER);
        assert!(recovery.has_gap());
        assert_eq!(recovery.deadline(), Some(start + GATHER));
        assert!(!recovery.on_timer(start + GATHER / 2));
        assert!(recovery.on_timer(start + GATHER));
        assert!(!recovery.on_timer(start + GATHER) && !recovery.ask_now());
        assert!(recovery.on_turn() && recovery.is_asking());
        assert!(!recovery.on_turn());
        recovery.settle();
        assert!(!recovery.has_gap() && recovery.deadline().is_none());
    }

    #[test]
    fn what_arrives_by_itself_needs_no_asking() {
        let start = Instant::now();
        let mut recovery = Recovery::default();
        recovery.miss(start, NO_JITTER);
        recovery.on_caught_up();
        assert!(!recovery.has_gap() && !recovery.on_timer(start + GATHER));
        assert!(recovery.ask_now());
        recovery.hold_up();
        recovery.on_caught_up();
        assert!(recovery.has_gap(), "the backend was to speak first");
        assert!(recovery.on_turn());
        recovery.on_caught_up();
        assert!(recovery.is_asking(), "an answer is on its way");
    }

    #[test]
    fn what_is_wanted_anyway_is_asked_though_the_gap_has_closed() {
        let start = Instant::now();
        let mut recovery = Recovery::default();
        recovery.refresh(start, NO_JITTER);
        recovery.miss(start, NO_JITTER);
        recovery.on_caught_up();
        assert!(!recovery.has_gap() && recovery.on_timer(start + GATHER));
        assert!(recovery.on_turn());
        recovery.settle();
        recovery.miss(start, NO_JITTER);
        recovery.on_caught_up();
        assert_eq!(recovery.deadline(), None, "the wish was met");
    }

    #[test]
    fn failures_are_repeated_with_growing_pauses_and_then_given_up() {
        let start = Instant::now();
        let mut recovery = Recovery::default();
        let jitter = Duration::from_millis(300);
        for secs in [1, 2, 4, 8, 16] {
            assert!(recovery.ask_now() && recovery.on_turn());
            assert!(recovery.on_failure(start, jitter));
            let expected = start + Duration::from_secs(secs) + jitter;
            assert_eq!(recovery.deadline(), Some(expected));
        }
        assert!(recovery.ask_now() && recovery.on_turn());
        assert!(!recovery.on_failure(start, jitter));
    }
}

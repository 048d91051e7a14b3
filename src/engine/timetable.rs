//! The timetable: which session wants to be woken when.
//!
//! One per worker instead of a timer per session: an entry costs a few words, and is taken out when
//! the session ends. Knows no clock; whoever owns it sleeps until `next` and asks for what is `due`.

use std::{collections::BTreeSet, time::Instant};

use super::fan_out::SessionKey;

/// Wake-ups, earliest first; at most one for a session.
#[derive(Debug, Default)]
pub struct Timetable {
    entries: BTreeSet<(Instant, SessionKey)>,
}

impl Timetable {
    /// Replaces a session's wake-up: takes out the one at `old`, puts in one at `new`.
    ///
    /// Returns true if the earliest wake-up is now sooner than before.
    pub fn change(&mut self, key: SessionKey, old: Option<Instant>, new: Option<Instant>) -> bool {
        let before = self.next();
        if let Some(at) = old {
            self.entries.remove(&(at, key));
        }
        if let Some(at) = new {
            self.entries.insert((at, key));
        }
        match (before, self.next()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(now)) => now < before,
        }
    }

    /// Returns the earliest wake-up.
    pub fn next(&self) -> Option<Instant> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Takes out one session whose time has come.
    pub fn due(&mut self, now: Instant) -> Option<SessionKey> {
        let (at, _) = self.entries.first()?;
        if *at > now {
            return None;
        }
        self.entries.pop_first().map(|(_, key)| key)
    }

    /// Returns the number of wake-ups.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether nobody wants to be woken.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sessions_are_due_in_order_of_time() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut table = Timetable::default();
        assert!(table.change(SessionKey(1), None, Some(at(5))));
        assert!(!table.change(SessionKey(2), None, Some(at(7))));
        assert!(table.change(SessionKey(3), None, Some(at(2))));
        assert!(!table.change(SessionKey(3), Some(at(2)), Some(at(6))));
        assert_eq!(table.next(), Some(at(5)));
        assert_eq!(table.due(at(4)), None);
        assert_eq!(table.due(at(6)), Some(SessionKey(1)));
        assert_eq!(table.due(at(6)), Some(SessionKey(3)));
        assert_eq!(table.due(at(6)), None);
        table.change(SessionKey(2), Some(at(7)), None);
        assert!(table.is_empty());
    }
}

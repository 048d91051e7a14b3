//! Fan-out: which members of a channel have had the item in flight, and which are next.
//!
//! A fan-out is cut into slices, and between slices members come and go. The list is kept in three
//! runs, so that each member present at the start is served exactly once and a late one not at all:
//!
//! ```text
//! | served ........ | waiting ........ | joined later |
//! 0              served             end             len
//! ```

/// Names a session within its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u32);

/// The local members of a channel.
#[derive(Debug, Default)]
pub struct Members {
    keys: Vec<SessionKey>,
    served: usize,
    end: usize,
}

impl Members {
    /// Tells whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the members, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.keys.iter().copied()
    }

    /// Adds a member and returns its place, which [`Members::leave`] needs.
    pub fn join(&mut self, key: SessionKey) -> u32 {
        self.keys.push(key);
        self.check_invariants();
        (self.keys.len() - 1) as u32
    }

    /// Removes the member at `place`; `moved` hears the new place of every member that had to move.
    pub fn leave(&mut self, place: u32, mut moved: impl FnMut(SessionKey, u32)) {
        let mut hole = place as usize;
        if hole >= self.keys.len() {
            return;
        }
        for boundary in [&mut self.served, &mut self.end] {
            if hole < *boundary {
                *boundary -= 1;
                let last = *boundary;
                Self::fill(&mut self.keys, hole, last, &mut moved);
                hole = last;
            }
        }
        let last = self.keys.len() - 1;
        Self::fill(&mut self.keys, hole, last, &mut moved);
        self.keys.truncate(last);
        if self.keys.is_empty() {
            self.keys = Vec::new();
        }
        self.check_invariants();
    }

    /// Begins the fan-out of an item to those who are members now.
    pub fn begin(&mut self) {
        self.served = 0;
        self.end = self.keys.len();
    }

    /// Returns the next member to serve and counts it as served, whatever then happens to it.
    pub fn next_to_serve(&mut self) -> Option<SessionKey> {
        let key = (self.served < self.end)
            .then(|| self.keys.get(self.served).copied())
            .flatten()?;
        self.served += 1;
        Some(key)
    }

    fn fill(
        keys: &mut [SessionKey],
        hole: usize,
        from: usize,
        moved: &mut impl FnMut(SessionKey, u32),
    ) {
        if hole != from {
            keys.swap(hole, from);
            if let Some(key) = keys.get(hole) {
                moved(*key, hole as u32);
            }
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.served <= self.end && self.end <= self.keys.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn each_member_is_served_once_while_others_come_and_go() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut members = Members::default();
            let mut places: HashMap<SessionKey, u32> = HashMap::new();
            let mut next = 0;
            for _ in 0..random.u32(1..40) {
                places.insert(SessionKey(next), members.join(SessionKey(next)));
                next += 1;
            }
            let at_start: Vec<_> = places.keys().copied().collect();
            let mut left_unserved = Vec::new();
            let mut served = Vec::new();
            members.begin();
            loop {
                match random.u8(0..4) {
                    0 => {
                        places.insert(SessionKey(next), members.join(SessionKey(next)));
                        next += 1;
                    }
                    1 if !places.is_empty() => {
                        let gone = *places.keys().nth(random.usize(0..places.len())).unwrap();
                        let place = places.remove(&gone).unwrap();
                        members.leave(place, |key, to| {
                            places.insert(key, to);
                        });
                        left_unserved.push(gone);
                    }
                    _ => match members.next_to_serve() {
                        Some(key) => served.push(key),
                        None => break,
                    },
                }
                for (key, place) in &places {
                    assert_eq!(
                        members.keys[*place as usize], *key,
                        "places are kept up to date"
                    );
                }
            }
            for key in at_start {
                let times = served.iter().filter(|k| **k == key).count();
                assert!(
                    times == 1 || (times == 0 && left_unserved.contains(&key)),
                    "{key:?}"
                );
            }
            let unique: std::collections::HashSet<_> = served.iter().collect();
            assert_eq!(unique.len(), served.len());
        }
    }
}

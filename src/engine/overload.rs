//! Who is turned away when more is asked for than can be done: rules for backends.
//!
//! A backend that is slower than its requests arrive must not collect them without bound: each that
//! waits holds a client, a descriptor and memory, and is answered later than its client is willing to
//! wait. So past a bound new requests are refused at once, which costs their clients a moment, while
//! those that wait already get their answers in time.
//!
//! Not its concern: who counts (`actors::targets`), what a refused client is told (`http::reply`).

/// Whether one more request may wait for a target's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is a client's own: only while fewer than so many wait.
    Below(usize),
    /// It is of a session that is held already, which is not to fail for the sake of new clients; such
    /// requests have bounds of their own.
    Always,
}

impl Admission {
    /// Tells whether it may, with so many that wait before it.
    pub fn admits(self, waiting: usize) -> bool {
        match self {
            Self::Below(max) => waiting < max,
            Self::Always => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_requests_are_refused_at_the_bound_and_those_of_held_sessions_never() {
        for (waiting, is_admitted) in [(0, true), (1, true), (2, false), (3, false)] {
            assert_eq!(Admission::Below(2).admits(waiting), is_admitted);
            assert!(Admission::Always.admits(waiting));
        }
    }
}

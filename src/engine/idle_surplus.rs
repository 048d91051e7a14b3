//! How many idle connections a pool gives up: of those that nobody has needed since it last looked, half.
//!
//! A burst leaves more of them than what follows needs, and each has buffers of its own. The age of a
//! connection is not its concern.

/// So many are kept, be they needed or not.
const IDLE_KEPT: usize = 8;

/// What a pool has seen of its idle connections since it last looked.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdleSurplus {
    /// The fewest that were idle at a time.
    least: usize,
}

impl IdleSurplus {
    /// Notes how many are left idle when one is taken.
    pub fn on_taken(&mut self, left: usize) {
        self.least = self.least.min(left);
    }

    /// Looks at how many are idle now; returns how many to close.
    pub fn on_look(&mut self, idle: usize) -> usize {
        let unneeded = self.least.min(idle).saturating_sub(IDLE_KEPT);
        let closed = unneeded.div_ceil(2);
        self.least = idle - closed;
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_needs_goes_by_halves() {
        let mut surplus = IdleSurplus::default();
        let mut idle = 100;
        let mut left = Vec::new();
        for _ in 0..9 {
            idle -= surplus.on_look(idle);
            left.push(idle);
        }
        assert_eq!(left, [100, 54, 31, 19, 13, 10, 9, 8, 8]);
    }

    #[test]
    fn what_is_needed_now_and_then_stays() {
        let mut surplus = IdleSurplus::default();
        for _ in 0..9 {
            assert_eq!(surplus.on_look(50), 0);
            surplus.on_taken(20);
            surplus.on_taken(5);
            surplus.on_taken(30);
        }
        assert_eq!(surplus.on_look(50), 0);
        surplus.on_taken(40);
        assert_eq!(surplus.on_look(50), 16);
    }
}

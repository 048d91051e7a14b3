//! A worker's subscription to a channel: pending until the channel acknowledged it, then live.
//!
//! One per worker and channel with local members; none means absent. The generation tells the
//! answers to an earlier subscription from those to this one. Epoch and sequence number of each
//! delivery show what a replaced channel still sends, and what got lost on the way.

/// Where a worker stands with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Channels of earlier epochs are not listened to.
    Pending {
        not_before: u64,
    },
    Live {
        epoch: u64,
        next: u64,
    },
}

/// What to make of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is the next one.
    InOrder,
    /// It is for the members, but this many before it never arrived.
    AfterGap(u64),
    /// It was sent by a replaced channel, or before this subscription: drop it.
    Stale,
}

/// The machine of one worker and channel.
#[derive(Debug)]
pub struct Subscription {
    generation: u64,
    state: State,
}

impl Subscription {
    /// Begins to subscribe.
    pub fn new(generation: u64) -> Self {
        Self {
            generation,
            state: State::Pending { not_before: 0 },
        }
    }

    /// Returns what names this subscription among the worker's others to the same channel.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells whether the channel has acknowledged.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// The channel's handler was replaced by one whose epochs begin here: whatever the lost one still
    /// says is too old. Returns false if the new one has acknowledged already.
    pub fn on_replaced(&mut self, not_before: u64) -> bool {
        let is_old = self.oldest() < not_before;
        if is_old {
            self.state = State::Pending { not_before };
        }
        is_old || !self.is_live()
    }

    /// Tells whether a channel of that epoch is listened to.
    pub fn listens_to(&self, epoch: u64) -> bool {
        epoch >= self.oldest()
    }

    fn oldest(&self) -> u64 {
        match self.state {
            State::Pending { not_before } => not_before,
            State::Live { epoch, .. } => epoch,
        }
    }

    /// Takes the channel's acknowledgement; returns true if the subscription became live by it.
    pub fn on_acknowledged(&mut self, generation: u64, epoch: u64, next: u64) -> bool {
        let is_for_this = generation == self.generation && self.listens_to(epoch);
        let became_live = is_for_this && !self.is_live();
        if became_live {
            self.state = State::Live { epoch, next };
        }
        became_live
    }

    /// Judges a delivery by its epoch and sequence number.
    pub fn on_delivery(&mut self, epoch: u64, sequence: u64) -> Receipt {
        let State::Live {
            epoch: current,
            next,
        } = self.state
        else {
            return Receipt::Stale;
        };
        if epoch < current || (epoch == current && sequence < next) {
            return Receipt::Stale;
        }
        self.state = State::Live {
            epoch,
            next: sequence + 1,
        };
        if epoch > current || sequence == next {
            Receipt::InOrder
        } else {
            Receipt::AfterGap(sequence - next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_of_another_generation_are_ignored() {
        let mut subscription = Subscription::new(2);
        assert!(!subscription.on_acknowledged(1, 0, 0));
        assert!(!subscription.is_live());
        assert!(subscription.on_acknowledged(2, 0, 5));
        assert!(
            !subscription.on_acknowledged(2, 0, 9),
            "only the first one counts"
        );
        assert_eq!(subscription.on_delivery(0, 5), Receipt::InOrder);
    }

    #[test]
    fn what_a_replaced_handler_still_says_is_ignored() {
        let mut subscription = Subscription::new(1);
        subscription.on_acknowledged(1, 3, 0);
        assert!(subscription.on_replaced(100));
        assert!(!subscription.is_live());
        assert_eq!(subscription.on_delivery(3, 0), Receipt::Stale);
        assert!(!subscription.on_acknowledged(1, 4, 0), "of the lost one");
        assert!(!subscription.listens_to(99));
        assert!(subscription.on_replaced(100), "it may be announced twice");
        assert!(subscription.on_acknowledged(1, 100, 0));
        assert!(!subscription.on_replaced(100), "nothing is to be announced");
        assert_eq!(subscription.on_delivery(3, 1), Receipt::Stale);
        assert_eq!(subscription.on_delivery(100, 0), Receipt::InOrder);
    }

    #[test]
    fn deliveries_are_judged_by_epoch_and_number() {
        let mut subscription = Subscription::new(1);
        assert_eq!(
            subscription.on_delivery(0, 0),
            Receipt::Stale,
            "nothing counts while pending"
        );
        subscription.on_acknowledged(1, 3, 10);
        for (epoch, sequence, expected) in [
            (3, 10, Receipt::InOrder),
            (3, 10, Receipt::Stale),
            (3, 13, Receipt::AfterGap(2)),
            (2, 14, Receipt::Stale),
            (4, 0, Receipt::InOrder),
            (4, 1, Receipt::InOrder),
            (3, 14, Receipt::Stale),
        ] {
            assert_eq!(
                subscription.on_delivery(epoch, sequence),
                expected,
                "{epoch}/{sequence}"
            );
        }
    }
}

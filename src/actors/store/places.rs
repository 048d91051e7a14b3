//! Where a session stands in its channels' lists; nearly always in one, so that one costs nothing.

/// Where a session is in its channels' lists: index of the channel, place in its list.
pub(super) enum Places {
    One((u32, u32)),
    /// Twice boxed, so that one takes two words.
    Many(Box<Box<[(u32, u32)]>>),
}

impl Places {
    pub(super) fn new(places: Vec<(u32, u32)>) -> Self {
        match places.as_slice() {
            [one] => Self::One(*one),
            _ => Self::Many(Box::new(places.into_boxed_slice())),
        }
    }

    pub(super) fn all(&self) -> &[(u32, u32)] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    pub(super) fn all_mut(&mut self) -> &mut [(u32, u32)] {
        match self {
            Self::One(one) => std::slice::from_mut(one),
            Self::Many(many) => many,
        }
    }
}

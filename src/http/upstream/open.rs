//! How many connections are open to each target: those in use, idle ones, and switched ones.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use crate::engine::route::TargetKind;

/// Targets known past which those without connections are forgotten.
const SWEPT_FROM: usize = 256;

/// The numbers of a worker.
#[derive(Default)]
pub(super) struct OpenConnections {
    by_target: RefCell<HashMap<TargetKind, Rc<Cell<u64>>>>,
}

/// One open connection; dropping it says that it is closed.
pub(super) struct Counted(Rc<Cell<u64>>);

impl OpenConnections {
    /// Counts a connection.
    pub(super) fn count(&self, target: &TargetKind) -> Counted {
        let mut by_target = self.by_target.borrow_mut();
        if let Some(known) = by_target.get(target) {
            return Counted::new(known.clone());
        }
        if by_target.len() >= SWEPT_FROM {
            by_target.retain(|_, count| count.get() > 0);
        }
        let counted = Counted::new(Rc::default());
        by_target.insert(target.clone(), counted.0.clone());
        counted
    }

    /// Returns how many there are to each target.
    pub(super) fn all(&self) -> Vec<(TargetKind, u64)> {
        let by_target = self.by_target.borrow();
        let counts = by_target.iter();
        counts
            .map(|(target, count)| (target.clone(), count.get()))
            .collect()
    }
}

impl Counted {
    fn new(count: Rc<Cell<u64>>) -> Counted {
        count.set(count.get() + 1);
        Counted(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_until_it_is_closed() {
        let open = OpenConnections::default();
        let target = TargetKind::Test;
        let (one, other) = (open.count(&target), open.count(&target));
        assert_eq!(open.all(), [(TargetKind::Test, 2)]);
        drop(one);
        assert_eq!(open.all(), [(TargetKind::Test, 1)]);
        drop(other);
        assert_eq!(open.all(), [(TargetKind::Test, 0)]);
    }
}

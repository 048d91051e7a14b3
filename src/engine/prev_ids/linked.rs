//! How the items that wait in a checked channel stand to the last one that the session has, by their
//! ids and prev-ids alone: they may have come in any order, and more than once.

use std::collections::{HashSet, VecDeque};

use crate::grip::{channel::ItemId, publish::Item};

/// Items of one channel, each with its place.
type Placed<'a> = (usize, &'a Item);

/// What is not here leads up to the item that the session has, or repeats another one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// Places of the items that lead on from there, in their order.
    pub(super) next: Vec<usize>,
    /// Places of those that are not linked to it, in the order in which they came.
    pub(super) unlinked: Vec<usize>,
}

impl Linked {
    /// Looks at the items of one channel; `id` is that of the last one that the session has.
    pub(super) fn new<'a>(items: impl Iterator<Item = Placed<'a>>, id: &'a ItemId) -> Self {
        let mut rest: VecDeque<Placed<'a>> = items.collect();
        let mut known = HashSet::from([id]);
        let mut before = Some(id);
        while let Some(id) = before {
            let found = take(&mut rest, |item| item.id.as_ref() == Some(id));
            before = found.and_then(|(_, item)| item.prev_id.as_ref());
            known.extend(found.and(Some(id)));
        }
        let mut next = Vec::new();
        let mut last = Some(id);
        let mut is_checked = true;
        while let Some(id) = last {
            let found = take(&mut rest, |item| item.prev_id.as_ref() == Some(id));
            last = found.and_then(|(_, item)| item.id.as_ref());
            is_checked = found.is_none() || last.is_some();
            next.extend(found.map(|(place, _)| place));
            known.extend(last);
        }
        let is_repeat = |item: &Item| item.id.as_ref().is_some_and(|id| known.contains(id));
        let rest = rest.into_iter().filter(|(_, item)| !is_repeat(item));
        let mut unlinked: Vec<_> = rest.map(|(place, _)| place).collect();
        if !is_checked {
            // An item without id ends the checking: whatever came else may follow it.
            next.append(&mut unlinked);
        }
        Self { next, unlinked }
    }
}

fn take<'a>(
    rest: &mut VecDeque<Placed<'a>>,
    is_wanted: impl Fn(&Item) -> bool,
) -> Option<Placed<'a>> {
    let at = rest.iter().position(|(_, item)| is_wanted(item))?;
    rest.remove(at)
}

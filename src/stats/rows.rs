//! Pages of large tables: the first rows behind a place, chosen in one pass and bounded memory.
//!
//! Each thread offers its own rows to a [`Top`]; the tops are merged. A page goes on behind the last row
//! of the one before, so the hundredth costs what the first costs. Source: `docs/admin.md#tables`.

use serde::{Deserialize, Serialize};

/// Most rows of a page.
pub const PAGE_MAX: usize = 500;

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// A [`Key`] that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRef<'a> {
    /// A number.
    Number(u64),
    /// A text.
    Text(&'a str),
}

impl Key {
    fn borrowed(&self) -> KeyRef<'_> {
        match self {
            Self::Number(number) => KeyRef::Number(*number),
            Self::Text(text) => KeyRef::Text(text),
        }
    }
}

impl KeyRef<'_> {
    fn kept(self) -> Key {
        match self {
            Self::Number(number) => Key::Number(number),
            Self::Text(text) => Key::Text(text.to_owned()),
        }
    }
}

/// Where a row stands: its key, and what tells it from rows with the same.
pub type Rank = (Key, Key);

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The largest key comes first.
    pub descending: bool,
    /// Most rows, at most [`PAGE_MAX`].
    pub limit: usize,
    /// Only rows behind this one.
    pub after: Option<Rank>,
}

/// The first rows of those that were offered.
#[derive(Clone, Debug)]
pub struct Top<R> {
    window: Window,
    rows: Vec<(Rank, R)>,
    matched: u64,
    is_cut: bool,
}

impl<R> Top<R> {
    /// Makes an empty page.
    pub fn new(mut window: Window) -> Self {
        window.limit = window.limit.clamp(1, PAGE_MAX);
        Self {
            window,
            rows: Vec::new(),
            matched: 0,
            is_cut: false,
        }
    }

    /// Offers a row; it is made only if it is among the first so far.
    pub fn offer(&mut self, rank: (KeyRef<'_>, KeyRef<'_>), row: impl FnOnce() -> R) {
        self.matched += 1;
        self.place(rank, row);
    }

    /// Adds the rows of another thread.
    pub fn merge(&mut self, other: Self) {
        self.matched += other.matched;
        self.is_cut |= other.is_cut;
        for ((key, tie), row) in other.rows {
            self.place((key.borrowed(), tie.borrowed()), || row);
        }
    }

    /// Returns the rows, and where to go on if there are more.
    pub fn finish(self) -> Page<R> {
        let last = self.rows.last().map(|(rank, _)| rank.clone());
        Page {
            matched: self.matched,
            next: last.filter(|_| self.is_cut),
            rows: self.rows.into_iter().map(|(_, row)| row).collect(),
        }
    }

    fn place(&mut self, (key, tie): (KeyRef<'_>, KeyRef<'_>), row: impl FnOnce() -> R) {
        let descending = self.window.descending;
        let is_before = |a: (KeyRef<'_>, KeyRef<'_>), b: &Rank| {
            let b = (b.0.borrowed(), b.1.borrowed());
            match descending {
                true => a > b,
                false => a < b,
            }
        };
        let rank = (key, tie);
        let after = self.window.after.as_ref();
        if after.is_some_and(|after| {
            is_before(rank, after) || rank == (after.0.borrowed(), after.1.borrowed())
        }) {
            return;
        }
        let is_full = self.rows.len() >= self.window.limit;
        if is_full {
            self.is_cut = true;
            let last = self.rows.last().map(|(last, _)| last);
            if !last.is_some_and(|last| is_before(rank, last)) {
                return;
            }
            self.rows.pop();
        }
        let at = self
            .rows
            .partition_point(|(known, _)| !is_before(rank, known));
        self.rows.insert(at, ((key.kept(), tie.kept()), row()));
    }
}

/// A page of rows.
#[derive(Clone, Debug)]
pub struct Page<R> {
    /// Rows that fit the filter, on all pages.
    pub matched: u64,
    /// The last row's place, if more are behind it.
    pub next: Option<Rank>,
    /// The rows.
    pub rows: Vec<R>,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn window(descending: bool, limit: usize, after: Option<Rank>) -> Window {
        Window {
            descending,
            limit,
            after,
        }
    }

    fn page(numbers: &[u64], window: Window) -> Page<u64> {
        // As two threads, each with half of the rows.
        let (a, b) = numbers.split_at(numbers.len() / 2);
        let mut all = Top::new(window.clone());
        for (part, from) in [(a, 0), (b, a.len())] {
            let mut top = Top::new(window.clone());
            for (n, number) in part.iter().enumerate() {
                let tie = KeyRef::Number((from + n) as u64);
                top.offer((KeyRef::Number(*number), tie), || *number);
            }
            all.merge(top);
        }
        all.finish()
    }

    #[test]
    fn pages_are_the_sorted_rows_cut_in_pieces_each_once() {
        let mut random = fastrand::Rng::with_seed(11);
        for descending in [false, true] {
            let numbers: Vec<u64> = (0..1_000).map(|_| random.u64(0..200)).collect();
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            if descending {
                sorted.reverse();
            }
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = page(&numbers, window(descending, 70, after));
                assert_eq!(page.matched, 1_000);
                seen.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, sorted, "descending: {descending}");
        }
    }

    #[test]
    fn a_page_that_holds_all_rows_has_no_next() {
        assert!(page(&[3, 1, 2], window(false, 3, None)).next.is_none());
        assert!(page(&[3, 1, 2], window(false, 2, None)).next.is_some());
        assert!(page(&[], window(false, 2, None)).rows.is_empty());
    }

    #[test]
    fn a_page_is_never_larger_than_the_bound() {
        let numbers: Vec<u64> = (0..2_000).collect();
        let page = page(&numbers, window(true, usize::MAX, None));
        assert_eq!(page.rows.len(), PAGE_MAX);
    }

    #[test]
    fn a_page_of_100_000_rows_is_chosen_in_milliseconds_whatever_their_order() {
        let names: Vec<String> = (0..100_000).map(|n| format!("channel-{n:06}")).collect();
        for descending in [false, true] {
            let began = Instant::now();
            let mut top = Top::new(window(descending, 50, None));
            for (n, name) in names.iter().enumerate() {
                top.offer((KeyRef::Text(name), KeyRef::Number(n as u64)), || n);
            }
            let page = top.finish();
            assert_eq!(page.rows[0], if descending { 99_999 } else { 0 });
            // A debug build on a busy machine; a release build needs some 5 ms.
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    }
}

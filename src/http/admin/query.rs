//! What a table is asked for: sort, order, limit, search, and where to go on. Source:
//! `docs/admin.md#tables`.

use std::collections::HashMap;

use actix_web::web;
use base64::engine::{general_purpose::URL_SAFE_NO_PAD, Engine};

use crate::stats::{
    rows::{Rank, Window, PAGE_MAX},
    views::SessionFilter,
};

/// Rows of a page if nothing is said.
const PAGE: usize = 50;

/// Longest text of a parameter, in bytes.
const TEXT_MAX: usize = 1_024;

/// What was asked, by name.
pub(super) struct Query(HashMap<String, String>);

/// Why a query is refused.
pub(super) struct BadQuery(pub(super) String);

impl Query {
    /// Reads a query string; a name that is not one of these is refused.
    pub(super) fn parse(text: &str, names: &[&str]) -> Result<Self, BadQuery> {
        let mut query = HashMap::new();
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
        let pairs =
            pairs.map_err(|error| BadQuery(format!("the query cannot be read: {error}")))?;
        for (name, value) in pairs.into_inner() {
            if !names.contains(&name.as_str()) {
                let names = names.join(", ");
                let name = name.chars().take(40).collect::<String>();
                return Err(BadQuery(format!(
                    "unknown parameter '{name}', expected {names}"
                )));
            }
            if value.len() > TEXT_MAX {
                return Err(BadQuery(format!("{name} is longer than {TEXT_MAX} bytes")));
            }
            query.insert(name, value);
        }
        Ok(Self(query))
    }

    /// Returns what a name was given; an empty text is none.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|text| !text.is_empty()).cloned()
    }

    /// Returns what a word means.
    pub(super) fn word<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, BadQuery> {
        let Some(word) = self.0.get(name) else {
            return Ok(None);
        };
        let known = words.iter().find(|(known, _)| known == word);
        let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        match known {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(BadQuery(format!("{name} is one of {}", names().join(", ")))),
        }
    }

    /// Returns which page is wanted.
    pub(super) fn window(&self, descends: bool) -> Result<Window, BadQuery> {
        let order = self.word("order", &[("asc", false), ("desc", true)])?;
        let limit = match self.0.get("limit") {
            None => PAGE,
            Some(text) => {
                let limit = text.parse().ok();
                let limit = limit.filter(|limit| (1..=PAGE_MAX).contains(limit));
                limit.ok_or_else(|| BadQuery(format!("limit is a number from 1 to {PAGE_MAX}")))?
            }
        };
        let after = match self.said("after") {
            None => None,
            Some(token) => Some(place(&token).ok_or_else(|| {
                BadQuery("after is what an earlier answer gave as next".to_owned())
            })?),
        };
        Ok(Window {
            descending: order.unwrap_or(descends),
            limit,
            after,
        })
    }

    /// Returns what is searched for, in lower case.
    pub(super) fn search(&self) -> Option<String> {
        self.said("search").map(|text| text.to_lowercase())
    }

    /// Returns which sessions are meant.
    pub(super) fn filter(&self) -> SessionFilter {
        SessionFilter {
            id: self.said("id"),
            channel: self.said("channel"),
            route: self.said("route"),
            peer: self.said("peer"),
            search: self.search(),
        }
    }
}

/// Writes where to go on.
pub(super) fn token(rank: &Rank) -> String {
    let text = serde_json::to_vec(rank).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(text)
}

fn place(token: &str) -> Option<Rank> {
    let text = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::rows::Key;

    #[test]
    fn a_place_is_found_again_by_its_token() {
        for rank in [
            (Key::Number(u64::MAX), Key::Number(0)),
            (Key::Text("ä \"x\"".to_owned()), Key::Text(String::new())),
        ] {
            assert_eq!(place(&token(&rank)), Some(rank));
        }
        assert_eq!(place("nonsense"), None);
    }

    #[test]
    fn what_is_no_query_is_refused_with_what_was_expected() {
        let names = ["limit", "order", "after"];
        for (text, expected) in [
            ("limit=0", "limit is a number from 1 to 500"),
            ("limit=501", "limit is a number from 1 to 500"),
            ("limit=x", "limit is a number from 1 to 500"),
            ("order=up", "order is one of asc, desc"),
            ("after=%00", "after is what an earlier answer gave as next"),
        ] {
            let query = Query::parse(text, &names).ok().expect("names are known");
            let found = query.window(true).map(drop).map_err(|BadQuery(why)| why);
            let found = found.expect_err("a bad value");
            assert_eq!(found, expected, "{text}");
        }
        assert!(Query::parse("page=1", &names).is_err());
    }

    #[test]
    fn whatever_is_asked_a_page_is_bounded_or_refused_with_a_text() {
        let names = ["limit", "order", "after", "search"];
        let words = [
            "limit",
            "order",
            "after",
            "search",
            "=",
            "=",
            "&",
            "%",
            "%zz",
            "+",
            "1",
            "500",
            "asc",
            "W3siTnVtYmVyIjoxfV0",
            "-",
            "\u{0}",
            "ä",
            ";",
            "99999999999999999999",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let count = random.usize(..12);
            let text: String = (0..count).filter_map(|_| random.choice(words)).collect();
            let asked = Query::parse(&text, &names).and_then(|query| {
                assert!(query.search().is_none_or(|text| text.len() <= 2 * TEXT_MAX));
                query.window(false)
            });
            match asked {
                Ok(window) => assert!((1..=PAGE_MAX).contains(&window.limit), "{text}"),
                Err(BadQuery(why)) => assert!(!why.is_empty(), "{text}"),
            }
        }
    }
}

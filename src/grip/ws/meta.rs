//! The fields that a backend binds to a WebSocket over HTTP: `Set-Meta-Name` on an answer puts
//! `Meta-Name` on all later requests.
//!
//! Has nothing to do with the meta of subscriptions, which filters see.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The most fields.
pub const FIELDS_MAX: usize = 64;

/// The most bytes of all names, with their `meta-`, and values.
pub const BYTES_MAX: usize = 8_192;

const SET_PREFIX: &str = "set-meta-";
const PREFIX: &str = "meta-";

/// The bound fields of one session, in the order of their first binding.
///
/// **Bounds**: [`FIELDS_MAX`] and [`BYTES_MAX`]; a binding past them is ignored, and what the name
/// was bound to before is unbound. Without fields it owns no memory.
#[derive(Debug, Clone, Default)]
pub struct BoundMeta {
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl BoundMeta {
    /// Takes what an answer binds and unbinds; returns how many bindings are past a bound.
    ///
    /// **Shape**: `Set-Meta-Name: value`; an empty value unbinds. Names are compared without case,
    /// and of several values of a name the last one counts.
    pub fn on_answer(&mut self, headers: &HeaderMap) -> usize {
        let mut ignored = 0;
        for (name, value) in headers {
            let Some(name) = bound_name(name) else {
                continue;
            };
            if value.as_bytes().trim_ascii().is_empty() {
                self.fields.retain(|(bound, _)| *bound != name);
            } else if !self.bind(name, value.clone()) {
                ignored += 1;
            }
        }
        if self.fields.is_empty() {
            self.fields = Vec::new();
        }
        debug_assert!(self.fields.len() <= FIELDS_MAX && self.bytes() <= BYTES_MAX);
        ignored
    }

    /// Puts the fields on a request, in place of any of their names.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.fields {
            // Fails past some 24,000 names, which no request has.
            let _ = headers.try_insert(name, value.clone());
        }
    }

    /// Says whether nothing is bound.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Binds a name anew; false, and the name is not bound, past a bound.
    fn bind(&mut self, name: HeaderName, value: HeaderValue) -> bool {
        let place = self.fields.iter().position(|(bound, _)| *bound == name);
        if let Some(place) = place {
            self.fields.remove(place);
        }
        let bytes = self.bytes() + size(&name, &value);
        if self.fields.len() >= FIELDS_MAX || bytes > BYTES_MAX {
            return false;
        }
        let place = place.unwrap_or(self.fields.len());
        self.fields.insert(place, (name, value));
        true
    }

    fn bytes(&self) -> usize {
        let sizes = self.fields.iter().map(|(name, value)| size(name, value));
        sizes.sum()
    }
}

fn size(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len()
}

/// Gives the name that a `Set-Meta-Name` binds, which has at least one character of its own.
fn bound_name(name: &HeaderName) -> Option<HeaderName> {
    let rest = name.as_str().strip_prefix(SET_PREFIX)?;
    if rest.is_empty() {
        return None;
    }
    HeaderName::try_from([PREFIX, rest].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(*name).unwrap();
            headers.append(name, HeaderValue::try_from(*value).unwrap());
        }
        headers
    }

    fn bound(meta: &BoundMeta) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        meta.append_to(&mut headers);
        let fields = headers.iter().map(|(name, value)| {
            let value = value.to_str().unwrap();
            (name.as_str().to_owned(), value.to_owned())
        });
        let mut fields: Vec<_> = fields.collect();
        fields.sort();
        fields
    }

    #[test]
    fn fields_are_bound_and_unbound() {
        let mut meta = BoundMeta::default();
        for (set, expected) in [
            (&[("Set-Meta-User", "ann")][..], &[("meta-user", "ann")][..]),
            (
                &[("X-Other", "1"), ("Meta-B", "2")],
                &[("meta-user", "ann")],
            ),
            (
                &[("set-meta-B", "1"), ("SET-META-USER", "bob")],
                &[("meta-b", "1"), ("meta-user", "bob")],
            ),
            (
                &[("set-meta-b", "2"), ("set-meta-b", "3")],
                &[("meta-b", "3"), ("meta-user", "bob")],
            ),
            (
                &[("Set-Meta-", "x")],
                &[("meta-b", "3"), ("meta-user", "bob")],
            ),
            (&[("set-meta-b", " ")], &[("meta-user", "bob")]),
            (&[("set-meta-user", ""), ("set-meta-none", "")], &[]),
        ] {
            assert_eq!(meta.on_answer(&answer(set)), 0);
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            assert_eq!(bound(&meta), expected, "{set:?}");
            assert_eq!(meta.is_empty(), expected.is_empty());
        }
        assert_eq!(meta.fields.capacity(), 0, "nothing bound owns no memory");
    }

    #[test]
    fn bindings_past_a_bound_are_ignored_and_counted() {
        let mut meta = BoundMeta::default();
        let names: Vec<String> = (0..70).map(|at| format!("set-meta-{at}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(meta.on_answer(&answer(&fields)), 6);
        assert_eq!(bound(&meta).len(), FIELDS_MAX);
        assert_eq!(meta.on_answer(&answer(&[("set-meta-0", "other")])), 0);

        let mut meta = BoundMeta::default();
        let full = "x".repeat(BYTES_MAX - "meta-a".len());
        assert_eq!(meta.on_answer(&answer(&[("set-meta-a", &full)])), 0);
        assert_eq!(meta.on_answer(&answer(&[("set-meta-b", "x")])), 1);
        assert_eq!(bound(&meta).len(), 1);
        let over = format!("{full}x");
        assert_eq!(meta.on_answer(&answer(&[("set-meta-a", &over)])), 1);
        assert!(meta.is_empty(), "an old value is not sent for a new one");
    }

    #[test]
    fn bound_fields_replace_what_a_client_sent() {
        let mut meta = BoundMeta::default();
        meta.on_answer(&answer(&[("set-meta-user", "ann")]));
        let mut headers = answer(&[("meta-user", "eve"), ("meta-user", "eve"), ("a", "1")]);
        meta.append_to(&mut headers);
        let users: Vec<_> = headers.get_all("meta-user").iter().collect();
        assert_eq!(users, ["ann"]);
        assert_eq!(headers.len(), 2);
    }
}

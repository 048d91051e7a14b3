//! Subscription meta: the key-value pairs of `Grip-Set-Meta`, for filters to look at.

use std::collections::BTreeMap;

use super::header_params::{params, split_list};
use super::lenient::text;

/// Parses the values of all `Grip-Set-Meta` headers.
///
/// **Shape**: `user=alice, key="quoted value", bare`: one pair an element, a bare key has an
/// empty value, the last pair of a key wins.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> BTreeMap<String, String> {
    let mut meta = BTreeMap::new();
    for element in split_list(values) {
        if let Some(pair) = params(element).and_then(|pairs| pairs.into_iter().next()) {
            meta.insert(text(pair.name), text(&pair.value));
        }
    }
    meta
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_an_element() {
        for (values, expected) in [
            (&["user=alice"][..], &[("user", "alice")][..]),
            (&["a=1, b=2", "c=3"], &[("a", "1"), ("b", "2"), ("c", "3")]),
            (&["a=1; b=2"], &[("a", "1")]),
            (&["a=1, a=2"], &[("a", "2")]),
            (&["a=1, A=2"], &[("A", "2"), ("a", "1")]),
            (&["key"], &[("key", "")]),
            (
                &["a=\"x, \\\"y\\\"; z\", b=2"],
                &[("a", "x, \"y\"; z"), ("b", "2")],
            ),
            (&["a=1, b=\"2"], &[("a", "1")]),
            (&["a=1,,b=2,"], &[("a", "1"), ("b", "2")]),
            (&["=x"], &[]),
            (&[""], &[]),
            (&["ž=☃"], &[("ž", "☃")]),
        ] {
            let got = parse(values.iter().map(|value| value.as_bytes()));
            let expected: BTreeMap<_, _> = expected
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            assert_eq!(got, expected, "{values:?}");
        }
    }
}

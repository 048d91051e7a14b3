//! The filters that ask the backend, `http-check` and `http-modify`: what goes to it, what its answer
//! means.
//!
//! ```text
//! POST <url of the subscription meta>          200 or 204
//! Sub-Meta: {"user":"alice"}                   Action: drop     the session does not get the item
//! Pub-Meta: {"level":"open"}
//! Grip-Last: channel; last-id=4                http-modify: the body of a 200 replaces the content
//! ```
//!
//! Sends nothing. Source: the GRIP protocol.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};

use super::filter::{Context, Filter, FilterError, Verdict};
use super::last;

/// The longest answer a filter takes, in bytes.
pub const ANSWER_BYTES_MAX: usize = 100_000;

/// A question to the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Which filter asks.
    pub filter: Filter,
    /// Where: absolute, or relative to the session's current URL.
    pub url: String,
    /// `Sub-Meta`, `Pub-Meta` and the `Grip-Last` headers.
    pub headers: HeaderMap,
    /// The content for `http-modify`, nothing for `http-check`.
    pub body: Bytes,
}

impl Question {
    /// Makes the question of a filter about an item's content.
    ///
    /// **Errors**: the subscription meta has no `url`.
    pub fn new(
        filter: Filter,
        context: &Context<'_>,
        content: &Bytes,
    ) -> Result<Question, FilterError> {
        let url = context.meta.get("url").filter(|url| !url.is_empty());
        let mut headers = HeaderMap::new();
        for (name, meta) in [
            ("sub-meta", context.meta),
            ("pub-meta", context.publish_meta),
        ] {
            if let Some(value) = json_header(meta) {
                headers.insert(name, value);
            }
        }
        for (channel, id) in context.ids {
            if let Some(value) = id.as_ref().and_then(|id| last::value(channel, id)) {
                headers.append(last::NAME, value);
            }
        }
        Ok(Question {
            filter,
            url: url.ok_or(FilterError::MissingUrl(filter))?.clone(),
            headers,
            body: match filter {
                Filter::HttpModify => content.clone(),
                _ => Bytes::new(),
            },
        })
    }
}

/// Writes meta as one header: a JSON object with sorted keys, all else than ASCII escaped.
fn json_header(meta: &BTreeMap<String, String>) -> Option<HeaderValue> {
    let json = serde_json::to_string(meta).ok()?;
    let mut ascii = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() && char != '\u{7f}' {
            ascii.push(char);
            continue;
        }
        let mut units = [0; 2];
        for unit in char.encode_utf16(&mut units) {
            ascii.push_str(&format!("\\u{unit:04x}"));
        }
    }
    HeaderValue::from_str(&ascii).ok()
}

/// Reads the backend's answer about this content.
///
/// **Errors**: any status but 200 and 204.
pub fn judge(
    filter: Filter,
    content: Bytes,
    (status, headers, body): (u16, &HeaderMap, Bytes),
) -> Result<Verdict, FilterError> {
    if status != 200 && status != 204 {
        return Err(FilterError::Status { filter, status });
    }
    if headers.get("action").is_some_and(|action| action == "drop") {
        return Ok(Verdict::Drop);
    }
    Ok(Verdict::Pass(match filter {
        Filter::HttpModify if status == 200 => body,
        _ => content,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::channel::{ChannelName, ItemId};

    fn meta(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_question_carries_both_metas_and_the_known_ids() {
        let session = meta(&[("user", "žofie\n"), ("url", "/check?a=b")]);
        let ids = [
            (ChannelName::new("a"), Some(ItemId::new("4"))),
            (ChannelName::new("b"), None),
        ];
        let context = Context {
            meta: &session,
            publish_meta: &meta(&[("level", "open")]),
            ids: &ids,
        };
        let content = Bytes::from("hello");
        for (filter, body) in [(Filter::HttpCheck, ""), (Filter::HttpModify, "hello")] {
            let question = Question::new(filter, &context, &content).unwrap();
            assert_eq!(question.url, "/check?a=b");
            assert_eq!(
                question.headers["sub-meta"],
                r#"{"url":"/check?a=b","user":"\u017eofie\n"}"#
            );
            assert_eq!(question.headers["pub-meta"], r#"{"level":"open"}"#);
            let last: Vec<_> = question.headers.get_all("grip-last").iter().collect();
            assert_eq!(last, ["a; last-id=4"]);
            assert_eq!(question.body, body);
        }
        let no_url = Context {
            meta: &meta(&[]),
            ..context
        };
        let error = Question::new(Filter::HttpCheck, &no_url, &content).unwrap_err();
        assert_eq!(error.code(), "missing-filter-url");
    }

    #[test]
    fn answers_pass_drop_or_replace() {
        use Filter::{HttpCheck, HttpModify};
        let pass = |content: &'static str| Ok(Verdict::Pass(Bytes::from(content)));
        let odd = |filter| {
            Err(FilterError::Status {
                filter,
                status: 500,
            })
        };
        for (filter, status, action, expected) in [
            (HttpCheck, 200, "", pass("old")),
            (HttpCheck, 204, "", pass("old")),
            (HttpCheck, 200, "drop", Ok(Verdict::Drop)),
            (HttpCheck, 200, "DROP", pass("old")),
            (HttpCheck, 500, "", odd(HttpCheck)),
            (HttpModify, 200, "", pass("new")),
            (HttpModify, 204, "", pass("old")),
            (HttpModify, 204, "drop", Ok(Verdict::Drop)),
            (HttpModify, 500, "drop", odd(HttpModify)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("action", HeaderValue::from_static(action));
            let answer = (status, &headers, Bytes::from("new"));
            assert_eq!(
                judge(filter, Bytes::from("old"), answer),
                expected,
                "{filter} {status} {action}"
            );
        }
    }
}

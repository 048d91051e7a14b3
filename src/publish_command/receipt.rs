//! A receipt as it is printed: what became of the item, a line for each thing that is not zero.
//!
//! ```text
//! accepted
//!   matched        3  1 long-poll, 2 streams
//!   queued         2
//!   dropped        1  slow-client
//! ```
//!
//! Source: `docs/control-api.md#receipts`.

use std::fmt::Write;

use serde_json::{Map, Value};

/// What is told of sessions, as it is called in the receipt and here.
const SESSIONS: [(&str, &str); 6] = [
    ("queued", "queued"),
    ("filtered", "filtered"),
    ("superseded", "superseded"),
    ("undecided", "undecided"),
    ("other_format", "other format"),
    ("ending", "ending"),
];

/// Transports, as they are called in the receipt and here, one and several.
const TRANSPORTS: [(&str, &str, &str); 3] = [
    ("response", "long-poll", "long-polls"),
    ("stream", "stream", "streams"),
    ("ws-message", "WebSocket", "WebSockets"),
];

/// Returns the lines for the receipt of one item; none if the answer is no receipt.
pub(super) fn lines(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let receipt = answer.get("receipts")?.get(0)?.as_object()?;
    let mut lines = receipt.get("outcome")?.as_str()?.to_owned();
    let matched = receipt.get("matched")?.as_object()?;
    let by_transport: Vec<String> = TRANSPORTS
        .iter()
        .filter_map(|(key, one, several)| match count(matched, key) {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {several}")),
        })
        .collect();
    let all = TRANSPORTS.iter().map(|(key, ..)| count(matched, key)).sum();
    line(&mut lines, "matched", all, &by_transport.join(", "));
    for (key, name) in SESSIONS {
        line(&mut lines, name, count(receipt, key), "");
    }
    let dropped = receipt.get("dropped").and_then(Value::as_object);
    for (reason, n) in dropped.into_iter().flatten() {
        line(&mut lines, "dropped", n.as_u64().unwrap_or(0), reason);
    }
    Some(lines)
}

fn count(of: &Map<String, Value>, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn line(lines: &mut String, name: &str, count: u64, more: &str) {
    if count > 0 {
        let between = if more.is_empty() { "" } else { "  " };
        // A String takes everything.
        let _ = write!(lines, "\n  {name:<14}{count:>6}{between}{more}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_a_line_for_each_thing_that_is_not_zero() {
        let answer = r#"{"receipts": [{"channel": "news", "id": "7", "outcome": "accepted",
            "matched": {"response": 1, "stream": 2, "ws-message": 0}, "queued": 2, "filtered": 0,
            "dropped": {"slow-client": 1}, "superseded": 0, "undecided": 0, "other_format": 12,
            "ending": 0}]}"#;
        let expected = [
            "accepted",
            "  matched            3  1 long-poll, 2 streams",
            "  queued             2",
            "  other format      12",
            "  dropped            1  slow-client",
        ];
        assert_eq!(lines(answer.as_bytes()), Some(expected.join("\n")));
    }

    #[test]
    fn what_is_no_receipt_is_none() {
        for answer in [
            "",
            "Published\n",
            "{}",
            r#"{"receipts": []}"#,
            r#"{"receipts": [7]}"#,
        ] {
            assert_eq!(lines(answer.as_bytes()), None, "{answer}");
        }
    }
}

//! Headers of a client that some backends take for P-8's own: CGI, WSGI and others like them read `_` and
//! `-` in names as the same, so `X_Forwarded_For` would stand beside `X-Forwarded-For`.
//!
//! Those that frame a body are refused before, by `engine::framing`.

use http::header::{HeaderMap, HeaderName};

/// What the names begin with that P-8 writes, edits or keeps from passing.
const PREFIXES: [&[u8]; 7] = [
    b"grip-",
    b"eb9bf0f5-",
    b"x-forwarded-",
    b"cdn-loop",
    b"pushpin-route",
    b"connection-id",
    b"x-request-id",
];

/// Removes them.
pub(super) fn strip(headers: &mut HeaderMap) {
    let found: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_lookalike(name.as_str().as_bytes()))
        .cloned()
        .collect();
    for name in found {
        headers.remove(name);
    }
}

fn is_lookalike(name: &[u8]) -> bool {
    let dashed = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    name.contains(&b'_')
        && PREFIXES.iter().any(|prefix| {
            name.get(..prefix.len())
                .is_some_and(|start| start.iter().map(dashed).eq(prefix.iter().copied()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_name_of_p8s_own_is_a_lookalike() {
        for (name, expected) in [
            ("grip_sig", true),
            ("grip-hold_x", true),
            ("x_forwarded-for", true),
            ("x-forwarded_proto", true),
            ("eb9bf0f5_name", true),
            ("cdn_loop", true),
            ("connection_id", true),
            ("grip-sig", false),
            ("x-forwarded-for", false),
            ("x_request_id", true),
            ("x_customer_id", false),
            ("grip", false),
            ("_grip_sig", false),
        ] {
            assert_eq!(is_lookalike(name.as_bytes()), expected, "{name}");
        }
    }
}

//! Which offer of permessage-deflate is taken.
//!
//! Other extensions are not known here. What does not fit is passed over; a WebSocket without
//! compression is never refused.
//!
//! Source: RFC 6455 section 9.1; RFC 7692 sections 5, 7.1.

/// What is answered: each message is deflated for itself, both ways.
pub const DEFLATE_ANSWER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// Finds an offer that can be taken in the values of `Sec-WebSocket-Extensions`; returns the answer.
pub fn accept_deflate<'a>(mut offers: impl Iterator<Item = &'a [u8]>) -> Option<&'static str> {
    offers
        .any(|value| split_unquoted(value, b',').any(is_acceptable))
        .then_some(DEFLATE_ANSWER)
}

fn is_acceptable(offer: &[u8]) -> bool {
    let mut elements = split_unquoted(offer, b';').map(<[u8]>::trim_ascii);
    if elements.next() != Some(b"permessage-deflate") {
        return false;
    }
    let mut seen = 0u8;
    elements.all(|parameter| {
        let Some(bit) = check_parameter(parameter) else {
            return false;
        };
        let is_repeated = seen & bit != 0;
        seen |= bit;
        !is_repeated
    })
}

/// Returns a bit that stands for the parameter's name, or `None` if it cannot be met.
fn check_parameter(parameter: &[u8]) -> Option<u8> {
    let mut sides = parameter.splitn(2, |byte| *byte == b'=');
    let name = sides.next()?.trim_ascii();
    let value = sides.next().map(|value| unquoted(value.trim_ascii()));
    match (name, value) {
        (b"server_no_context_takeover", None) => Some(1),
        (b"client_no_context_takeover", None) => Some(2),
        (b"server_max_window_bits", Some(b"15")) => Some(4),
        (b"client_max_window_bits", None) => Some(8),
        (
            b"client_max_window_bits",
            Some(b"8" | b"9" | b"10" | b"11" | b"12" | b"13" | b"14" | b"15"),
        ) => Some(8),
        _ => None,
    }
}

/// A value without its quotes; escapes are left, for no value that fits has them.
fn unquoted(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// Splits at `separator` where it does not stand between quotes.
fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |byte| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' => is_escaped = is_quoted,
            _ => {}
        }
        !is_quoted && *byte == separator
    })
}

//! Reason phrases of HTTP status codes, as existing GRIP proxies send them.
//!
//! Source: the IANA table as Pushpin has it: older names for 413, 414 and 416, and no entries
//! for 103, 418, 421, 425 and 451.

/// The lowest status code that P-8 accepts in instructions and items.
///
/// A final 1xx response would leave the client waiting forever.
pub const LOWEST: u16 = 200;

/// The highest status code that has three digits.
pub const HIGHEST: u16 = 999;

/// Gives the reason phrase of a status code, `Undefined Reason` for codes not in the table.
pub fn canonical(code: u16) -> &'static str {
    let place = REASONS.binary_search_by_key(&code, |(code, _)| *code).ok();
    place
        .and_then(|place| REASONS.get(place))
        .map_or("Undefined Reason", |(_, reason)| reason)
}

/// Sorted by code.
static REASONS: &[(u16, &str)] = &[
    (100, "Continue"),
    (101, "Switching Protocols"),
    (102, "Processing"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (208, "Already Reported"),
    (226, "IM Used"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (305, "Use Proxy"),
    (306, "Reserved"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Requested Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (422, "Unprocessable Entity"),
    (423, "Locked"),
    (424, "Failed Dependency"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (506, "Variant Also Negotiates"),
    (507, "Insufficient Storage"),
    (508, "Loop Detected"),
    (510, "Not Extended"),
    (511, "Network Authentication Required"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_have_their_reason() {
        for (code, reason) in [
            (200, "OK"),
            (302, "Found"),
            (306, "Reserved"),
            (413, "Request Entity Too Large"),
            (414, "Request-URI Too Long"),
            (416, "Requested Range Not Satisfiable"),
        ] {
            assert_eq!(canonical(code), reason);
        }
    }

    #[test]
    fn table_is_sorted() {
        assert!(REASONS.is_sorted_by(|(code, _), (next, _)| code < next));
        for (code, reason) in REASONS {
            assert_eq!(canonical(*code), *reason);
        }
    }

    #[test]
    fn unknown_codes_are_undefined() {
        for code in [0, 99, 103, 299, 418, 421, 425, 451, 600, 999, u16::MAX] {
            assert_eq!(canonical(code), "Undefined Reason", "{code}");
        }
    }
}

//! What the headers of an answer over HTTP say of the requests to come.
//!
//! Runs no timer and keeps nothing; see `meta` for `Set-Meta-*`.

use http::header::HeaderMap;

use crate::grip::lenient;

/// The shortest interval; shorter ones act as this, in seconds.
pub const MIN_INTERVAL_SECS: u32 = 20;

/// What an answer says of the empty requests that keep a session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAliveInterval {
    /// Nothing: as before.
    Unchanged,
    /// There are none.
    Off,
    /// One after so long without a request.
    ///
    /// **Units**: seconds. **Bounds**: at least 20.
    Secs(u32),
}

/// Reads `Keep-Alive-Interval`.
///
/// **Shape**: seconds, above 0; anything else turns it off.
pub fn keep_alive_interval(headers: &HeaderMap) -> KeepAliveInterval {
    let Some(value) = headers.get("keep-alive-interval") else {
        return KeepAliveInterval::Unchanged;
    };
    match lenient::header_secs(value.as_bytes()) {
        Some(secs) if secs > 0 => KeepAliveInterval::Secs(secs.max(MIN_INTERVAL_SECS)),
        _ => KeepAliveInterval::Off,
    }
}

/// Reads `Content-Bytes-Accepted`; `None` means that all is accepted.
///
/// **Shape**: bytes, 0 or more; anything else counts as absent.
pub fn bytes_accepted(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get("content-bytes-accepted")?;
    value.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, values: &[&'static [u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn intervals_have_a_lower_bound() {
        use KeepAliveInterval::{Off, Secs, Unchanged};
        for (values, expected) in [
            (&[][..], Unchanged),
            (&[&b"1"[..]], Secs(20)),
            (&[b"20"], Secs(20)),
            (&[b" 30 "], Secs(30)),
            (&[b"2147483647"], Secs(2_147_483_647)),
            (&[b"30", b"0"], Secs(30)),
            (&[b"0"], Off),
            (&[b"-5"], Off),
            (&[b"1.5"], Off),
            (&[b"soon"], Off),
            (&[b""], Off),
            (&[b"99999999999"], Off),
            (&[b"\xff"], Off),
        ] {
            let headers = headers("keep-alive-interval", values);
            assert_eq!(keep_alive_interval(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn garbage_accepts_everything() {
        for (values, expected) in [
            (&[][..], None),
            (&[&b"0"[..]], Some(0)),
            (&[b" 5 "], Some(5)),
            (&[b"18446744073709551615"], Some(u64::MAX)),
            (&[b"18446744073709551616"], None),
            (&[b"-1"], None),
            (&[b"0x5"], None),
            (&[b"all"], None),
            (&[b""], None),
            (&[b"5\xff"], None),
        ] {
            let headers = headers("content-bytes-accepted", values);
            assert_eq!(bytes_accepted(&headers), expected, "{values:?}");
        }
    }
}

//! Writes the head that passes in place of the client's, where that one would be misread or refused.
//!
//! It decides nothing: `head.rs` says what to change.
//!
//! Source: RFC 9112 sections 3.2 and 6.3, RFC 9110 section 7.8.

use bytes::Bytes;
use httparse::Header;

use super::head::members;
use super::target::RequestLine;

/// What the passed head says differently.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    /// A `Host` for a request that names none.
    pub(super) add_host: Option<&'a [u8]>,
    /// `Content-Length: 0` for a POST of HTTP/1.0 that names no length: RFC 9112 section 6.3 gives it an
    /// empty body, while some readers refuse it.
    pub(super) add_zero_length: bool,
    /// Without `Upgrade`.
    pub(super) drop_upgrade_header: bool,
    /// Without the connection option `upgrade`: nothing is switched to.
    pub(super) drop_upgrade_option: bool,
}

impl Changes<'_> {
    pub(super) fn is_any(&self) -> bool {
        self.add_host.is_some()
            || self.add_zero_length
            || self.drop_upgrade_header
            || self.drop_upgrade_option
    }
}

/// Writes the whole head, its empty line included.
pub(super) fn head(line: &RequestLine<'_>, headers: &[Header<'_>], changes: &Changes<'_>) -> Bytes {
    let version: &[u8] = if line.http10 {
        b"HTTP/1.0"
    } else {
        b"HTTP/1.1"
    };
    let mut out = Vec::with_capacity(512);
    for part in [line.method, b" ", &*line.target, b" ", version, b"\r\n"] {
        out.extend_from_slice(part);
    }
    if let Some(host) = changes.add_host {
        header(&mut out, b"Host", host);
    }
    if changes.add_zero_length {
        header(&mut out, b"Content-Length", b"0");
    }
    for Header { name, value } in headers {
        if changes.drop_upgrade_header && name.eq_ignore_ascii_case("upgrade") {
            continue;
        }
        if changes.drop_upgrade_option && name.eq_ignore_ascii_case("connection") {
            let kept: Vec<&[u8]> = members(value)
                .filter(|option| !option.is_empty() && !option.eq_ignore_ascii_case(b"upgrade"))
                .collect();
            if !kept.is_empty() {
                header(&mut out, name.as_bytes(), &kept.join(&b", "[..]));
            }
            continue;
        }
        header(&mut out, name.as_bytes(), value);
    }
    out.extend_from_slice(b"\r\n");
    Bytes::from(out)
}

fn header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

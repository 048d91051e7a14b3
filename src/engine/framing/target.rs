//! Checks the request line, and turns its target into what requests are made of.
//!
//! It knows no routes. actix's requests have targets of `http` 0.2, which takes fewer characters than
//! `http` 1; what it would refuse is refused here with a text, or percent-encoded.
//!
//! Source: RFC 9112 section 3, RFC 3986.

use std::borrow::Cow;

use bytes::Bytes;

use super::head::is_token;
use super::FramingError;

/// Longest target `http` 0.2 takes, in bytes.
const TARGET_BYTES_MAX: usize = 65_534;

/// A checked request line.
#[derive(Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    /// The target in origin form, or `*`.
    pub(super) target: Cow<'a, [u8]>,
    /// The host of a target in absolute form.
    pub(super) target_host: Option<&'a [u8]>,
    pub(super) http10: bool,
    /// The target differs from what the client sent.
    pub(super) changed: bool,
}

/// Checks a request line, given without its line end.
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, FramingError> {
    if line == b"PRI * HTTP/2.0" {
        return Err(FramingError::Http2);
    }
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let method = parts.next().unwrap_or_default();
    let sent = parts.next().unwrap_or_default();
    let version = parts.next().ok_or(FramingError::InvalidToken)?;
    if method.is_empty() || !method.iter().copied().all(is_method) {
        return Err(FramingError::InvalidToken);
    }
    if sent.is_empty() || !sent.iter().all(|byte| matches!(byte, 0x21..=0x7e | 0x80..)) {
        return Err(FramingError::InvalidToken);
    }
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(FramingError::InvalidVersion),
    };
    if method == b"CONNECT" {
        return Err(FramingError::Connect);
    }
    let (target, target_host) = target(method, sent)?;
    let changed = *target != *sent;
    Ok(RequestLine {
        method,
        target,
        target_host,
        http10,
        changed,
    })
}

/// Checks method and target of an HTTP/2 stream; the target has no authority.
pub(super) fn of_stream(method: &[u8], sent: &[u8]) -> Result<Bytes, FramingError> {
    if method.is_empty() || !method.iter().copied().all(is_method) {
        return Err(FramingError::InvalidToken);
    }
    if sent != b"*" && !sent.starts_with(b"/") {
        return Err(FramingError::InvalidTarget);
    }
    let (target, _) = target(method, sent)?;
    Ok(Bytes::copy_from_slice(&target))
}

/// Tells whether `host` is a host with an optional port as a client may name it.
///
/// Narrower than RFC 3986: no comma, no user, and brackets only around an IPv6 address.
pub(super) fn is_host(host: &[u8]) -> bool {
    let (name_is_good, rest) = if let Some(v6) = host.strip_prefix(b"[") {
        let end = v6.iter().position(|byte| *byte == b']').unwrap_or(v6.len());
        let (address, rest) = v6.split_at(end);
        let good = std::str::from_utf8(address)
            .is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        (good && !rest.is_empty(), rest.get(1..).unwrap_or_default())
    } else {
        let end = host
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(host.len());
        let (name, rest) = host.split_at(end);
        let good = name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(byte));
        (good && (!name.is_empty() || rest.is_empty()), rest)
    };
    let port_is_good = match rest.strip_prefix(b":") {
        None => rest.is_empty(),
        Some(port) => {
            port.iter().all(u8::is_ascii_digit)
                && (port.is_empty()
                    || std::str::from_utf8(port).is_ok_and(|text| text.parse::<u16>().is_ok()))
        }
    };
    name_is_good && port_is_good
}

/// The target to pass, and the host that the sent one names.
type Target<'a> = (Cow<'a, [u8]>, Option<&'a [u8]>);

fn target<'a>(method: &[u8], sent: &'a [u8]) -> Result<Target<'a>, FramingError> {
    if sent == b"*" {
        return match method {
            b"OPTIONS" => Ok((Cow::Borrowed(sent), None)),
            _ => Err(FramingError::StarTarget),
        };
    }
    if sent.starts_with(b"/") {
        return Ok((path_and_query(sent)?, None));
    }
    let after_scheme = strip_prefix_any_case(sent, b"http://")
        .or_else(|| strip_prefix_any_case(sent, b"https://"))
        .ok_or(FramingError::InvalidTarget)?;
    let end = after_scheme
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (host, rest) = after_scheme.split_at(end.unwrap_or(after_scheme.len()));
    if host.is_empty() || !is_host(host) {
        return Err(FramingError::InvalidTarget);
    }
    let path = match (rest.first(), method) {
        (None, b"OPTIONS") => Cow::Borrowed(&b"*"[..]),
        (None, _) => Cow::Borrowed(&b"/"[..]),
        (Some(b'/'), _) => path_and_query(rest)?,
        (Some(_), _) => Cow::Owned([b"/", &*path_and_query(rest)?].concat()),
    };
    Ok((path, Some(host)))
}

/// Checks a path and query against what `http` 0.2 takes; a backtick in the path is percent-encoded,
/// as Pushpin does. A fragment is refused: it has no place in a request.
fn path_and_query(sent: &[u8]) -> Result<Cow<'_, [u8]>, FramingError> {
    let path_end = sent
        .iter()
        .position(|byte| *byte == b'?')
        .unwrap_or(sent.len());
    let (path, query) = sent.split_at(path_end);
    let path_is_good = path
        .iter()
        .all(|byte| matches!(byte, 0x21 | b'"' | 0x24..=0x3b | 0x3d | 0x40..=0x7e));
    let query_is_good = query
        .iter()
        .all(|byte| matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x3f..=0x7e));
    if !path_is_good || !query_is_good {
        return Err(FramingError::InvalidTarget);
    }
    let target = if path.contains(&b'`') {
        let mut encoded = Vec::with_capacity(sent.len() + 16);
        for byte in path {
            match byte {
                b'`' => encoded.extend_from_slice(b"%60"),
                _ => encoded.push(*byte),
            }
        }
        encoded.extend_from_slice(query);
        Cow::Owned(encoded)
    } else {
        Cow::Borrowed(sent)
    };
    if target.len() > TARGET_BYTES_MAX {
        return Err(FramingError::InvalidTarget);
    }
    Ok(target)
}

/// `http` 0.2 takes fewer characters in a method than RFC 9110 has in a token.
fn is_method(byte: u8) -> bool {
    is_token(byte) && !b"#$%&'".contains(&byte)
}

fn strip_prefix_any_case<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

//! Finds the end of a request head, checks each line once, and reads what frames the body.
//!
//! Lines are judged as soon as they are complete, so the verdict does not depend on how the input is
//! cut. It does not look at headers that frame nothing, beyond their syntax.
//!
//! Source: RFC 9112 sections 2 to 6, RFC 9110 sections 7.6.1, 7.8, 10.1.1.

use std::ops::Range;

use httparse::Header;

use super::rewrite::Changes;
use super::target::{self, RequestLine};
use super::{Body, FramingError, HeadFacts, Upgrade};
use crate::grip::header_params::split_list;

/// What frames a body; also for backends behind a gateway, such as CGI and WSGI, that take `_` for `-`.
const FRAMING_NAMES: [&str; 2] = ["content-length", "transfer-encoding"];
/// How many empty lines may stand before a request (RFC 9112 section 2.2 asks for one).
const EMPTY_LINES_MAX: u32 = 2;

/// How far the next head was scanned.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    start: u32,
    line_start: u32,
    scanned: u32,
    headers: u16,
}

impl HeadScan {
    /// Tells whether nothing was scanned yet.
    pub(super) fn is_new(&self) -> bool {
        self.start == 0 && self.scanned == 0
    }

    /// Scans what was not scanned before; returns where the head lies once it is complete.
    pub(super) fn advance(
        &mut self,
        waiting: &[u8],
        bytes_max: u32,
        headers_max: u16,
    ) -> Result<Option<Range<usize>>, FramingError> {
        if self.scanned == self.start && !self.skip_empty_lines(waiting)? {
            return Ok(None);
        }
        let bound = (self.start as usize).saturating_add(bytes_max as usize);
        let bounded = waiting.get(..bound).unwrap_or(waiting);
        while let Some(lf) = bounded
            .get(self.scanned as usize..)
            .and_then(|unseen| unseen.iter().position(|byte| *byte == b'\n'))
        {
            let end = self.scanned as usize + lf + 1;
            let line = bounded
                .get(self.line_start as usize..end)
                .unwrap_or_default();
            let line = line.strip_suffix(b"\r\n").ok_or(FramingError::LineEnd)?;
            if line.contains(&b'\r') {
                return Err(FramingError::LineEnd);
            }
            if self.line_start == self.start {
                target::request_line(line)?;
            } else if line.is_empty() {
                return Ok(Some(self.start as usize..end));
            } else {
                self.headers += 1;
                if self.headers > headers_max {
                    return Err(FramingError::TooManyHeaders);
                }
                check_header_line(line)?;
            }
            self.scanned = end as u32;
            self.line_start = end as u32;
        }
        self.scanned = bounded.len() as u32;
        if waiting.len() >= bound {
            return Err(FramingError::HeadTooLarge { limit: bytes_max });
        }
        Ok(None)
    }

    /// Steps over empty lines and looks at the first byte behind them; `false` while it is not there.
    fn skip_empty_lines(&mut self, waiting: &[u8]) -> Result<bool, FramingError> {
        while let Some(&first) = waiting.get(self.start as usize) {
            match (first, waiting.get(self.start as usize + 1)) {
                (b'\r', _) if self.start >= 2 * EMPTY_LINES_MAX => {
                    return Err(FramingError::InvalidToken);
                }
                (b'\r', None) => return Ok(false),
                (b'\r', Some(b'\n')) => {
                    self.start += 2;
                    self.line_start = self.start;
                    self.scanned = self.start;
                }
                (b'\r' | b'\n', _) => return Err(FramingError::LineEnd),
                (0x16, _) => return Err(FramingError::Tls),
                (byte, _) if is_token(byte) => return Ok(true),
                _ => return Err(FramingError::InvalidToken),
            }
        }
        Ok(false)
    }
}

/// Tells whether `byte` may stand in a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Tells whether a header's name is another one's for readers that take `_` for `-`.
fn is_alike(name: &str, other: &str) -> bool {
    let dashed = |byte: u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    name.len() == other.len() && name.bytes().map(dashed).eq(other.bytes())
}

/// Yields the trimmed members of a comma-separated list.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn check_header_line(line: &[u8]) -> Result<(), FramingError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(FramingError::FoldedHeader);
    }
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(FramingError::InvalidHeaderName)?;
    let (name, value) = line.split_at(colon);
    if matches!(name.last(), Some(b' ' | b'\t')) {
        return Err(FramingError::SpaceBeforeColon);
    }
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(FramingError::InvalidHeaderName);
    }
    // `http` panics on a name longer than 65,535 bytes; no head is that long.
    if !value
        .iter()
        .all(|byte| matches!(byte, b'\t' | b' '..=0x7e | 0x80..))
    {
        return Err(FramingError::InvalidHeaderValue);
    }
    Ok(())
}

/// What the headers read so far say.
#[derive(Default)]
pub(super) struct Seen<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_header: bool,
    websocket: bool,
    /// `Upgrade` names a protocol.
    names_protocol: bool,
    /// One of them is HTTP, WebSocket in odd writing, or no name.
    names_unserved: bool,
    expect_continue: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn on_header(
        &mut self,
        header: &Header<'a>,
        http10: bool,
    ) -> Result<(), FramingError> {
        let value = header.value;
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            if !target::is_host(value) {
                return Err(FramingError::InvalidHost);
            }
            if self.host.replace(value).is_some() {
                return Err(FramingError::RepeatedHost);
            }
        } else if is("content-length") {
            let length = content_length(value)?;
            if self.content_length.replace(length).is_some() {
                return Err(FramingError::RepeatedContentLength);
            }
        } else if is("transfer-encoding") {
            if http10 {
                return Err(FramingError::EncodingOnHttp10);
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(FramingError::UnsupportedTransferEncoding);
            }
            if std::mem::replace(&mut self.chunked, true) {
                return Err(FramingError::RepeatedTransferEncoding);
            }
        } else if is("connection") {
            self.on_connection(value)?;
        } else if is("upgrade") {
            self.upgrade_header = true;
            for protocol in members(value).filter(|protocol| !protocol.is_empty()) {
                self.names_protocol = true;
                self.websocket |= protocol.eq_ignore_ascii_case(b"websocket");
                self.names_unserved |= !is_served(protocol);
            }
        } else if is("expect") {
            self.expect_continue |= !http10 && expects_continue(value);
        } else if FRAMING_NAMES.iter().any(|name| is_alike(header.name, name)) {
            return Err(FramingError::InvalidHeaderName);
        }
        Ok(())
    }

    /// Characters beyond ASCII are refused: other readers ignore the whole value then.
    fn on_connection(&mut self, value: &[u8]) -> Result<(), FramingError> {
        if !value.is_ascii() {
            return Err(FramingError::InvalidHeaderValue);
        }
        for option in members(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    pub(super) fn conclude(
        &self,
        line: &RequestLine<'a>,
    ) -> Result<(HeadFacts, Changes<'a>), FramingError> {
        let body = match (self.content_length, self.chunked) {
            (Some(_), true) => return Err(FramingError::LengthAndEncoding),
            (Some(length), false) => Body::Counted(length),
            (None, true) => Body::Chunked,
            (None, false) => Body::None,
        };
        if let (Some(named), Some(host)) = (line.target_host, self.host) {
            if !named.eq_ignore_ascii_case(host) {
                return Err(FramingError::TargetHostMismatch);
            }
        }
        let has_body = !matches!(body, Body::None | Body::Counted(0));
        let upgrade = self.upgrade(line.http10, has_body);
        if upgrade == Upgrade::WebSocket && has_body {
            return Err(FramingError::WebSocketBody);
        }
        let changes = Changes {
            add_host: self
                .host
                .is_none()
                .then_some(line.target_host.unwrap_or(b"localhost")),
            add_zero_length: line.http10 && line.method == b"POST" && body == Body::None,
            drop_upgrade_header: upgrade == Upgrade::Ignored,
            drop_upgrade_option: upgrade != Upgrade::WebSocket && self.upgrade_option,
        };
        let facts = HeadFacts {
            http10: line.http10,
            keep_alive: !self.close && (!line.http10 || self.keep_alive),
            method_is_head: line.method == b"HEAD",
            body,
            upgrade,
            expect_continue: self.expect_continue,
        };
        Ok((facts, changes))
    }

    fn upgrade(&self, http10: bool, has_body: bool) -> Upgrade {
        let can_switch = self.upgrade_option && !http10 && !has_body;
        if self.websocket && !http10 {
            Upgrade::WebSocket
        } else if can_switch && self.names_protocol && !self.names_unserved {
            Upgrade::Other
        } else if self.upgrade_header {
            Upgrade::Ignored
        } else {
            Upgrade::None
        }
    }
}

/// Tells whether a backend may be asked for a protocol, written as `name` or `name/version`.
fn is_served(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    let is_valid = |part: &[u8]| !part.is_empty() && part.iter().copied().all(is_token);
    let unserved: [&[u8]; 6] = [b"http", b"h2", b"h2c", b"h3", b"tls", b"websocket"];
    is_valid(name)
        && parts.next().is_none_or(is_valid)
        && !unserved
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
}

/// Digits only: `str::parse` alone would take a sign.
pub(super) fn content_length(value: &[u8]) -> Result<u64, FramingError> {
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(FramingError::InvalidContentLength);
    }
    let text = std::str::from_utf8(value).map_err(|_| FramingError::InvalidContentLength)?;
    match text.parse::<u64>() {
        Ok(length) if length <= i64::MAX as u64 => Ok(length),
        _ => Err(FramingError::InvalidContentLength),
    }
}

/// Finds `100-continue` among the members of `Expect`; a comma within quotes separates nothing.
fn expects_continue(value: &[u8]) -> bool {
    let members = split_list([value]);
    members
        .iter()
        .any(|member| member.eq_ignore_ascii_case(b"100-continue"))
}

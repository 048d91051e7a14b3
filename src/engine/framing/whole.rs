//! A head that has come whole: parsed once, judged as a whole, and where its parts lie.
//!
//! What frames a body, and what the headers say of the connection, is judged by `head`.
//!
//! Source: RFC 9112 sections 2, 3 and 5.

use std::mem::MaybeUninit;

use bytes::Bytes;

use super::head::{is_token, Seen};
use super::{rewrite, target};
use super::{Fields, FramingError, HeadFacts, Span};

/// Most headers that are parsed.
const PARSER_HEADERS_MAX: usize = 96;

/// A head that passes.
pub(super) struct Checked {
    pub(super) facts: HeadFacts,
    /// What passes in its place.
    pub(super) rewritten: Option<Bytes>,
    /// Where the parts of what passes lie.
    pub(super) fields: Fields,
}

/// Checks a head that has come whole and is in order; none if it has to be looked at line by line.
///
/// What passes here passes there too: it begins with a token, and each line ends in CR LF.
pub(super) fn check_at_once(
    waiting: &[u8],
    bytes_max: u32,
    headers_max: u16,
) -> Option<(usize, Checked)> {
    if !waiting.first().copied().is_some_and(is_token) {
        return None;
    }
    let mut table = [const { MaybeUninit::uninit() }; PARSER_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(waiting, &mut table);
    let Ok(httparse::Status::Complete(len)) = parsed else {
        return None;
    };
    let head = waiting.get(..len)?;
    let is_bounded = len <= bytes_max as usize && request.headers.len() <= headers_max as usize;
    let is_in_order = head.ends_with(b"\r\n\r\n")
        && request.headers.iter().all(|header| {
            let before = head.get(..start(head, header.name.as_bytes()));
            before.is_some_and(|before| before.ends_with(b"\r\n"))
        });
    if !(is_bounded && is_in_order) {
        return None;
    }
    let checked = conclude(head, &request, false).ok()?;
    Some((len, checked))
}

/// Checks a complete head as a whole; its lines were checked.
pub(super) fn check(head: &[u8], has_empty_lines_before: bool) -> Result<Checked, FramingError> {
    let mut table = [const { MaybeUninit::uninit() }; PARSER_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut table) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) => return Err(FramingError::InvalidToken),
        Err(error) => return Err(tokenizer_error(error)),
    }
    conclude(head, &request, has_empty_lines_before)
}

fn conclude(
    head: &[u8],
    request: &httparse::Request<'_, '_>,
    has_empty_lines_before: bool,
) -> Result<Checked, FramingError> {
    let line_end = head
        .iter()
        .position(|byte| *byte == b'\r')
        .unwrap_or(head.len());
    let line = target::request_line(head.get(..line_end).unwrap_or_default())?;
    let mut seen = Seen::default();
    for header in request.headers.iter() {
        seen.on_header(header, line.http10)?;
    }
    let (facts, changes) = seen.conclude(&line)?;
    let must_rewrite = has_empty_lines_before || line.changed || changes.is_any();
    let rewritten = must_rewrite.then(|| rewrite::head(&line, request.headers, &changes));
    let fields = match &rewritten {
        None => fields(head, request),
        Some(rewritten) => {
            let mut table = [const { MaybeUninit::uninit() }; PARSER_HEADERS_MAX];
            let mut request = httparse::Request::new(&mut []);
            let parsed = request.parse_with_uninit_headers(rewritten, &mut table);
            parsed.map_err(tokenizer_error)?;
            fields(rewritten, &request)
        }
    };
    Ok(Checked {
        facts,
        rewritten,
        fields,
    })
}

fn fields(head: &[u8], request: &httparse::Request<'_, '_>) -> Fields {
    let span = |part: &[u8]| {
        let from = start(head, part);
        Span {
            from: from as u32,
            to: (from + part.len()) as u32,
        }
    };
    let headers = request.headers.iter();
    Fields {
        method: span(request.method.unwrap_or_default().as_bytes()),
        target: span(request.path.unwrap_or_default().as_bytes()),
        headers: headers
            .map(|header| (span(header.name.as_bytes()), span(header.value)))
            .collect(),
    }
}

/// Returns where in a head one of its parts begins; an empty part may lie anywhere.
fn start(head: &[u8], part: &[u8]) -> usize {
    let from = (part.as_ptr() as usize).wrapping_sub(head.as_ptr() as usize);
    from.min(head.len())
}

fn tokenizer_error(error: httparse::Error) -> FramingError {
    match error {
        httparse::Error::HeaderName => FramingError::InvalidHeaderName,
        httparse::Error::HeaderValue => FramingError::InvalidHeaderValue,
        httparse::Error::NewLine => FramingError::LineEnd,
        httparse::Error::TooManyHeaders => FramingError::TooManyHeaders,
        httparse::Error::Version => FramingError::InvalidVersion,
        httparse::Error::Token | httparse::Error::Status => FramingError::InvalidToken,
    }
}

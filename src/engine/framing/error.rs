//! Why the guard refuses a client's bytes, and what the client is told.
//!
//! It does not say how the answer is sent. The first seven texts are Pushpin's own.
//!
//! Source: RFC 9112, RFC 9110 section 5; `docs/compatibility.md`.

use thiserror::Error;

use crate::grip::Side;

/// Why nothing more may pass on a connection.
///
/// The text is what the client gets as body, without the line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(
    missing_docs,
    reason = "the text of each variant says what it stands for"
)]
pub enum FramingError {
    #[error("Request header size exceeded limit of {limit} bytes.")]
    HeadTooLarge { limit: u32 },
    #[error("Failed to parse request: too many headers")]
    TooManyHeaders,
    #[error("Failed to parse request: invalid token")]
    InvalidToken,
    #[error("Failed to parse request: invalid header name")]
    InvalidHeaderName,
    #[error("Failed to parse request: invalid header value")]
    InvalidHeaderValue,
    #[error("Failed to parse request: invalid HTTP version")]
    InvalidVersion,
    #[error("Failed to parse request: invalid content length")]
    InvalidContentLength,
    #[error("Failed to parse request: unsupported transfer encoding")]
    UnsupportedTransferEncoding,

    #[error("Failed to parse request: a line must end in CR LF, and neither may stand alone")]
    LineEnd,
    #[error("Failed to parse request: a header must not continue on the next line")]
    FoldedHeader,
    #[error("Failed to parse request: no space may stand before the colon of a header")]
    SpaceBeforeColon,
    #[error("Failed to parse request: invalid request target")]
    InvalidTarget,
    #[error("Failed to parse request: a request target of * needs the method OPTIONS")]
    StarTarget,
    #[error(
        "Failed to parse request: the request target and the Host header name different hosts"
    )]
    TargetHostMismatch,
    #[error("Failed to parse request: Host must be given once")]
    RepeatedHost,
    #[error("Failed to parse request: invalid host")]
    InvalidHost,
    #[error("Failed to parse request: content length must be given once")]
    RepeatedContentLength,
    #[error("Failed to parse request: transfer encoding must be given once")]
    RepeatedTransferEncoding,
    #[error("Failed to parse request: content length and transfer encoding exclude each other")]
    LengthAndEncoding,
    #[error("Failed to parse request: HTTP/1.0 has no transfer encoding")]
    EncodingOnHttp10,
    #[error("Request contained an Upgrade header with value \"websocket\" but the request was not a valid WebSocket request.")]
    WebSocketBody,
    #[error("CONNECT is not served here")]
    Connect,
    #[error("HTTP/2 is not served here, use HTTP/1.1")]
    Http2,
    #[error("this port speaks plain HTTP, not TLS")]
    Tls,

    #[error("Request header took too long.")]
    HeadTooSlow,
    #[error("Request body took too long.")]
    BodyTooSlow,

    #[error("Failed to parse request: invalid chunk size")]
    InvalidChunkSize,
    #[error("Failed to parse request: invalid or too long chunk extension")]
    InvalidChunkExtension,
    #[error("Failed to parse request: chunk is not followed by CR LF")]
    InvalidChunkEnd,
    #[error("Failed to parse request: invalid trailer")]
    InvalidTrailer,
    #[error("Failed to parse request: trailers are too long")]
    TrailersTooLarge,
}

impl FramingError {
    /// Returns the status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            FramingError::Connect => 501,
            FramingError::HeadTooSlow | FramingError::BodyTooSlow => 408,
            _ => 400,
        }
    }

    /// Tells whether the fault lies in a body. An answer may have begun then; if so, the connection is
    /// cut without another one.
    pub fn is_in_body(&self) -> bool {
        matches!(
            self,
            FramingError::InvalidChunkSize
                | FramingError::InvalidChunkExtension
                | FramingError::InvalidChunkEnd
                | FramingError::InvalidTrailer
                | FramingError::TrailersTooLarge
                | FramingError::BodyTooSlow
        )
    }

    /// Tells whether nothing was wrong but the time it took.
    pub fn is_slow(&self) -> bool {
        matches!(self, FramingError::HeadTooSlow | FramingError::BodyTooSlow)
    }

    /// Returns a stable word for logs and counters.
    pub fn code(&self) -> &'static str {
        match self {
            FramingError::HeadTooLarge { .. } => "head-too-large",
            FramingError::TooManyHeaders => "too-many-headers",
            FramingError::InvalidToken => "bad-token",
            FramingError::InvalidHeaderName => "bad-header-name",
            FramingError::InvalidHeaderValue => "bad-header-value",
            FramingError::InvalidVersion => "bad-http-version",
            FramingError::InvalidContentLength => "bad-content-length",
            FramingError::UnsupportedTransferEncoding => "bad-transfer-encoding",
            FramingError::LineEnd => "bad-line-end",
            FramingError::FoldedHeader => "folded-header",
            FramingError::SpaceBeforeColon => "space-before-colon",
            FramingError::InvalidTarget => "bad-request-target",
            FramingError::StarTarget => "star-without-options",
            FramingError::TargetHostMismatch => "target-host-mismatch",
            FramingError::RepeatedHost => "repeated-host",
            FramingError::InvalidHost => "bad-host",
            FramingError::RepeatedContentLength => "repeated-content-length",
            FramingError::RepeatedTransferEncoding => "repeated-transfer-encoding",
            FramingError::LengthAndEncoding => "length-and-encoding",
            FramingError::EncodingOnHttp10 => "encoding-on-http10",
            FramingError::WebSocketBody => "websocket-with-body",
            FramingError::Connect => "connect-not-served",
            FramingError::Http2 => "http2-not-served",
            FramingError::Tls => "tls-on-plain-port",
            FramingError::HeadTooSlow => "head-too-slow",
            FramingError::BodyTooSlow => "body-too-slow",
            FramingError::InvalidChunkSize => "bad-chunk-size",
            FramingError::InvalidChunkExtension => "bad-chunk-extension",
            FramingError::InvalidChunkEnd => "bad-chunk-end",
            FramingError::InvalidTrailer => "bad-trailer",
            FramingError::TrailersTooLarge => "trailers-too-large",
        }
    }

    /// Returns whose fault it is: always the client's.
    pub fn side(&self) -> Side {
        Side::Client
    }
}

//! What can be wrong with instructions, items and keys, and whose fault it is.
//!
//! Decides no status code: the http floor alone turns an error into an answer. The texts of
//! `PublishError` are Pushpin's, character by character, because publishers match on them; those
//! of `InstructError` are shown to backend authors on debug routes.

use super::json_fields::FieldError;

/// The longest part of an offending value that an error repeats, in bytes.
pub const EXCERPT_MAX_BYTES: usize = 100;

/// Says whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Whoever holds the client connection.
    Client,
    /// Whoever answers proxied requests.
    Backend,
    /// Whoever posts items.
    Publisher,
    /// Whoever runs P-8.
    Operator,
    /// P-8 itself.
    Internal,
}

/// Says what is wrong with a backend's instructions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstructError {
    /// `Grip-Hold` names no hold.
    #[error("Grip-Hold must be 'response' or 'stream', got '{0}'")]
    HoldMode(String),
    /// `Grip-Timeout` is no number of seconds.
    #[error("Grip-Timeout must be a whole number of seconds, 0 or more, got '{0}'")]
    Timeout(String),
    /// `Grip-Keep-Alive` has nothing to send.
    #[error("Grip-Keep-Alive must have content before the first ';'")]
    KeepAliveContent,
    /// `Grip-Keep-Alive` has an unknown `mode`.
    #[error("Grip-Keep-Alive mode must be 'idle' or 'interval', got '{0}'")]
    KeepAliveMode(String),
    /// `Grip-Keep-Alive` has an unknown `format`.
    #[error("Grip-Keep-Alive format must be 'raw', 'cstring' or 'base64', got '{0}'")]
    KeepAliveFormat(String),
    /// `Grip-Keep-Alive` has a `timeout` that is no number of seconds.
    #[error("Grip-Keep-Alive timeout must be a whole number of seconds, 0 or more, got '{0}'")]
    KeepAliveTimeout(String),
    /// `Grip-Keep-Alive` has a broken cstring.
    #[error("Grip-Keep-Alive content must end its escapes, and \\x takes 2 hex digits, got '{0}'")]
    KeepAliveEscape(String),
    /// `Grip-Status` is no status.
    #[error("Grip-Status must be a code from 200 to 999 and an optional reason, got '{0}'")]
    Status(String),
    /// `Grip-Link` has no link in angle brackets.
    #[error("Grip-Link must be a URI in angle brackets and its parameters, got '{0}'")]
    LinkSyntax(String),
    /// `Grip-Link` has a link that cannot be requested.
    #[error("Grip-Link must be a path or an http(s) URI, got '{0}'")]
    LinkUri(String),
    /// `Grip-Link` has a `timeout` that is no number of seconds.
    #[error("Grip-Link timeout must be a whole number of seconds, 0 or more, got '{0}'")]
    LinkTimeout(String),
    /// A channel of `Grip-Channel` or of the JSON has too many filters.
    #[error("Grip-Channel must have at most 5 filters on a channel, got more on '{0}'")]
    TooManyFilters(String),
    /// JSON instructions came with another status than 200.
    #[error("application/grip-instruct must come with status 200, got {0}")]
    JsonStatus(u16),
    /// JSON instructions are no JSON.
    #[error("application/grip-instruct body must be valid JSON")]
    NotJson,
    /// A field of the JSON instructions is missing or wrong.
    #[error("application/grip-instruct body: {0}")]
    Field(#[from] FieldError),
}

/// Says what is wrong with a publish request or item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The request is no JSON object or array.
    #[error("Body is not valid JSON.")]
    NotJson,
    /// The request is an array.
    #[error("Invalid format.")]
    NotObject,
    /// A field is missing or wrong.
    #[error("Invalid format: {0}")]
    Field(#[from] FieldError),
    /// The item has no formats.
    #[error("Invalid format: no formats specified")]
    NoFormats,
    /// A format has an unknown `action`.
    #[error("Invalid format: ")]
    UnknownAction(String),
}

/// Says what is wrong with a signing key, or with signing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// The key has no bytes.
    #[error("key must not be empty")]
    Empty,
    /// The key is the name of a file, whose content is wanted instead.
    #[error("key must be text or base64 here, got a file name")]
    FileName,
    /// The file is neither PEM nor hex text.
    #[error("key file must hold a PEM key or a secret in hex digits")]
    NotHex,
    /// The PEM file has no key that can be used.
    #[error(
        "key file must hold a PEM key, RSA or EC P-256 in PKCS#8 \
         (openssl pkcs8 -topk8 -nocrypt converts others)"
    )]
    Pem,
    /// The key can only verify.
    #[error("key must be a private one to sign with")]
    PublicKey,
    /// The signature could not be made.
    #[error("signing failed: {0}")]
    Failed(String),
}

impl InstructError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Backend
    }

    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            InstructError::HoldMode(_) => "bad-hold-mode",
            InstructError::Timeout(_) => "bad-hold-timeout",
            InstructError::KeepAliveContent => "bad-keep-alive-content",
            InstructError::KeepAliveMode(_) => "bad-keep-alive-mode",
            InstructError::KeepAliveFormat(_) => "bad-keep-alive-format",
            InstructError::KeepAliveTimeout(_) => "bad-keep-alive-timeout",
            InstructError::KeepAliveEscape(_) => "bad-keep-alive-escape",
            InstructError::Status(_) => "bad-status",
            InstructError::LinkSyntax(_) => "bad-link-syntax",
            InstructError::LinkUri(_) => "bad-link-uri",
            InstructError::LinkTimeout(_) => "bad-link-timeout",
            InstructError::TooManyFilters(_) => "too-many-filters",
            InstructError::JsonStatus(_) => "bad-instruct-status",
            InstructError::NotJson => "instruct-not-json",
            InstructError::Field(_) => "bad-instruct-field",
        }
    }
}

impl PublishError {
    /// Says what is wrong to whoever reads the log, also where publishers get no text.
    pub fn explanation(&self) -> String {
        match self {
            PublishError::UnknownAction(got) => {
                format!("{self}'action' must be 'send', 'hint', 'close' or 'refresh', got '{got}'")
            }
            _ => self.to_string(),
        }
    }

    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Publisher
    }

    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            PublishError::NotJson => "publish-not-json",
            PublishError::NotObject => "publish-not-object",
            PublishError::Field(_) => "bad-item-field",
            PublishError::NoFormats => "no-formats",
            PublishError::UnknownAction(_) => "unknown-action",
        }
    }
}

impl SigError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        match self {
            SigError::Failed(_) => Side::Internal,
            _ => Side::Operator,
        }
    }

    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            SigError::Empty => "empty-key",
            SigError::FileName => "key-is-file-name",
            SigError::NotHex => "key-not-hex",
            SigError::Pem => "bad-pem-key",
            SigError::PublicKey => "public-key",
            SigError::Failed(_) => "signing-failed",
        }
    }
}

/// Gives the beginning of an offending value, fit for one line of text.
///
/// **Bounds**: cut to 100 bytes; control characters are escaped.
pub fn excerpt(value: impl AsRef<[u8]>) -> String {
    let value = value.as_ref();
    let cut = value.get(..EXCERPT_MAX_BYTES).unwrap_or(value);
    // A character cut in half is left out.
    let cut = match std::str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() => cut.get(..error.valid_up_to()),
        _ => Some(cut),
    };
    let mut text = String::new();
    for char in String::from_utf8_lossy(cut.unwrap_or_default()).chars() {
        if char.is_control() {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_on_one_line() {
        for (value, expected) in [
            (&b"plain"[..], "plain".to_owned()),
            (b"a\r\nb\0\t", "a\\r\\nb\\u{0}\\t".to_owned()),
            (&[b'x'; 200], "x".repeat(100)),
            ("ž".repeat(200).as_bytes(), "ž".repeat(50)),
            (
                ["y", &"ž".repeat(200)].concat().as_bytes(),
                format!("y{}", "ž".repeat(49)),
            ),
            (b"a\xffb", "a\u{fffd}b".to_owned()),
        ] {
            assert_eq!(excerpt(value), expected);
        }
    }

    #[test]
    fn errors_say_whose_fault_they_are() {
        assert_eq!(InstructError::NotJson.side(), Side::Backend);
        assert_eq!(PublishError::NotJson.side(), Side::Publisher);
        assert_eq!(SigError::Pem.side(), Side::Operator);
        assert_eq!(SigError::Failed(String::new()).side(), Side::Internal);
    }
}

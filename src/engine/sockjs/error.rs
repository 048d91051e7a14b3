//! What can be wrong with a request of a SockJS client. The texts are Pushpin's.

use crate::grip::error::Side;

/// Says why a request of a SockJS client is refused; the text and a line feed are the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SockJsError {
    /// The path, the method or the session is none.
    #[error("Not Found")]
    NotFound,
    /// There is no iframe page, as no script is configured for it.
    #[error("There is no iframe page here: the operator has not set sockjs_url.")]
    NoIframe,
    /// A JSON-P poll names no callback, or none that can be called.
    #[error("Bad Request")]
    Callback,
    /// What was sent is no JSON list of strings.
    #[error("Payload expected")]
    Payload,
    /// A message is over [`MESSAGE_MAX`](super::MESSAGE_MAX).
    #[error("Message too large")]
    MessageTooLarge,
    /// The messages of another request still wait for the backend.
    #[error("Already sending")]
    AlreadySending,
    /// A body is over [`REQUEST_MAX`](super::REQUEST_MAX).
    #[error("Request too large.")]
    RequestTooLarge,
    /// The session was lost while a poll waited.
    #[error("Session terminated")]
    Terminated,
}

impl SockJsError {
    /// Returns the status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound | Self::NoIframe => 404,
            Self::Terminated => 410,
            Self::Callback
            | Self::Payload
            | Self::MessageTooLarge
            | Self::AlreadySending
            | Self::RequestTooLarge => 400,
        }
    }

    /// Says whose fault it is.
    pub fn side(self) -> Side {
        match self {
            Self::NoIframe => Side::Operator,
            Self::Terminated => Side::Backend,
            _ => Side::Client,
        }
    }

    /// Returns the stable word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => "no-sockjs-resource",
            Self::NoIframe => "no-sockjs-url",
            Self::Callback => "bad-sockjs-callback",
            Self::Payload => "bad-sockjs-payload",
            Self::MessageTooLarge => "sockjs-message-too-large",
            Self::AlreadySending => "sockjs-already-sending",
            Self::RequestTooLarge => "sockjs-request-too-large",
            Self::Terminated => "sockjs-session-terminated",
        }
    }
}

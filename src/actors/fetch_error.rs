//! Why a request to a backend got no answer, or an answer that does not end.
//!
//! Not its concern: the status and the text that a client sees for it (`http/reply.rs`).

use crate::{engine::zmq::zhttp::Condition, grip::Side};

/// Says why a fetch failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No address is known for the backend's name.
    #[error("cannot resolve backend {target}: {why}")]
    Resolve {
        /// The backend as `host:port`.
        target: String,
        /// What the resolver said.
        why: String,
    },
    /// The last address tried refused the connection.
    #[error("backend {target} refused the connection")]
    ConnectRefused {
        /// The backend as `host:port`.
        target: String,
    },
    /// No address accepted the connection in time.
    #[error("backend {target} did not accept the connection in time")]
    ConnectTimeout {
        /// The backend as `host:port`.
        target: String,
    },
    /// The connection failed in another way.
    #[error("cannot connect to backend {target}: {why}")]
    Connect {
        /// The backend as `host:port`.
        target: String,
        /// What the operating system said.
        why: String,
    },
    /// Every address of the target is one of one's own, and it may not be.
    #[error(
        "backend {target} has no public address: it is untrusted, or only the client named it"
    )]
    AddressBlocked {
        /// The backend as `host:port`.
        target: String,
    },
    /// No TLS connection came about.
    #[error("no tls connection to backend {target}: {}{}{why}", fault.words(), if why.is_empty() { "" } else { ": " })]
    Tls {
        /// The backend as `host:port`.
        target: String,
        /// What is wrong.
        fault: TlsFault,
        /// What else is known of it, cut to 100 bytes.
        why: String,
    },
    /// The target is a built-in responder, which has no address.
    #[error("target {target} is built in, expected a backend with a host and a port")]
    NoAddress {
        /// The target's name.
        target: String,
    },
    /// As many requests as may wait for the backend's answers already.
    #[error("{waiting} requests wait for backend {target} already, as many as may")]
    TargetBusy {
        /// The backend as `host:port`.
        target: String,
        /// The bound.
        waiting: usize,
    },
    /// No socket is bound for the ZeroMQ backend.
    #[error("no socket is bound for {target}")]
    ZmqNotBound {
        /// The backend as `zhttpreq/spec`.
        target: String,
    },
    /// Too many requests wait for the ZeroMQ backend.
    #[error("too many requests wait for {target}")]
    ZmqBusy {
        /// The backend as `zhttpreq/spec`.
        target: String,
    },
    /// No ZeroMQ backend answered in time, or none is connected.
    #[error("no answer from {target} in time")]
    ZhttpUnreachable {
        /// The backend as `zhttpreq/spec`.
        target: String,
    },
    /// The ZeroMQ backend says that it cannot answer.
    #[error("{target} answered with the condition {condition}")]
    ZhttpCondition {
        /// The backend as `zhttpreq/spec`.
        target: String,
        /// Why.
        condition: Condition,
    },
    /// The ZeroMQ backend wants a length.
    #[error("{target} wants requests with a length")]
    LengthRequired {
        /// The backend as `zhttpreq/spec`.
        target: String,
    },
    /// The request's body does not fit a packet.
    #[error("request body is longer than the 1000000 bytes of a packet")]
    TooLargeForZhttpreq,
    /// A WebSocket, or a change of protocols, for a backend of packets.
    #[error("{target} takes no WebSockets, expected over_http = true")]
    ZhttpreqWebSocket {
        /// The backend as `zhttpreq/spec`.
        target: String,
    },
    /// The request's path and query cannot be written in a request line.
    #[error("request target {uri:?} cannot be sent, expected a path without fragment")]
    BadRequestTarget {
        /// The path and query, cut to 100 bytes.
        uri: String,
    },
    /// The client's request body failed, or ended before its length.
    #[error("request body was cut short: {why}")]
    RequestBodyCut {
        /// What the body said.
        why: String,
    },
    /// The backend closed the connection before a byte of an answer.
    #[error("backend {target} closed the connection before it answered")]
    ClosedBeforeAnswer {
        /// The backend as `host:port`.
        target: String,
    },
    /// What the backend sent is not an HTTP/1 answer.
    #[error("backend {target} gave a bad answer: {why}")]
    BadAnswer {
        /// The backend as `host:port`.
        target: String,
        /// What is wrong with it, cut to 100 bytes.
        why: String,
    },
    /// The answer's head is past the bounds.
    #[error("backend {target} sent an answer head that is too large")]
    HeadTooLarge {
        /// The backend as `host:port`.
        target: String,
    },
    /// No answer came in time; found by the caller of a fetch, who keeps the deadline.
    #[error("no answer from the backend in time")]
    AnswerTimeout,
    /// The whole exchange took longer than its route allows; found likewise.
    #[error("the request was not answered whole in time")]
    RequestTimeout,
    /// The answer's body ended before its end.
    #[error("body from backend {target} was cut short: {why}")]
    BodyCut {
        /// The backend as `host:port`.
        target: String,
        /// What ended it, cut to 100 bytes.
        why: String,
    },
}

impl FetchError {
    /// Returns the stable word for logs and stats.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve-failed",
            Self::ConnectRefused { .. } => "connect-refused",
            Self::ConnectTimeout { .. } => "connect-timeout",
            Self::Connect { .. } => "connect-failed",
            Self::AddressBlocked { .. } => "address-blocked",
            Self::Tls { fault, .. } => fault.code(),
            Self::NoAddress { .. } => "no-address",
            Self::TargetBusy { .. } => "target-busy",
            Self::ZmqNotBound { .. } => "zmq-not-bound",
            Self::ZmqBusy { .. } => "zmq-busy",
            Self::ZhttpUnreachable { .. } => "zhttp-unreachable",
            Self::ZhttpCondition { .. } => "zhttp-condition",
            Self::LengthRequired { .. } => "length-required",
            Self::TooLargeForZhttpreq => "request-too-large-for-zhttpreq",
            Self::ZhttpreqWebSocket { .. } => "zhttpreq-websocket",
            Self::BadRequestTarget { .. } => "bad-request-target",
            Self::RequestBodyCut { .. } => "request-body-cut",
            Self::ClosedBeforeAnswer { .. } => "closed-before-answer",
            Self::BadAnswer { .. } => "bad-answer",
            Self::HeadTooLarge { .. } => "head-too-large",
            Self::AnswerTimeout => "answer-timeout",
            Self::RequestTimeout => "request-timeout",
            Self::BodyCut { .. } => "body-cut",
        }
    }

    /// Returns whose fault it is.
    pub fn side(&self) -> Side {
        match self {
            Self::BadRequestTarget { .. }
            | Self::RequestBodyCut { .. }
            | Self::LengthRequired { .. }
            | Self::TooLargeForZhttpreq => Side::Client,
            Self::NoAddress { .. } | Self::ZmqNotBound { .. } | Self::ZhttpreqWebSocket { .. } => {
                Side::Operator
            }
            _ => Side::Backend,
        }
    }

    /// Returns whether the backend has as much to do as it may, and can be asked again soon.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::TargetBusy { .. } | Self::ZmqBusy { .. })
    }

    /// Returns whether no connection came about, so that the next target may be tried.
    pub fn before_sending(&self) -> bool {
        matches!(
            self,
            Self::Resolve { .. }
                | Self::ConnectRefused { .. }
                | Self::ConnectTimeout { .. }
                | Self::Connect { .. }
                | Self::AddressBlocked { .. }
                | Self::Tls { .. }
                | Self::TargetBusy { .. }
                | Self::ZmqNotBound { .. }
                | Self::ZmqBusy { .. }
        )
    }

    /// Returns whether it is held against the target: it could not be reached, or gave no answer.
    ///
    /// A bad answer is not: it may come from one page alone, whoever asks for it. Nor is that it has
    /// much to do.
    pub fn counts_against_target(&self) -> bool {
        let is_silent = matches!(self, Self::ClosedBeforeAnswer { .. } | Self::AnswerTimeout);
        let is_unreachable = self.before_sending() && !self.is_busy();
        self.side() == Side::Backend && (is_unreachable || is_silent)
    }
}

/// Says why no TLS connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The name that the certificate would have to be for is none.
    NoName,
    /// The certificate is not valid any more, or not yet.
    CertificateExpired,
    /// The certificate comes from nobody who is trusted.
    UnknownIssuer,
    /// The certificate is for other names.
    NameMismatch,
    /// The certificate is bad in another way.
    BadCertificate,
    /// The backend broke the handshake off, for want of a certificate of P-8's perhaps.
    Refused,
    /// The backend does not speak TLS.
    NotSpoken,
    /// Anything else.
    Failed,
}

impl TlsFault {
    /// Returns the stable word for logs and stats.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoName => "tls-no-name",
            Self::CertificateExpired => "tls-certificate-expired",
            Self::UnknownIssuer => "tls-unknown-issuer",
            Self::NameMismatch => "tls-name-mismatch",
            Self::BadCertificate => "tls-bad-certificate",
            Self::Refused => "tls-refused",
            Self::NotSpoken => "tls-not-spoken",
            Self::Failed => "tls-failed",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NoName => "expected a host that a certificate can be for",
            Self::CertificateExpired => "the certificate has expired, or is not valid yet",
            Self::UnknownIssuer => "the certificate comes from an unknown issuer",
            Self::NameMismatch => "the certificate is for another name",
            Self::BadCertificate => "the certificate is bad",
            Self::Refused => "it refused the handshake",
            Self::NotSpoken => "it does not speak tls",
            Self::Failed => "the handshake failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> String {
        "a:1".to_owned()
    }

    fn why() -> String {
        "x".to_owned()
    }

    #[test]
    fn each_fault_of_a_backend_has_a_code_and_says_whether_another_target_may_be_tried() {
        use FetchError::*;
        #[rustfmt::skip]
        let table = [
            (Resolve { target: target(), why: why() }, "resolve-failed", true),
            (ConnectRefused { target: target() }, "connect-refused", true),
            (ConnectTimeout { target: target() }, "connect-timeout", true),
            (Connect { target: target(), why: why() }, "connect-failed", true),
            (AddressBlocked { target: target() }, "address-blocked", true),
            (Tls { target: target(), fault: TlsFault::Refused, why: why() }, "tls-refused", true),
            (TargetBusy { target: target(), waiting: 3 }, "target-busy", true),
            (ClosedBeforeAnswer { target: target() }, "closed-before-answer", false),
            (BadAnswer { target: target(), why: why() }, "bad-answer", false),
            (HeadTooLarge { target: target() }, "head-too-large", false),
            (BodyCut { target: target(), why: why() }, "body-cut", false),
        ];
        for (error, code, before_sending) in table {
            assert_eq!(error.code(), code);
            assert_eq!(error.side(), Side::Backend, "{code}");
            assert_eq!(error.before_sending(), before_sending, "{code}");
            assert!(error.to_string().contains("backend a:1"), "{error}");
        }
    }

    #[test]
    fn a_target_that_gives_no_answer_is_blamed_and_one_that_gives_a_bad_one_is_not() {
        use FetchError::*;
        #[rustfmt::skip]
        let table = [
            (Resolve { target: target(), why: why() }, true),
            (ConnectRefused { target: target() }, true),
            (ConnectTimeout { target: target() }, true),
            (Connect { target: target(), why: why() }, true),
            (ClosedBeforeAnswer { target: target() }, true),
            (AnswerTimeout, true),
            (RequestTimeout, false),
            (TargetBusy { target: target(), waiting: 3 }, false),
            (ZmqBusy { target: target() }, false),
            (BadAnswer { target: target(), why: why() }, false),
            (HeadTooLarge { target: target() }, false),
            (BadRequestTarget { uri: target() }, false),
            (RequestBodyCut { why: why() }, false),
            (NoAddress { target: target() }, false),
        ];
        for (error, counts) in table {
            assert_eq!(error.counts_against_target(), counts, "{error}");
        }
    }

    #[test]
    fn each_error_says_whose_fault_it_is() {
        use FetchError::*;
        for (error, side, before_sending) in [
            (AnswerTimeout, Side::Backend, false),
            (RequestTimeout, Side::Backend, false),
            (NoAddress { target: target() }, Side::Operator, false),
            (ZmqNotBound { target: target() }, Side::Operator, true),
            (ZmqBusy { target: target() }, Side::Backend, true),
            (ZhttpUnreachable { target: target() }, Side::Backend, false),
            (LengthRequired { target: target() }, Side::Client, false),
            (TooLargeForZhttpreq, Side::Client, false),
            (
                ZhttpreqWebSocket { target: target() },
                Side::Operator,
                false,
            ),
            (BadRequestTarget { uri: target() }, Side::Client, false),
            (RequestBodyCut { why: why() }, Side::Client, false),
        ] {
            assert_eq!(error.side(), side, "{error}");
            assert_eq!(error.before_sending(), before_sending, "{error}");
        }
    }
}

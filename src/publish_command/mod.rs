//! `p-8 publish`: puts one item together from arguments and posts it to a GRIP server.
//!
//! A client like any other: it knows nothing of a server in this process, and works with other GRIP
//! servers too.
//!
//! ```text
//! arguments ─▶ item ─▶ POST {"items": [item]} to the spec's /publish/ ─▶ 2xx, or why not
//! ```
//!
//! Source: `docs/publish-command.md`.

mod arguments;
mod post;
mod receipt;

use std::time::Duration;

use p8::grip::{grip_url::GripUrlError, publish::encode_request, SigError};

pub(crate) use arguments::Arguments;

/// How long a publish may take, from the look-up of the server's name to its whole answer.
///
/// P-8 itself answers after 10 seconds at the latest.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a token that is signed for a request is good for.
const TOKEN_SECS: u64 = 3_600;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishFailed {
    /// The content cannot be read.
    #[error("cannot read {from}: {source}")]
    Content {
        /// The file, or standard input.
        from: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The content of `--patch` is no list of operations.
    #[error("--patch takes a JSON array of operations as content")]
    NoPatch,
    /// The spec cannot be used.
    #[error("{from}: {error}")]
    Spec {
        /// The option or variable it comes from.
        from: &'static str,
        /// What is wrong with it.
        error: GripUrlError,
    },
    /// Credentials would travel readable for everybody on the way.
    #[error(
        "credentials are not sent over plain http to '{0}', where others could read them: \
         use https, or a server on this machine"
    )]
    PlainCredentials(String),
    /// No token could be signed.
    #[error("cannot sign a token: {0}")]
    Token(#[from] SigError),
    /// TLS cannot be set up.
    #[error("cannot use TLS: {0}")]
    Tls(String),
    /// There is no connection.
    #[error("cannot connect to {place}: {reason}")]
    Connect {
        /// Where to.
        place: String,
        /// What was in the way.
        reason: String,
    },
    /// The connection broke.
    #[error("no answer from {place}: {reason}")]
    Answer {
        /// From where.
        place: String,
        /// What happened.
        reason: String,
    },
    /// Nothing came in time.
    #[error("no answer from {0} within {secs} s; the item may still be published", secs = DEADLINE.as_secs())]
    Deadline(String),
    /// The server took the item, but is none that gives receipts.
    #[error("published, but the server answered no receipt: only P-8 gives them")]
    NoReceipt,
    /// The server said no.
    #[error("the server answered {0}")]
    Refused(String),
}

/// Publishes what the arguments say; returns the lines to be printed.
pub(crate) async fn run(arguments: Arguments) -> Result<String, PublishFailed> {
    // A text that is broken is refused as a URL, not passed over.
    let environment = std::env::var_os("GRIP_URL").map(|url| url.to_string_lossy().into_owned());
    let url = arguments.grip_url(environment)?;
    let wants_receipt = arguments.wants_receipt();
    let item = arguments.into_item()?;
    let answer = post::post(&url, encode_request(&[item]), wants_receipt).await?;
    match answer {
        None => Ok("Published".to_owned()),
        Some(answer) => receipt::lines(&answer).ok_or(PublishFailed::NoReceipt),
    }
}

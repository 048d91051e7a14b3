//! One request over HTTP/2: a stream of a connection that others use too.
//!
//! A request is sent again, on another connection, if nothing of it was sent, or the server says that it
//! did not look at it (a refused stream, or one behind those that a server going away still answers), or
//! a connection that had worked before broke before the head of an answer and the method is idempotent;
//! always only if its body can be had again.
//!
//! Source: RFC 9113 sections 6.8, 8.3.1 and 8.7.

use std::error::Error;

use h2::Reason;
use http::{
    header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE},
    uri::{Authority, Parts, Scheme},
    HeaderValue, Uri,
};

use crate::{
    actors::{
        fetch_error::FetchError,
        ports::{BackendResponse, FetchFailure},
    },
    engine::route::TargetKind,
};

use super::{
    answer::{self, Behind},
    fetch::{bad_answer, cut},
    key::Key,
    message::{self, Message},
    pool::Pool,
    shared::Lease,
};

/// How often a request is sent at most.
const ATTEMPTS_MAX: usize = 3;

/// What became of a request for HTTP/2.
pub(super) enum Fetched {
    /// An answer, or none.
    Done(Result<BackendResponse, FetchFailure>),
    /// The server speaks HTTP/1: nothing was sent.
    Http1(Message),
}

/// Fetches one answer, if the server speaks HTTP/2.
pub(super) async fn run(pool: &Pool, key: &Key, mut message: Message) -> Fetched {
    let mut untouched = true;
    for attempt in 1.. {
        let lease = match pool.lease(key).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Fetched::Http1(message),
            Err(error) => return failed(key, error, Some(message).filter(|_| untouched)),
        };
        match exchange(key, lease, message).await {
            Ok(response) => return Fetched::Done(Ok(response)),
            Err(broken) => {
                untouched &= broken.untouched;
                match broken.message {
                    Some(again) if attempt < ATTEMPTS_MAX => message = again,
                    left => {
                        return failed(key, broken.error, left.filter(|_| untouched));
                    }
                }
                log::debug!(backend:% = key.target, why = broken.error.code(); "request is sent again");
                pool.note_retry();
            }
        }
    }
    failed(key, bad_answer(&key.target, "no answer"), None)
}

fn failed(key: &Key, error: FetchError, unsent: Option<Message>) -> Fetched {
    let target = key.target.clone();
    Fetched::Done(Err(FetchFailure {
        error,
        unsent: unsent.map(|message| message::rebuild(target, message)),
    }))
}

/// A stream that brought no answer.
struct Broken {
    error: FetchError,
    /// The message, if it may be sent again.
    message: Option<Message>,
    /// Nothing of it was sent.
    untouched: bool,
}

async fn exchange(
    key: &Key,
    lease: Lease,
    message: Message,
) -> Result<BackendResponse, Box<Broken>> {
    let copy = message::copy(&message);
    let is_replayable = message::is_replayable(&message);
    let (message, fault) = match to_http2(message, &key.target) {
        Ok(message) => message::watched(message),
        Err(error) => {
            return Err(Box::new(Broken {
                error,
                message: None,
                untouched: false,
            }))
        }
    };
    let mut failed = match lease.send(message).await {
        Ok(response) => return Ok(answer::accept(response, Behind::Shared(lease), None)),
        Err(failed) => failed,
    };
    if let Some(message) = failed.take_message() {
        lease.retire();
        return Err(Box::new(Broken {
            error: FetchError::ClosedBeforeAnswer {
                target: lease.target().to_owned(),
            },
            message: Some(to_http1(message)),
            untouched: true,
        }));
    }
    let error = failed.into_error();
    let reset = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>());
    let is_broken = reset.is_none_or(h2::Error::is_io);
    let is_refused = reset.is_some_and(|error| error.reason() == Some(Reason::REFUSED_STREAM));
    let is_left = reset.is_some_and(|error| error.is_go_away() && error.is_remote());
    match (is_refused, is_left || is_broken) {
        (true, _) => lease.note_refused(),
        (_, true) => lease.retire(),
        _ => {}
    }
    let may_repeat = is_refused || is_left || (is_broken && lease.is_reused && is_replayable);
    let error = match fault.take() {
        Some(why) => FetchError::RequestBodyCut { why: cut(&why) },
        None if is_broken => FetchError::ClosedBeforeAnswer {
            target: lease.target().to_owned(),
        },
        None => {
            let why = reset.map_or_else(|| error.to_string(), ToString::to_string);
            bad_answer(&key.target, &why)
        }
    };
    Err(Box::new(Broken {
        error,
        message: copy.filter(|_| may_repeat),
        untouched: is_refused || is_left,
    }))
}

/// Writes a message as HTTP/2 has it: the host in its target, and nothing about the connection.
fn to_http2(mut message: Message, target: &TargetKind) -> Result<Message, FetchError> {
    let is_secure = matches!(target, TargetKind::Server(server) if server.tls.is_some());
    let headers = message.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    let host = headers.remove(HOST);
    let mut parts = Parts::default();
    parts.scheme = Some(if is_secure {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    });
    parts.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    parts.path_and_query = message.uri().path_and_query().cloned();
    match Uri::from_parts(parts) {
        Ok(uri) => *message.uri_mut() = uri,
        Err(_) => {
            return Err(FetchError::BadRequestTarget {
                uri: cut(&message.uri().to_string()),
            })
        }
    }
    Ok(message)
}

/// Takes back what [`to_http2`] did.
fn to_http1(mut message: Message) -> Message {
    let uri = std::mem::take(message.uri_mut());
    if let Some(host) = uri
        .authority()
        .and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        message.headers_mut().insert(HOST, host);
    }
    if let Some(path) = uri.path_and_query() {
        *message.uri_mut() = Uri::from(path.clone());
    }
    message
}

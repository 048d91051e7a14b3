//! One request to one backend: an idle connection first, a fresh one else, one retry where it is safe.
//!
//! A request goes out a second time only if an idle connection broke before a byte of an answer, and
//! either nothing of the request was sent or its method is idempotent and its body can be had again.
//! A fresh connection gets one attempt; whether another target is asked is the caller's decision.
//!
//! Not its concern: a deadline for the answer. Dropping the future closes the connection.
//!
//! Source: RFC 9110 section 9.2.2, RFC 9112 section 9.3.1.

use std::{
    error::Error,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Waker,
    time::Instant,
};

use http::{HeaderMap, StatusCode};

use crate::{
    actors::{
        fetch_error::FetchError,
        ports::{BackendRequest, BackendResponse, FetchFailure, Informational},
    },
    engine::route::TargetKind,
};

use super::{
    answer::{self, Behind},
    connect::Connection,
    http2::{self, Fetched},
    key::Key,
    message::{self, Message},
    pool::Pool,
    tls,
};

/// Most 1xx heads that wait to be passed on; past it they are dropped, as RFC 9110 15.2 allows.
const INFORMATIONAL_MAX: usize = 16;

/// Fetches one answer.
pub(super) async fn run(
    pool: Pool,
    request: BackendRequest,
    informational: Option<Informational>,
) -> Result<BackendResponse, FetchFailure> {
    let (target, message) = message::build(request).map_err(|error| FetchFailure {
        error,
        unsent: None,
    })?;
    let key = match Key::new(&target, message.headers()) {
        Ok(key) => key,
        Err(error) => {
            return Err(FetchFailure {
                error,
                unsent: Some(message::rebuild(target, message)),
            })
        }
    };
    let message = match key.wants_http2() {
        false => message,
        // Boxed, so that what is rarer does not make every request's future large.
        true => match Box::pin(http2::run(&pool, &key, message)).await {
            Fetched::Done(done) => return done,
            Fetched::Http1(message) => message,
        },
    };
    over_http1(pool, key, message, informational.as_ref()).await
}

/// Fetches one answer over a connection of its own.
async fn over_http1(
    pool: Pool,
    key: Key,
    message: Message,
    heads: Option<&Informational>,
) -> Result<BackendResponse, FetchFailure> {
    let target = key.target.clone();
    let mut untouched = true;
    let message = match idle_connection(&pool, &key, &message).await {
        None => message,
        Some(connection) => {
            let copy = message::is_replayable(&message).then(|| message::copy(&message));
            let broken = match exchange(&pool, connection, message, heads).await {
                Ok(answer) => return Ok(answer),
                Err(broken) => broken,
            };
            untouched = broken.message.is_some();
            let Some(message) = broken
                .message
                .or(copy.flatten().filter(|_| !broken.answered))
            else {
                return Err(FetchFailure {
                    error: broken.error,
                    unsent: None,
                });
            };
            log::debug!(backend:% = target, why = broken.error.code(); "request is sent again");
            pool.note_retry();
            message
        }
    };
    let unsent = |target: TargetKind, message: Option<Message>| {
        message
            .filter(|_| untouched)
            .map(|message| message::rebuild(target, message))
    };
    match pool.open(&key).await {
        Err(error) => Err(FetchFailure {
            error,
            unsent: unsent(target, Some(message)),
        }),
        Ok(connection) => match exchange(&pool, connection, message, heads).await {
            Ok(answer) => Ok(answer),
            Err(broken) => {
                let Broken { error, message, .. } = *broken;
                Err(FetchFailure {
                    error,
                    unsent: unsent(target, message),
                })
            }
        },
    }
}

/// Takes an idle connection, with more care if the message can be sent only once.
async fn idle_connection(pool: &Pool, key: &Key, message: &Message) -> Option<Connection> {
    loop {
        let connection = pool.checkout(key, Instant::now())?;
        if message::is_replayable(message) {
            return Some(connection);
        }
        // One turn of the reactor: a backend that closed the connection by now becomes known.
        tokio::task::yield_now().await;
        if connection.sender.is_ready() {
            return Some(connection);
        }
    }
}

/// An exchange that brought no answer.
struct Broken {
    error: FetchError,
    /// The message, if nothing of it was sent.
    message: Option<Message>,
    /// A byte of an answer came.
    answered: bool,
}

/// Sends a message over a connection and waits for the head of its answer.
async fn exchange(
    pool: &Pool,
    mut connection: Connection,
    mut message: Message,
    informational: Option<&Informational>,
) -> Result<BackendResponse, Box<Broken>> {
    connection.wire.begin();
    let pool = message::keeps_connection(&message).then_some(pool);
    let heads = informational.map(|listener| (listener, listen(&mut message)));
    let answer = connection.sender.try_send_request(message);
    let result = match heads {
        None => answer.await,
        Some((listener, heads)) => pass_on(answer, listener, heads).await,
    };
    let answered = connection.wire.answered();
    match result {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let error = bad_answer(&connection.key.target, "unexpected 101");
            Err(Box::new(Broken {
                error,
                message: None,
                answered,
            }))
        }
        Ok(response) => Ok(answer::accept(response, Behind::Own(connection), pool)),
        Err(mut failed) => {
            let message = failed.take_message();
            let error = diagnose(&failed.into_error(), answered, &connection.key.target);
            Err(Box::new(Broken {
                error,
                message,
                answered,
            }))
        }
    }
}

/// The 1xx heads of an answer that wait to be passed on, and who passes them on.
#[derive(Default)]
struct Heads {
    waiting: Vec<(u16, HeaderMap)>,
    listener: Option<Waker>,
}

/// Has the 1xx heads of a message's answer put into a queue; hyper wants to be able to do so from anywhere.
fn listen(message: &mut Message) -> Arc<Mutex<Heads>> {
    let heads = Arc::<Mutex<Heads>>::default();
    let heard = heads.clone();
    hyper::ext::on_informational(message, move |head| {
        let status = head.status().as_u16();
        let Ok(mut heads) = heard.lock() else { return };
        if status == 100 {
            return;
        }
        if heads.waiting.len() >= INFORMATIONAL_MAX {
            log::debug!(status; "informational answer dropped");
            return;
        }
        heads.waiting.push((status, head.headers().clone()));
        let _ = heads.listener.take().map(Waker::wake);
    });
    heads
}

/// Waits for an answer and hands every 1xx head to the listener before it.
async fn pass_on<T>(
    answer: impl std::future::Future<Output = T>,
    listener: &Informational,
    heads: Arc<Mutex<Heads>>,
) -> T {
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        let answered = answer.as_mut().poll(cx);
        let waiting = heads.lock().map(|mut heads| {
            heads.listener = Some(cx.waker().clone());
            std::mem::take(&mut heads.waiting)
        });
        for (status, headers) in waiting.unwrap_or_default() {
            listener(status, &headers);
        }
        answered
    })
    .await
}

/// Names the cause of a failed exchange.
pub(super) fn diagnose(error: &hyper::Error, answered: bool, target: &TargetKind) -> FetchError {
    // hyper has a question for this only in servers.
    if error.is_parse() && error.to_string() == "message head is too large" {
        return FetchError::HeadTooLarge {
            target: target.to_string(),
        };
    }
    if error.is_user() || error.is_body_write_aborted() {
        let why = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        return FetchError::RequestBodyCut { why: cut(&why) };
    }
    let from_stream = error.source().and_then(|source| source.downcast_ref());
    if let Some(fault) = from_stream.and_then(tls::fault_in).filter(|_| !answered) {
        return tls::failed(target, fault);
    }
    if answered && !error.is_canceled() {
        return bad_answer(target, &error.to_string());
    }
    FetchError::ClosedBeforeAnswer {
        target: target.to_string(),
    }
}

pub(super) fn bad_answer(target: &TargetKind, why: &str) -> FetchError {
    FetchError::BadAnswer {
        target: target.to_string(),
        why: cut(why),
    }
}

/// Cuts a text from outside to 100 bytes for an error.
pub(super) fn cut(text: &str) -> String {
    let end = (0..=text.len().min(100))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

//! One request to switch protocols: over a fresh connection, once.
//!
//! ```text
//! connect ── head, no body ──┬── 101 ── the socket, and what was read behind the head
//!                            └── any other answer, its body behind it; the connection is not kept
//! ```
//!
//! Not its concern: which protocol is asked for, what its bytes mean, and a deadline for the answer.
//! Dropping the future closes the connection.
//!
//! Source: RFC 9110 sections 7.8 and 15.2.2.

use http::{Response, StatusCode};
use hyper::{body::Incoming, client::conn::TrySendError};

use crate::{
    actors::{
        fetch_error::FetchError,
        ports::{BackendRequest, FetchFailure, Switched, Upgrade},
    },
    engine::route::TargetKind,
};

use super::{
    answer::{self, Behind},
    connect::{Connection, GivenBack},
    fetch::{bad_answer, diagnose},
    key::Key,
    message::{self, Message},
    pool::Pool,
};

/// Asks a target to switch protocols; the request's headers say to which.
pub(super) async fn run(pool: Pool, request: BackendRequest) -> Result<Upgrade, FetchFailure> {
    let failure = |error, unsent| FetchFailure { error, unsent };
    let (target, message) = message::build(request).map_err(|error| failure(error, None))?;
    let key = match Key::new(&target, message.headers()) {
        Ok(key) => key,
        Err(error) => return Err(failure(error, Some(message::rebuild(target, message)))),
    };
    let (mut connection, socket) = match pool.open_for_switch(&key).await {
        Ok(opened) => opened,
        Err(error) => return Err(failure(error, Some(message::rebuild(target, message)))),
    };
    connection.wire.begin();
    match connection.sender.try_send_request(message).await {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let switched = switch(response, connection, socket).await;
            switched
                .map(Upgrade::Switched)
                .map_err(|error| failure(error, None))
        }
        Ok(response) => {
            let answer = answer::accept(response, Behind::Own(connection), None);
            Ok(Upgrade::Refused(answer))
        }
        Err(failed) => Err(unanswered(failed, &connection, target)),
    }
}

/// Takes the socket back from HTTP, which has ended on it.
async fn switch(
    response: Response<Incoming>,
    connection: Connection,
    socket: GivenBack,
) -> Result<Switched, FetchError> {
    let (mut head, _no_body) = response.into_parts();
    let Ok(parts) = socket.await else {
        return Err(bad_answer(
            &connection.key.target,
            "broken off behind a 101",
        ));
    };
    Ok(Switched {
        reason: answer::own_reason(&mut head),
        headers: head.headers,
        stream: Box::new(parts.io.into_inner().into_stream()),
        read: parts.read_buf,
    })
}

fn unanswered(
    mut failed: TrySendError<Message>,
    connection: &Connection,
    target: TargetKind,
) -> FetchFailure {
    let unsent = failed.take_message();
    FetchFailure {
        error: diagnose(&failed.into_error(), connection.wire.answered(), &target),
        unsent: unsent.map(|message| message::rebuild(target, message)),
    }
}

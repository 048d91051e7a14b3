//! A backend's answer: its head as the ports carry it, and its body with the connection behind it.
//!
//! The connection goes back to the pool when the body was read to its end. Dropping the body before
//! that closes the connection, so that the backend learns that nobody listens any more.
//!
//! Not its concern: what the answer means. Trailers are dropped.

use std::{
    io,
    pin::Pin,
    task::{ready, Context, Poll},
};

use bytes::Bytes;
use http::{response::Parts, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, ext::ReasonPhrase};

use crate::actors::{
    fetch_error::FetchError,
    ports::{BackendResponse, BodyStream},
};

use super::{connect::Connection, fetch::cut, pool::Pool, shared::Lease};

/// What an answer comes over.
pub(super) enum Behind {
    /// A connection of its own.
    Own(Connection),
    /// A stream of a connection that others use too.
    Shared(Lease),
}

impl Behind {
    /// Has it used again, if it can be.
    fn give_back(self, pool: Option<&Pool>) {
        if let (Behind::Own(connection), Some(pool)) = (self, pool) {
            pool.check_in(connection);
        }
    }
}

/// Hands an answer over; what it comes over stays with the body for as long as that is needed, and goes
/// to the pool after it if one is given.
pub(super) fn accept(
    response: Response<Incoming>,
    behind: Behind,
    pool: Option<&Pool>,
) -> BackendResponse {
    let (mut parts, incoming) = response.into_parts();
    // To a server of 1.0 a request body cannot be chunked, so its connections are not used again.
    let pool = pool.filter(|_| parts.version != Version::HTTP_10);
    let body: BodyStream = if incoming.is_end_stream() {
        behind.give_back(pool);
        Box::pin(NoBody)
    } else {
        Box::pin(AnswerBody {
            incoming,
            behind: Some(behind),
            pool: pool.cloned(),
        })
    };
    let reason = own_reason(&mut parts);
    BackendResponse {
        status: parts.status.as_u16(),
        reason,
        headers: parts.headers,
        body,
        ticket: None,
    }
}

/// Takes the reason phrase of an answer, if it is not the usual one.
pub(super) fn own_reason(head: &mut Parts) -> Option<String> {
    let reason = head.extensions.remove::<ReasonPhrase>()?;
    Some(String::from_utf8_lossy(reason.as_bytes()).into_owned())
}

/// The body of an answer that has none; boxing it allocates nothing.
struct NoBody;

impl Body for NoBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

/// A body on its way; the connection is there until the body ends.
struct AnswerBody {
    incoming: Incoming,
    behind: Option<Behind>,
    pool: Option<Pool>,
}

impl AnswerBody {
    fn finish(&mut self) {
        if let Some(behind) = self.behind.take() {
            behind.give_back(self.pool.as_ref());
        }
    }

    fn break_off(&mut self, error: &hyper::Error) -> io::Error {
        let target = match self.behind.take() {
            Some(Behind::Own(connection)) => connection.key.target.to_string(),
            Some(Behind::Shared(lease)) => lease.target().to_owned(),
            None => String::new(),
        };
        let why = cut(&error.to_string());
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            FetchError::BodyCut { target, why },
        )
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        if self.incoming.is_end_stream() {
                            self.finish();
                        }
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    _ => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(self.break_off(&error)))),
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

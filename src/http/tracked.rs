//! A response's body as its connection sees it.

use std::{
    error::Error,
    io,
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    http::{header, Method},
    HttpResponse,
};
use bytes::Bytes;

use super::slot::Slot;
use crate::engine::wire;

/// From this many bytes on a body is large: writing it in place costs less than a copy.
const LARGE: u64 = 16 * 1024;

type BoxError = Box<dyn Error>;

/// Has a response's connection told when the response is complete; `method` is the request's.
pub fn track(response: HttpResponse, method: &Method, slot: Rc<Slot>) -> HttpResponse {
    slot.begin_response();
    let length = large_body(&response, method);
    let mut response = response.map_body(|_, body| BoxBody::new(Tracked::new(body, slot, length)));
    if let Some(length) = length {
        // The dispatcher is told of a stream, which it neither counts nor frames.
        response.head_mut().no_chunking(true);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// Returns the length of a response's body if it is large, and follows its head.
fn large_body(response: &HttpResponse, method: &Method) -> Option<u64> {
    let has_body = *method != Method::HEAD && !wire::is_bodiless(response.status().as_u16());
    match response.body().size() {
        BodySize::Sized(length) if has_body && length >= LARGE => Some(length),
        _ => None,
    }
}

/// A response body that tells its connection when the response is complete.
///
/// The pieces of a large one do not pass the dispatcher, which would copy them: they are put behind what
/// it has written.
struct Tracked {
    body: BoxBody,
    slot: Rc<Slot>,
    /// Bytes of a large body that are still to come; none: it passes the dispatcher.
    left: Option<u64>,
}

impl Tracked {
    /// Watches a body; `length` is that of one whose pieces do not pass the dispatcher.
    fn new(body: BoxBody, slot: Rc<Slot>, length: Option<u64>) -> Self {
        Self {
            body,
            slot,
            left: length,
        }
    }

    /// Puts the next piece where the connection writes it; ends when the last one is there.
    fn poll_put(
        &mut self,
        mut left: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        ready!(self.slot.poll_piece_left(cx));
        while let Some(piece) = ready!(Pin::new(&mut self.body).poll_next(cx)) {
            let piece = piece?;
            left = match left.checked_sub(piece.len() as u64) {
                Some(left) => left,
                None => return Poll::Ready(Some(Err(miscounted()))),
            };
            self.left = Some(left);
            self.slot.put(piece);
            if left > 0 {
                ready!(self.slot.poll_piece_left(cx));
            }
        }
        match left {
            0 => Poll::Ready(None),
            _ => Poll::Ready(Some(Err(miscounted()))),
        }
    }
}

/// A body is not as long as its head says: its connection cannot be used again.
fn miscounted() -> BoxError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

impl MessageBody for Tracked {
    type Error = BoxError;

    fn size(&self) -> BodySize {
        match self.left {
            None => self.body.size(),
            Some(_) => BodySize::Stream,
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.left {
            None => Pin::new(&mut self.body).poll_next(cx),
            Some(left) => self.poll_put(left, cx),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.slot.response_ended();
    }
}

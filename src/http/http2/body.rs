//! Bodies of streams: what the client sends as the service reads it, and responses as hyper sends them.

use std::{
    io,
    panic::{catch_unwind, AssertUnwindSafe},
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
    time::Duration,
};

use actix_http::{error::PayloadError, BoxedPayloadStream};
use actix_web::{
    body::{BoxBody, MessageBody},
    dev::Payload,
};
use bytes::Bytes;
use futures_util::stream::poll_fn as stream_of;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{connection::Served, stream::Stream};
use crate::http::patience::Silence;

/// Bytes of a response that are given to hyper at once: it takes each piece whole, whatever the client's
/// window.
const PIECE: usize = 16_384;

/// Makes a request's payload, and records it as it is read; a client may be silent for so long while more
/// is waited for.
pub(super) fn payload(mut body: Incoming, stream: &Rc<Stream>, patience: Duration) -> Payload {
    if body.is_end_stream() {
        stream.record(None);
        return Payload::None;
    }
    let stream = stream.clone();
    let mut silence = Silence::default();
    let parts = stream_of(move |cx| {
        let part = poll_part(&mut body, &stream, cx);
        if part.is_ready() {
            silence.body_moved();
        } else if silence.poll_body(patience, cx).is_ready() {
            stream.fall_silent();
        }
        part
    });
    let payload: BoxedPayloadStream = Box::pin(parts);
    Payload::Stream { payload }
}

fn poll_part(
    body: &mut Incoming,
    stream: &Stream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, PayloadError>>> {
    loop {
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => {
                stream.record(Some(&data));
                if body.is_end_stream() {
                    stream.record(None);
                }
                return Poll::Ready(Some(Ok(data)));
            }
            // Trailers are not passed on.
            Some(Ok(Err(_))) => {}
            Some(Err(error)) => {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, error);
                return Poll::Ready(Some(Err(PayloadError::Incomplete(Some(error)))));
            }
            None => {
                stream.record(None);
                return Poll::Ready(None);
            }
        }
    }
}

/// A response's body; dropping it ends the stream for its session.
pub(super) struct StreamBody {
    body: Option<BoxBody>,
    /// What is left of a piece that was too large.
    rest: Bytes,
    /// Bytes still to come, if that is known.
    left: Option<u64>,
    _served: Option<Rc<Served>>,
}

impl StreamBody {
    /// Sends a body of so many bytes, if that is known.
    pub(super) fn new(body: BoxBody, length: Option<u64>, served: Option<Rc<Served>>) -> Self {
        Self {
            body: Some(body),
            rest: Bytes::new(),
            left: length,
            _served: served,
        }
    }

    /// The body of a response without one.
    pub(super) fn empty(served: Option<Rc<Served>>) -> Self {
        Self {
            body: None,
            rest: Bytes::new(),
            left: None,
            _served: served,
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<()>>> {
        while self.rest.is_empty() {
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            let next = catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_next(cx)));
            let next = next.unwrap_or_else(|_| Poll::Ready(Some(Err("it crashed".into()))));
            match ready!(next) {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => {
                    self.body = None;
                    let error = io::Error::other(error.to_string());
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.body = None;
                    // What is missing of a counted body must not look like its end.
                    let cut = self.left.filter(|left| *left > 0).map(|_| {
                        Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "a body was cut",
                        ))
                    });
                    return Poll::Ready(cut);
                }
            }
        }
        Poll::Ready(Some(Ok(())))
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match ready!(self.poll_rest(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(())) => {}
        }
        let n = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(n);
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(n as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && (self.body.is_none() || self.left == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

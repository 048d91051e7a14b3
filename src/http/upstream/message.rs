//! A request as it goes on the wire: its target, its framing headers and its body.
//!
//! Not its concern: proxy headers (`engine/forward.rs`). `Content-Length` and `Transfer-Encoding` are
//! set here from the body alone, whatever the headers said.
//!
//! Source: RFC 9112 sections 3.2 and 6.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
};

use bytes::Bytes;
use http::{
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    uri::PathAndQuery,
    HeaderMap, HeaderValue, Method, Request, Uri,
};
use http_body::{Body, Frame, SizeHint};

use crate::{
    actors::{
        fetch_error::FetchError,
        ports::{BackendBody, BackendRequest},
    },
    engine::route::TargetKind,
};

use super::fetch::cut;

/// A request as hyper sends it.
pub(super) type Message = Request<RequestBody>;

/// Takes a request apart into its target and what is written on the wire.
///
/// **Errors**: a path and query that would not reach the wire byte for byte.
pub(super) fn build(request: BackendRequest) -> Result<(TargetKind, Message), FetchError> {
    let BackendRequest {
        target,
        method,
        uri,
        mut headers,
        body,
    } = request;
    let body = RequestBody::new(match body {
        BackendBody::Stream { body, .. } if body.is_end_stream() => BackendBody::Empty,
        body => body,
    });
    let uri = request_target(uri)?;
    frame(&method, &mut headers, &body.body);
    let headers = host_first(headers, &target);
    let mut message = Request::new(body);
    *message.method_mut() = method;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    Ok((target, message))
}

/// Puts an unsent message back together.
pub(super) fn rebuild(target: TargetKind, message: Message) -> BackendRequest {
    let (parts, body) = message.into_parts();
    BackendRequest {
        target,
        method: parts.method,
        uri: parts.uri.to_string(),
        headers: parts.headers,
        body: body.body,
    }
}

/// Returns whether a message may be sent twice: an idempotent method, a body that can be had again.
pub(super) fn is_replayable(message: &Message) -> bool {
    let idempotent = matches!(
        *message.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    idempotent && !matches!(message.body().body, BackendBody::Stream { .. })
}

/// Returns whether the connection may be used again after it: a backend that does not expect a body with
/// GET or HEAD would read it as the next request.
pub(super) fn keeps_connection(message: &Message) -> bool {
    let is_surprising = matches!(*message.method(), Method::GET | Method::HEAD);
    !is_surprising || message.body().is_end_stream()
}

/// Copies a message whose body can be had again.
pub(super) fn copy(message: &Message) -> Option<Message> {
    let body = match &message.body().body {
        BackendBody::Empty => BackendBody::Empty,
        BackendBody::Full(bytes) => BackendBody::Full(bytes.clone()),
        BackendBody::Stream { .. } => return None,
    };
    let mut copy = Request::new(RequestBody::new(body));
    *copy.method_mut() = message.method().clone();
    *copy.uri_mut() = message.uri().clone();
    *copy.headers_mut() = message.headers().clone();
    Some(copy)
}

/// Turns a path and query into a request target without copying it.
fn request_target(uri: String) -> Result<Uri, FetchError> {
    let bytes = Bytes::from(uri);
    let refuse = || FetchError::BadRequestTarget {
        uri: cut(&String::from_utf8_lossy(&bytes)),
    };
    if !bytes.starts_with(b"/") && bytes != "*" {
        return Err(refuse());
    }
    match PathAndQuery::from_maybe_shared(bytes.clone()) {
        // A fragment is dropped by the parser.
        Ok(target) if target.as_str().len() == bytes.len() => Ok(Uri::from(target)),
        _ => Err(refuse()),
    }
}

/// Sets the headers that say where the body ends.
fn frame(method: &Method, headers: &mut HeaderMap, body: &BackendBody) {
    let length = match body {
        BackendBody::Full(bytes) => Some(bytes.len() as u64),
        BackendBody::Stream {
            length: Some(length),
            ..
        } => Some(*length),
        BackendBody::Stream { length: None, .. } => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            return;
        }
        BackendBody::Empty => {
            matches!(*method, Method::POST | Method::PUT | Method::PATCH).then_some(0)
        }
    };
    headers.remove(TRANSFER_ENCODING);
    match length {
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => headers.remove(CONTENT_LENGTH),
    };
}

/// Returns the headers with `Host` as the first one; costs nothing if it already is.
fn host_first(mut headers: HeaderMap, target: &TargetKind) -> HeaderMap {
    if headers.keys().next() == Some(&HOST) {
        return headers;
    }
    let host = headers.remove(HOST).or_else(|| default_host(target));
    let mut ordered = HeaderMap::with_capacity(headers.len() + 1);
    if let Some(host) = host {
        ordered.insert(HOST, host);
    }
    ordered.extend(headers);
    ordered
}

/// Names a target the way its own clients would.
fn default_host(target: &TargetKind) -> Option<HeaderValue> {
    let host = match target {
        TargetKind::Server(server) => server.own_host(),
        other => other.to_string(),
    };
    HeaderValue::try_from(host).ok()
}

/// What a request's body failed with, if it did.
pub(super) type BodyFault = Rc<RefCell<Option<String>>>;

/// Has the fault of a message's body kept, where HTTP tells only that there was one.
pub(super) fn watched(mut message: Message) -> (Message, BodyFault) {
    let fault = BodyFault::default();
    message.body_mut().fault = Some(fault.clone());
    (message, fault)
}

/// The body of a request, as hyper reads it.
pub(super) struct RequestBody {
    body: BackendBody,
    fault: Option<BodyFault>,
}

impl RequestBody {
    fn new(body: BackendBody) -> RequestBody {
        RequestBody { body, fault: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match &mut this.body {
            BackendBody::Empty => Poll::Ready(None),
            BackendBody::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            BackendBody::Stream { body, .. } => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                if let (Some(Err(error)), Some(fault)) = (&frame, &this.fault) {
                    fault.replace(Some(error.to_string()));
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            BackendBody::Empty => true,
            BackendBody::Full(bytes) => bytes.is_empty(),
            BackendBody::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            BackendBody::Empty => SizeHint::with_exact(0),
            BackendBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BackendBody::Stream {
                length: Some(length),
                ..
            } => SizeHint::with_exact(*length),
            BackendBody::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}

//! From a head that was judged to the request that the service takes.

use std::{net::SocketAddr, rc::Rc};

use actix_http::{HttpMessage, Request};
use actix_web::{
    dev::Payload,
    http::{
        header::{HeaderMap, HeaderName, HeaderValue},
        Method, Uri, Version,
    },
};
use bytes::Bytes;

use super::{payload::Incoming, reader::Head};
use crate::{engine::framing::Body, http::slot::Slot};

/// Makes a request, and where its body is put, if there is one; none if `http` 0.2 takes its method or
/// target for invalid.
pub(super) fn request(
    slot: &Rc<Slot>,
    head: &Head,
    peer: Option<SocketAddr>,
) -> Option<(Request, Option<Incoming>)> {
    let Head {
        bytes,
        fields,
        facts,
    } = head;
    let (payload, incoming) = match facts.body {
        Body::None | Body::Counted(0) => (Payload::None, None),
        body => {
            let (incoming, payload) = Incoming::new(body == Body::Chunked);
            (payload, Some(incoming))
        }
    };
    let mut request = Request::with_payload(payload);
    let to = request.head_mut();
    to.method = Method::from_bytes(fields.method.of(bytes)).ok()?;
    to.uri = Uri::from_maybe_shared(fields.target.shared(bytes)).ok()?;
    to.version = match facts.http10 {
        true => Version::HTTP_10,
        false => Version::HTTP_11,
    };
    to.peer_addr = peer;
    // A map of this request's size: what was used before is kept for others, and would stay large.
    to.headers = HeaderMap::with_capacity(fields.headers.len());
    for (name, value) in &fields.headers {
        let name = HeaderName::from_bytes(name.of(bytes)).ok()?;
        let value: Bytes = value.shared(bytes);
        to.headers
            .append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    request.extensions_mut().insert(slot.clone());
    Some((request, incoming))
}

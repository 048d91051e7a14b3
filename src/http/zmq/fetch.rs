//! Requests to ZeroMQ backends: a packet out, a packet back. Others go the usual way.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{header, HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::{
    actors::{
        broker::Broker,
        dealers::{Ask, AskFailure, Dealers},
        ports::{
            BackendBody, BackendRequest, BackendResponse, Fetch, FetchError, FetchFailure,
            Fetching, Informational, Promise, Upgrade,
        },
    },
    engine::{
        route::{TargetKind, Zhttpreq},
        zmq::zhttp::{self, Answer, Condition, Packet, ZhttpError},
    },
    stats::counters::{Counters, Total},
};

/// How a packet names the one who asks.
const FROM: &str = "p-8";

/// Fetches from all kinds of backends.
pub struct WithDealers {
    others: Rc<dyn Fetch>,
    broker: Broker,
    counters: Rc<Counters>,
}

impl WithDealers {
    /// Sends what is not for ZeroMQ backends another way.
    pub fn new(others: Rc<dyn Fetch>, broker: &Broker, counters: Rc<Counters>) -> Self {
        Self {
            others,
            broker: broker.clone(),
            counters,
        }
    }
}

impl Fetch for WithDealers {
    fn connecting_within(&self, limit: Duration) -> Rc<dyn Fetch> {
        Rc::new(Self {
            others: self.others.connecting_within(limit),
            broker: self.broker.clone(),
            counters: self.counters.clone(),
        })
    }

    fn fetch(&self, request: BackendRequest, informational: Option<Informational>) -> Fetching {
        let TargetKind::Zhttpreq(backend) = &request.target else {
            return self.others.fetch(request, informational);
        };
        self.counters.add(Total::ZmqRequests, 1);
        let asking = Asking {
            backend: backend.to_string(),
            dealers: self.broker.dealers().clone(),
            limit: self.broker.options().backend.zmq_timeout,
        };
        Box::pin(asking.run(request))
    }

    fn upgrade(&self, request: BackendRequest) -> Promise<Result<Upgrade, FetchFailure>> {
        let TargetKind::Zhttpreq(backend) = &request.target else {
            return self.others.upgrade(request);
        };
        let target = backend.to_string();
        let error = FetchError::ZhttpreqWebSocket { target };
        let unsent = None;
        Box::pin(async move { Err(FetchFailure { error, unsent }) })
    }
}

/// One request under way.
struct Asking {
    /// The backend's name.
    backend: String,
    dealers: Dealers,
    limit: Duration,
}

impl Asking {
    async fn run(self, mut request: BackendRequest) -> Result<BackendResponse, FetchFailure> {
        let body = gather(std::mem::replace(&mut request.body, BackendBody::Empty)).await;
        let body = body.map_err(|error| FetchFailure {
            error,
            unsent: None,
        })?;
        frame(&mut request, &body);
        let answer = self.ask(&request, body.clone()).await;
        answer.map(response).map_err(|error| {
            request.body = BackendBody::Full(body);
            FetchFailure {
                unsent: error.before_sending().then_some(request),
                error,
            }
        })
    }

    async fn ask(&self, request: &BackendRequest, body: Bytes) -> Result<Answer, FetchError> {
        let target = || self.backend.clone();
        let TargetKind::Zhttpreq(backend) = &request.target else {
            return Err(FetchError::NoAddress { target: target() });
        };
        let dealer = self.dealers.find(&backend.endpoint);
        let dealer = dealer.ok_or_else(|| FetchError::ZmqNotBound { target: target() })?;
        let id = uuid::Uuid::new_v4().to_string();
        let (reply, answered) = oneshot::channel();
        let ask = Ask {
            packet: packet(&id, request, backend, body)?,
            id: id.into(),
            reply,
        };
        if dealer.try_send(ask).is_err() {
            return Err(FetchError::ZmqBusy { target: target() });
        }
        let packet = match actix::clock::timeout(self.limit, answered).await {
            Err(_) => return Err(FetchError::ZhttpUnreachable { target: target() }),
            Ok(Ok(Ok(packet))) => packet,
            Ok(Ok(Err(AskFailure::Full))) => return Err(FetchError::ZmqBusy { target: target() }),
            Ok(Ok(Err(AskFailure::Lost)) | Err(_)) => {
                return Err(FetchError::ClosedBeforeAnswer { target: target() })
            }
        };
        self.answer(&packet)
    }

    fn answer(&self, packet: &Packet) -> Result<Answer, FetchError> {
        let target = self.backend.clone();
        packet.answer().map_err(|error| match error {
            ZhttpError::Condition(Condition::ConnectionFailed) => {
                FetchError::ConnectRefused { target }
            }
            ZhttpError::Condition(Condition::ConnectionTimeout) => {
                FetchError::ConnectTimeout { target }
            }
            ZhttpError::Condition(Condition::TlsError) => FetchError::Connect {
                target,
                why: "no TLS connection".to_owned(),
            },
            ZhttpError::Condition(Condition::LengthRequired) => {
                FetchError::LengthRequired { target }
            }
            ZhttpError::Condition(condition) => FetchError::ZhttpCondition { target, condition },
            error => FetchError::BadAnswer {
                target,
                why: error.to_string(),
            },
        })
    }
}

/// Gathers a request's body.
async fn gather(body: BackendBody) -> Result<Bytes, FetchError> {
    let too_large = || FetchError::TooLargeForZhttpreq;
    let mut body = match body {
        BackendBody::Empty => return Ok(Bytes::new()),
        BackendBody::Full(body) if body.len() > zhttp::BODY_MAX => return Err(too_large()),
        BackendBody::Full(body) => return Ok(body),
        BackendBody::Stream {
            length: Some(length),
            ..
        } if length > zhttp::BODY_MAX as u64 => return Err(too_large()),
        BackendBody::Stream { body, .. } => body,
    };
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| FetchError::RequestBodyCut {
            why: error.to_string(),
        })?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > zhttp::BODY_MAX {
            return Err(too_large());
        }
    }
    Ok(bytes.freeze())
}

/// Says how long the body is, and no more about framing.
fn frame(request: &mut BackendRequest, body: &Bytes) {
    request.headers.remove(header::TRANSFER_ENCODING);
    let is_usual = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    if body.is_empty() && !is_usual {
        request.headers.remove(header::CONTENT_LENGTH);
    } else {
        let length = HeaderValue::from(body.len());
        request.headers.insert(header::CONTENT_LENGTH, length);
    }
}

fn packet(
    id: &str,
    request: &BackendRequest,
    backend: &Zhttpreq,
    body: Bytes,
) -> Result<Bytes, FetchError> {
    let bad_target = || FetchError::BadRequestTarget {
        uri: request.uri.chars().take(100).collect(),
    };
    if !request.uri.starts_with('/') {
        return Err(bad_target());
    }
    let host = host(&request.headers).ok_or_else(bad_target)?;
    let scheme = if backend.is_secure { "https" } else { "http" };
    let packet = zhttp::Request {
        id,
        from: FROM,
        method: request.method.as_str(),
        uri: &format!("{scheme}://{host}{}", request.uri),
        headers: &request.headers,
        body,
        ignore_policies: !backend.is_untrusted,
        ignore_tls_errors: backend.insecure,
        trust_connect_host: backend.trust_connect_host,
    };
    Ok(packet.packet())
}

fn host(headers: &HeaderMap) -> Option<&str> {
    match headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => Some("localhost"),
    }
}

fn response(answer: Answer) -> BackendResponse {
    let usual = StatusCode::from_u16(answer.code);
    let usual = usual.ok().and_then(|status| status.canonical_reason());
    let mut headers = answer.headers;
    headers.remove(header::TRANSFER_ENCODING);
    if !answer.body.is_empty() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    }
    let is_own = !answer.reason.is_empty() && usual != Some(answer.reason.as_str());
    BackendResponse {
        status: answer.code,
        reason: is_own.then_some(answer.reason),
        headers,
        body: Box::pin(Whole(answer.body)),
        ticket: None,
    }
}

/// A body that is all there.
struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = std::mem::take(&mut self.0);
        Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

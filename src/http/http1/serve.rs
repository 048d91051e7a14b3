//! Serves one client: a request, its answer, the next request, until one is held or the connection ends.

use std::{
    cell::{Cell, Ref, RefCell},
    future::{poll_fn, Future},
    net::SocketAddr,
    pin::{pin, Pin},
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use actix::clock::{sleep_until, Instant};
use actix_http::{ConnectionType, Request};
use actix_server::GracefulShutdownSignal;
use actix_service::Service;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    HttpResponse,
};
use bytes::Bytes;

use super::{
    payload::Incoming,
    reader::{Came, Head, Input},
    request::request,
    writer::{Writer, Written},
};
use crate::{
    engine::{
        answer::{Answer, Framed, Length},
        framing::{FramingError, Upgrade},
        wire::Reply,
    },
    http::{
        front,
        slot::{Owner, Slot},
    },
    stats::counters::{Counters, Refused, Total},
};

/// How long a connection that has just come may take to ask while P-8 stops.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Longest buffer that is kept for the next response.
const BUFFER_KEPT: usize = 32_768;

/// What a client that waits with its body is told.
const CONTINUE: Bytes = Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n");

/// What every HTTP/1 connection of a worker needs.
pub struct Http1<S> {
    /// Answers requests.
    pub app: Rc<S>,
    /// The worker's counters.
    pub counters: Rc<Counters>,
    /// The server stops.
    pub stopping: GracefulShutdownSignal,
    /// Clients are read into this, one at a time.
    pub scratch: Rc<RefCell<Box<[u8]>>>,
    /// What responses are written into; none while one is.
    pub buffer: Cell<Vec<u8>>,
    /// The time as responses tell it, and when that was.
    pub date: RefCell<(u64, String)>,
}

/// Becomes ready once the connection is to end as soon as it is idle.
type Stopping<'s> = Pin<&'s mut dyn Future<Output = ()>>;

/// What has become of a request.
enum Answered {
    /// The service's response.
    Response(HttpResponse),
    /// The request's body is none.
    Refused(FramingError),
    /// The socket was taken, or the client has left.
    Nothing,
}

/// One request that is being answered.
struct Exchange {
    reply: Reply,
    incoming: Option<Incoming>,
    /// All that follows the request belongs to it.
    is_handshake: bool,
    /// The client has left: what is there of the response is sent, and no more.
    is_gone: bool,
}

impl<S> Http1<S>
where
    S: Service<Request, Response = ServiceResponse, Error = HttpResponse>,
{
    /// Serves a client until its socket is taken, or its connection is over.
    pub async fn serve(self: Rc<Self>, slot: Rc<Slot>) {
        let peer = slot.peer();
        let heard_by = Instant::now() + FIRST_REQUEST;
        let stopping = self.stopping.clone();
        let stopping = async move {
            stopping.notified().await;
            // One that has just come may be about to ask.
            Box::pin(sleep_until(heard_by)).await;
        };
        let mut stopping = pin!(stopping);
        let mut stopping: Stopping<'_> = stopping.as_mut();
        loop {
            let head = match self.head(&slot, &mut stopping).await {
                Came::Head(head) => head,
                Came::Refused(error) => return self.refuse_head(&slot, peer, error).await,
                Came::Http2 => return slot.owner.set(Owner::Http2),
                Came::Nothing => return,
            };
            if !self.exchange(&slot, head, peer, &mut stopping).await {
                return;
            }
        }
    }

    /// Waits for a head; for none if the server stops meanwhile.
    async fn head(&self, slot: &Slot, stopping: &mut Stopping<'_>) -> Came {
        poll_fn(|cx| {
            let came = slot.poll_head(&mut self.scratch.borrow_mut(), cx);
            match came {
                Poll::Pending => stopping.as_mut().poll(cx).map(|()| Came::Nothing),
                came => came,
            }
        })
        .await
    }

    /// Answers a request; true if another may follow.
    async fn exchange(
        &self,
        slot: &Rc<Slot>,
        head: Head,
        peer: Option<SocketAddr>,
        stopping: &mut Stopping<'_>,
    ) -> bool {
        if head.facts.expect_continue {
            slot.send_interim(&CONTINUE);
        }
        let Some((request, incoming)) = request(slot, &head, peer) else {
            self.refuse_head(slot, peer, FramingError::InvalidTarget)
                .await;
            return false;
        };
        let facts = head.facts;
        drop(head);
        if let Some(incoming) = &incoming {
            slot.with_reader(|reader| reader.feed_received(incoming));
        }
        let mut exchange = Exchange {
            reply: Reply {
                http10: facts.http10,
                keep_alive: facts.keep_alive,
                head_only: facts.method_is_head,
            },
            incoming,
            is_handshake: facts.upgrade == Upgrade::WebSocket,
            is_gone: false,
        };
        let answering = self.app.call(request);
        let response = match self.answered(slot, &mut exchange, answering).await {
            Answered::Response(response) => response,
            Answered::Refused(error) => front::refuse(&self.counters, peer, &error),
            Answered::Nothing => return false,
        };
        let is_stopping = poll_fn(|cx| Poll::Ready(stopping.as_mut().poll(cx).is_ready())).await;
        exchange.reply.keep_alive &= !is_stopping;
        self.send(slot, &mut exchange, response).await && !is_stopping
    }

    /// Waits for the service's answer, and reads on meanwhile.
    async fn answered(
        &self,
        slot: &Slot,
        exchange: &mut Exchange,
        answering: S::Future,
    ) -> Answered {
        let mut answering = pin!(answering);
        poll_fn(|cx| loop {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                if slot.owner() != Owner::Serving {
                    return Poll::Ready(Answered::Nothing);
                }
                let response = answer.map(|answer| answer.into_parts().1);
                let response = response.unwrap_or_else(|error| error);
                return Poll::Ready(Answered::Response(response));
            }
            if exchange.is_gone {
                return Poll::Ready(Answered::Nothing);
            }
            match self.poll_input(slot, exchange, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Input::Refused(error)) => return Poll::Ready(Answered::Refused(error)),
                // It may still want to know.
                Poll::Ready(Input::Gone) => exchange.is_gone = true,
                Poll::Ready(Input::Whole) => {}
            }
        })
        .await
    }

    fn poll_input(&self, slot: &Slot, exchange: &Exchange, cx: &mut Context<'_>) -> Poll<Input> {
        let mut scratch = self.scratch.borrow_mut();
        slot.poll_input(exchange.incoming.as_ref(), &mut scratch, cx)
    }

    /// Answers what makes no request, and lets nothing follow.
    async fn refuse_head(&self, slot: &Slot, peer: Option<SocketAddr>, error: FramingError) {
        self.counters.add(Total::Requests, 1);
        let response = front::refuse(&self.counters, peer, &error);
        let mut exchange = Exchange {
            reply: Reply {
                http10: true,
                ..Reply::CLOSING
            },
            incoming: None,
            is_handshake: false,
            is_gone: false,
        };
        self.send(slot, &mut exchange, response).await;
    }

    /// Sends a response; true if another request may follow.
    async fn send(&self, slot: &Slot, exchange: &mut Exchange, response: HttpResponse) -> bool {
        let keep_alive = slot.with_reader(|reader| reader.can_keep_alive());
        exchange.reply.keep_alive &= keep_alive && !is_unread(slot, exchange);
        let (response, body) = response.into_parts();
        let mut out = self.buffer.take();
        out.clear();
        out.extend_from_slice(&slot.with_reader(|reader| reader.take_unsent()));
        let (framed, keeps) = self.put_head(&response, &body, exchange.reply, &mut out);
        drop(response);
        let mut writer = Writer::new(out, framed, body);
        let written = poll_fn(|cx| self.poll_send(slot, exchange, &mut writer, cx)).await;
        let buffer = writer.into_buffer();
        if buffer.capacity() <= BUFFER_KEPT {
            self.buffer.set(buffer);
        }
        if written == Written::Cut || exchange.is_gone {
            return false;
        }
        slot.answered();
        if is_unread(slot, exchange) {
            if let Some(lingering) = slot.linger(usize::MAX) {
                lingering.await;
            }
            return false;
        }
        keeps && self.drain(slot, exchange).await
    }

    /// Reads what is left of a body that nobody wants; true if another request may follow.
    async fn drain(&self, slot: &Slot, exchange: &Exchange) -> bool {
        let is_whole = || slot.with_reader(|reader| reader.is_request_whole());
        let drained = poll_fn(|cx| match is_whole() {
            true => Poll::Ready(Input::Whole),
            false => self.poll_input(slot, exchange, cx),
        });
        let drained = drained.await;
        if drained == Input::Refused(FramingError::BodyTooSlow) {
            self.counters.refuse(Refused::Slow, 1);
        }
        slot.next_request();
        drained == Input::Whole
    }

    /// Writes a response's head; returns how its body follows, and whether another request may.
    fn put_head(
        &self,
        response: &HttpResponse<()>,
        body: &BoxBody,
        reply: Reply,
        out: &mut Vec<u8>,
    ) -> (Framed, bool) {
        let head = response.head();
        let is_closing = head.connection_type() == ConnectionType::Close;
        let answer = Answer {
            status: head.status.as_u16(),
            reason: head.reason(),
            length: match body.size() {
                BodySize::None => Length::None,
                BodySize::Sized(length) => Length::Known(length),
                BodySize::Stream => Length::Unknown,
            },
            is_unchunked: !head.chunked(),
            has_upgrade: head.headers.contains_key(actix_web::http::header::UPGRADE),
            reply: Reply {
                keep_alive: reply.keep_alive && !is_closing,
                ..reply
            },
        };
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        answer.put_head(headers, self.date().as_bytes(), out);
        (answer.framed(), answer.keeps_connection())
    }

    /// Sends what there is of a response, and reads on meanwhile.
    fn poll_send(
        &self,
        slot: &Slot,
        exchange: &mut Exchange,
        writer: &mut Writer,
        cx: &mut Context<'_>,
    ) -> Poll<Written> {
        loop {
            if let Poll::Ready(written) = writer.poll(slot, cx) {
                return Poll::Ready(written);
            }
            if exchange.is_gone {
                // What is here may still reach it.
                writer.cut();
                return writer.poll(slot, cx);
            }
            match self.poll_input(slot, exchange, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Input::Whole) => {}
                Poll::Ready(Input::Gone) => exchange.is_gone = true,
                Poll::Ready(Input::Refused(error)) => {
                    if error.is_slow() {
                        self.counters.refuse(Refused::Slow, 1);
                    }
                    return Poll::Ready(Written::Cut);
                }
            }
        }
    }

    /// Returns the time as responses tell it.
    fn date(&self) -> Ref<'_, str> {
        let now = SystemTime::now();
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let secs = since.map_or(0, |since| since.as_secs());
        if self.date.borrow().0 != secs {
            *self.date.borrow_mut() = (secs, httpdate::fmt_http_date(now));
        }
        Ref::map(self.date.borrow(), |date| date.1.as_str())
    }
}

/// Tells whether more of the request's body is to come that is not read to its end.
fn is_unread(slot: &Slot, exchange: &Exchange) -> bool {
    if exchange.is_handshake {
        return true;
    }
    let is_whole = slot.with_reader(|reader| reader.is_request_whole());
    let incoming = exchange.incoming.as_ref().filter(|_| !is_whole);
    incoming.is_some_and(|incoming| !(incoming.is_chunked && incoming.is_left()))
}

//! A client and a backend that switch to a protocol of their own: from then on bytes pass untouched.
//!
//! ```text
//! Upgrade: x ──▶ targets ──┬── 101 ──▶ the client's socket is taken ──▶ bytes both ways, to both ends
//!                          └── any other answer ──▶ as of any request
//! ```
//!
//! What one side ends, the other is told to be ended; the opposite way goes on. Whoever reads slowly
//! slows the other down. Not its concern: which protocols may be asked for (`engine::framing`), how a
//! backend is asked (`upstream`).
//!
//! Source: RFC 9110 section 7.8, `docs/life-of-a-request.md#tunnels`.

use std::{cell::Cell, io, rc::Rc, time::Duration};

use actix::clock::{sleep_until, Instant};
use bytes::Bytes;
use http::{
    header::{CONNECTION, UPGRADE},
    HeaderMap, HeaderValue,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    body::Progress,
    border,
    client_socket::ClientSocket,
    exchange::{log_access, Exchange, Front, Outcome},
    reply,
};
use crate::{
    actors::{
        ports::{BackendBody, BackendStream, FetchError, Switched, Upgrade},
        upstream::{Unanswered, Upstream},
    },
    engine::{forward, route::Target, wire},
    stats::counters::{Counters, Total},
};

/// Most bytes on their way in one direction.
const BUFFER_BYTES: usize = 16_384;

/// Tells whether a request asks for a tunnel; in another server's connection none can begin.
pub fn is_wanted(exchange: &Exchange) -> bool {
    let slot = exchange.slot.as_ref();
    exchange.asked.rewritten.is_none() && slot.is_some_and(|slot| slot.wants_switch())
}

impl Front {
    /// Asks the route's targets to switch, and leaves the client's socket to a tunnel if one does.
    pub async fn tunnel(self: &Rc<Self>, exchange: Exchange) -> Outcome {
        let Some(mut assignment) = self.assignment(&exchange, BackendBody::Empty) else {
            return reply::no_route(exchange.manners).into();
        };
        let asked = border::only_in(exchange.request.headers(), &[UPGRADE]);
        let headers = &mut assignment.request.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.extend(asked.clone());
        // A tunnel may last as long as something passes.
        assignment.times.whole = None;
        let (targets, crashes) = (self.edge.targets().clone(), &self.edge.crashes().upstream);
        let upstream = Upstream::upgrade(assignment, self.fetch.clone(), targets, crashes.clone());
        match self.answered(&exchange, upstream.await) {
            Ok((Upgrade::Switched(switched), target)) => {
                let begun = self.begin_tunnel(&exchange, target, &asked, switched);
                begun.await.unwrap_or_else(|why| {
                    let error = FetchError::BadAnswer {
                        target: target.kind.to_string(),
                        why: why.to_owned(),
                    };
                    let tried = vec![target.kind.clone()];
                    self.on_unanswered(&exchange, &Unanswered { error, tried })
                })
            }
            Ok((Upgrade::Refused(response), target)) => {
                let progress = Progress::no_body();
                let answer = self.on_response(&exchange, target, response, &progress);
                answer.await
            }
            Err(outcome) => *outcome,
        }
    }

    /// Leaves the client's socket to a tunnel; or says why not.
    async fn begin_tunnel(
        &self,
        exchange: &Exchange,
        target: &Target,
        asked: &HeaderMap,
        switched: Switched,
    ) -> Result<Outcome, &'static str> {
        let Switched {
            reason,
            mut headers,
            stream,
            read,
        } = switched;
        let chosen: HeaderMap = headers
            .get_all(UPGRADE)
            .iter()
            .map(|value| (UPGRADE, value.clone()))
            .collect();
        if !is_among(&chosen, asked) {
            return Err("switched to a protocol that was not asked for");
        }
        forward::response_headers(&mut headers);
        headers.extend(chosen);
        let head = wire::switching_protocols(reason.as_deref(), &headers);
        let slot = exchange.slot.as_ref().ok_or("no connection to switch")?;
        slot.flushed().await;
        let tunnel = Tunnel {
            backend: stream,
            first: [head, read].concat().into(),
            idle: self.options().backend.tunnel_idle,
            counters: self.edge.counters().clone(),
        };
        if !slot.leave_to(|client, ahead| tunnel.run(client, ahead)) {
            return Err("the client's connection cannot be taken");
        }
        log_access(&exchange.request, Some(&target.kind), 101, "");
        Ok(Outcome::Parked)
    }
}

/// Tells whether a backend chose from what it was asked for.
fn is_among(chosen: &HeaderMap, asked: &HeaderMap) -> bool {
    let is_asked = |name: &[u8]| protocols(asked).any(|other| other.eq_ignore_ascii_case(name));
    protocols(chosen).next().is_some() && protocols(chosen).all(is_asked)
}

/// Yields the protocols that `Upgrade` names.
fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(UPGRADE).into_iter();
    let members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    members
        .map(<[u8]>::trim_ascii)
        .filter(|protocol| !protocol.is_empty())
}

/// A tunnel about to begin.
struct Tunnel {
    backend: Box<dyn BackendStream>,
    /// What the client gets before the backend's bytes.
    first: Bytes,
    idle: Duration,
    counters: Rc<Counters>,
}

impl Tunnel {
    /// Passes bytes both ways until both sides have ended, one is gone, or nothing passes for too long.
    async fn run(self, client: ClientSocket, ahead: Bytes) {
        let _counted = Counted::new(self.counters);
        let moved = Cell::new(Instant::now());
        let (from_client, to_client) = tokio::io::split(client);
        let (from_backend, to_backend) = tokio::io::split(self.backend);
        let there = pass(ahead, from_client, to_backend, &moved);
        let back = pass(self.first, from_backend, to_client, &moved);
        tokio::select! {
            ended = async { tokio::try_join!(there, back) } => {
                if let Err(error) = ended {
                    log::debug!(error:%; "a tunnel broke off");
                }
            }
            () = still_for(self.idle, &moved) => {
                log::info!(idle_secs = self.idle.as_secs(); "nothing passed through a tunnel: closed");
            }
        }
    }
}

/// Passes bytes one way until their source ends, and then ends that way.
///
/// A side that takes no more may still have something to say: only its own way ends.
///
/// **Errors**: the source is gone.
async fn pass(
    first: Bytes,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Cell<Instant>,
) -> io::Result<()> {
    if write(&first, &mut to, moved).await.is_err() {
        return Ok(());
    }
    drop(first);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let n = from.read(&mut buffer).await?;
        moved.set(Instant::now());
        let read = buffer.get(..n).unwrap_or_default();
        if read.is_empty() || write(read, &mut to, moved).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    Ok(())
}

async fn write(
    mut bytes: &[u8],
    to: &mut (impl AsyncWrite + Unpin),
    moved: &Cell<Instant>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = to.write(bytes).await?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        moved.set(Instant::now());
        bytes = bytes.get(n..).unwrap_or_default();
    }
    to.flush().await
}

/// Ends when nothing has moved for so long.
async fn still_for(idle: Duration, moved: &Cell<Instant>) {
    loop {
        let due = moved.get() + idle;
        if Instant::now() >= due {
            return;
        }
        sleep_until(due).await;
    }
}

/// One tunnel in the counters.
struct Counted(Rc<Counters>);

impl Counted {
    fn new(counters: Rc<Counters>) -> Self {
        counters.add(Total::Tunnels, 1);
        counters.add(Total::TunnelsNow, 1);
        Self(counters)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.subtract(Total::TunnelsNow, 1);
    }
}

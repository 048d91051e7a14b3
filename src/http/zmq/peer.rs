//! The connections of a ZeroMQ socket: each is accepted, greeted, and then carries messages both ways
//! until it ends.

use std::{io, sync::Arc, time::Duration};

use actix::{dev::ToEnvelope, prelude::*, WeakAddr};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
};

use super::{
    bound::{BoundListener, Stream},
    queue::{queue, Queue, Queued},
};
use crate::engine::zmq::{
    dealing::PeerId,
    zmtp::{self, Decoder, Received, SocketKind, ZmtpError},
};

/// Connections of one socket; more are closed at once.
const PEERS_MAX: usize = 1_000;

/// How long nothing is accepted after that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a peer may take to say what it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is read at once.
const CHUNK: usize = 16_384;

/// A connection to its actor: it is ready, and is given a name.
#[derive(Message)]
#[rtype(result = "PeerId")]
pub(super) struct PeerReady {
    /// What is written to it. The connection ends once it is dropped.
    pub(super) queue: Queue,
}

/// A connection to its actor: a message has come. It is read from no further until that is answered.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PeerSent {
    pub(super) peer: PeerId,
    pub(super) frames: Vec<Bytes>,
}

/// A connection to its actor: it has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PeerGone {
    pub(super) peer: PeerId,
}

/// An actor that has connections.
pub(super) trait Owner:
    Actor<
        Context: ToEnvelope<Self, PeerReady>
                     + ToEnvelope<Self, PeerSent>
                     + ToEnvelope<Self, PeerGone>,
    > + Handler<PeerReady>
    + Handler<PeerSent>
    + Handler<PeerGone>
{
}

impl<A> Owner for A where
    A: Actor<Context: ToEnvelope<A, PeerReady> + ToEnvelope<A, PeerSent> + ToEnvelope<A, PeerGone>>
        + Handler<PeerReady>
        + Handler<PeerSent>
        + Handler<PeerGone>
{
}

/// Accepts connections for an actor, for as long as this runs; `endpoint` is for the log.
pub(super) async fn accept_all<A: Owner>(
    kind: SocketKind,
    endpoint: String,
    listener: BoundListener,
    owner: WeakAddr<A>,
) {
    let listener = match listener.into_tokio() {
        Ok(listener) => listener,
        Err(error) => return log::error!(endpoint:%, error:%; "nothing can be accepted"),
    };
    let places = Arc::new(Semaphore::new(PEERS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                log::warn!(endpoint:%, error:%; "a ZeroMQ peer could not be accepted");
                actix::clock::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            log::warn!(endpoint:%, peers_max = PEERS_MAX; "too many ZeroMQ peers: one is closed");
            continue;
        };
        let owner = owner.clone();
        actix_rt::spawn(async move {
            let _place = place;
            serve(kind, stream, owner).await;
        });
    }
}

/// Serves a connection to its end.
pub(super) async fn serve<A: Owner>(kind: SocketKind, stream: Stream, owner: WeakAddr<A>) {
    let ended = match stream {
        Stream::Tcp(stream) => converse(kind, stream, owner).await,
        Stream::Unix(stream) => converse(kind, stream, owner).await,
    };
    let socket = kind.name();
    match ended {
        Ended::Closed | Ended::Unbound => log::debug!(socket, why:% = ended; "a ZeroMQ peer left"),
        _ => log::warn!(socket, why:% = ended; "a ZeroMQ peer's connection is closed"),
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Zmtp(#[from] ZmtpError),
    #[error("it closed the connection")]
    Closed,
    #[error("no greeting within 10 s")]
    Silent,
    #[error("the socket is unbound")]
    Unbound,
}

async fn greet(
    kind: SocketKind,
    reader: &mut Reader,
    reads: &mut (impl AsyncRead + Unpin),
    writes: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Ended> {
    writes.write_all(&zmtp::greeting()).await?;
    loop {
        match reader.next(reads).await? {
            Received::Greeted => writes.write_all(&zmtp::ready(kind)).await?,
            Received::Ready => return Ok(()),
            // The decoder gives neither before `Ready`.
            Received::Message(_) | Received::Ping(_) => {}
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite, A: Owner>(
    kind: SocketKind,
    stream: S,
    owner: WeakAddr<A>,
) -> Ended {
    let (mut reads, mut writes) = tokio::io::split(stream);
    let mut reader = Reader::new(kind);
    let greeting = greet(kind, &mut reader, &mut reads, &mut writes);
    match actix::clock::timeout(HANDSHAKE, greeting).await {
        Ok(Ok(())) => {}
        Ok(Err(ended)) => return ended,
        Err(_) => return Ended::Silent,
    }
    let (queue, queued) = queue();
    let pongs = queue.weak();
    let Some(address) = owner.upgrade() else {
        return Ended::Unbound;
    };
    let Ok(peer) = address.send(PeerReady { queue }).await else {
        return Ended::Unbound;
    };
    drop(address);
    let _leaving = Leaving {
        peer,
        owner: &owner,
    };
    let pong = |context: Bytes| {
        // A peer that asks faster than it reads gets fewer answers.
        let queue = pongs.upgrade();
        let _ = queue.map(|queue| queue.push(zmtp::pong(&context)));
    };
    tokio::select! {
        ended = read_all(reader, reads, (peer, &owner), pong) => ended,
        ended = write_all(queued, writes) => ended,
    }
}

async fn read_all<A: Owner>(
    mut reader: Reader,
    mut reads: impl AsyncRead + Unpin,
    (peer, owner): (PeerId, &WeakAddr<A>),
    pong: impl Fn(Bytes),
) -> Ended {
    loop {
        match reader.next(&mut reads).await {
            Ok(Received::Message(frames)) => {
                let Some(address) = owner.upgrade() else {
                    return Ended::Unbound;
                };
                // Waits while the actor is busy: the peer is then read from no further. A message on
                // which the actor crashed is lost.
                let sent = address.send(PeerSent { peer, frames }).await;
                if sent.is_err() && !address.connected() {
                    return Ended::Unbound;
                }
            }
            Ok(Received::Ping(context)) => pong(context),
            Ok(Received::Greeted | Received::Ready) => {}
            Err(ended) => return ended,
        }
    }
}

async fn write_all(mut queued: Queued, mut writes: impl AsyncWrite + Unpin) -> Ended {
    while let Some(bytes) = queued.next().await {
        if let Err(error) = writes.write_all(&bytes).await {
            return Ended::Io(error);
        }
    }
    Ended::Unbound
}

/// Tells the actor that a connection has ended, however it did.
struct Leaving<'a, A: Owner> {
    peer: PeerId,
    owner: &'a WeakAddr<A>,
}

impl<A: Owner> Drop for Leaving<'_, A> {
    #[expect(
        clippy::disallowed_methods,
        reason = "once for each connection, and requests would wait in vain without it"
    )]
    fn drop(&mut self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.do_send(PeerGone { peer: self.peer });
        }
    }
}

/// What has come and is not decoded.
struct Reader {
    decoder: Decoder,
    input: BytesMut,
}

impl Reader {
    fn new(kind: SocketKind) -> Self {
        Self {
            decoder: Decoder::new(kind),
            input: BytesMut::new(),
        }
    }

    async fn next(&mut self, reads: &mut (impl AsyncRead + Unpin)) -> Result<Received, Ended> {
        loop {
            if let Some(received) = self.decoder.next(&mut self.input)? {
                return Ok(received);
            }
            self.input.reserve(CHUNK);
            if reads.read_buf(&mut self.input).await? == 0 {
                return Err(Ended::Closed);
            }
        }
    }
}

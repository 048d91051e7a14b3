//! One backend's connection: greeted, then messages both ways until it ends.

use std::{io, time::Duration};

use actix::WeakAddr;
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::dealer::{Dealer, PeerGone, PeerReady, PeerSent};
use crate::engine::zmq::{
    dealing::PeerId,
    zmtp::{self, Decoder, Received, ZmtpError},
};

/// How long a backend may take to say what it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is read at once.
const CHUNK: usize = 16_384;

/// Messages that may wait for one connection; more than a dealer has under way there.
const QUEUE: usize = 128;

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

/// Serves a connection to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(stream: S, dealer: WeakAddr<Dealer>) {
    let (mut reads, mut writes) = tokio::io::split(stream);
    let mut reader = Reader::default();
    let greeting = greet(&mut reader, &mut reads, &mut writes);
    let greeted = match actix::clock::timeout(HANDSHAKE, greeting).await {
        Ok(greeted) => greeted,
        Err(_) => Err(Ended::Silent),
    };
    let ended = match greeted {
        Ok(()) => converse(reader, reads, writes, dealer).await,
        Err(ended) => ended,
    };
    match ended {
        Ended::Closed | Ended::Unbound => log::debug!(why:% = ended; "a ZeroMQ backend left"),
        _ => log::warn!(why:% = ended; "a ZeroMQ backend's connection is closed"),
    }
}

async fn greet(
    reader: &mut Reader,
    reads: &mut (impl AsyncRead + Unpin),
    writes: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Ended> {
    writes.write_all(&zmtp::greeting()).await?;
    loop {
        match reader.next(reads).await? {
            Received::Greeted => writes.write_all(&zmtp::ready()).await?,
            Received::Ready => return Ok(()),
            // The decoder gives neither before `Ready`.
            Received::Message(_) | Received::Ping(_) => {}
        }
    }
}

async fn converse(
    reader: Reader,
    reads: impl AsyncRead + Unpin,
    writes: impl AsyncWrite + Unpin,
    dealer: WeakAddr<Dealer>,
) -> Ended {
    let (queue, queued) = mpsc::channel(QUEUE);
    let Some(address) = dealer.upgrade() else {
        return Ended::Unbound;
    };
    let pongs = queue.clone();
    let Ok(peer) = address.send(PeerReady { queue }).await else {
        return Ended::Unbound;
    };
    drop(address);
    let _leaving = Leaving {
        peer,
        dealer: &dealer,
    };
    tokio::select! {
        ended = read_all(reader, reads, peer, &dealer, &pongs) => ended,
        ended = write_all(queued, writes) => ended,
    }
}

async fn read_all(
    mut reader: Reader,
    mut reads: impl AsyncRead + Unpin,
    peer: PeerId,
    dealer: &WeakAddr<Dealer>,
    pongs: &mpsc::Sender<Bytes>,
) -> Ended {
    loop {
        match reader.next(&mut reads).await {
            Ok(Received::Message(frames)) => {
                let Some(address) = dealer.upgrade() else {
                    return Ended::Unbound;
                };
                // Waits while the dealer is busy: the backend is then read from no further.
                if address.send(PeerSent { peer, frames }).await.is_err() {
                    return Ended::Unbound;
                }
            }
            // A peer that asks faster than it reads gets fewer answers.
            Ok(Received::Ping(context)) => drop(pongs.try_send(zmtp::pong(&context))),
            Ok(Received::Greeted | Received::Ready) => {}
            Err(ended) => return ended,
        }
    }
}

async fn write_all(
    mut queued: mpsc::Receiver<Bytes>,
    mut writes: impl AsyncWrite + Unpin,
) -> Ended {
    while let Some(bytes) = queued.recv().await {
        if let Err(error) = writes.write_all(&bytes).await {
            return Ended::Io(error);
        }
    }
    Ended::Unbound
}

/// Tells the dealer that a connection has ended, however it did.
struct Leaving<'a> {
    peer: PeerId,
    dealer: &'a WeakAddr<Dealer>,
}

impl Drop for Leaving<'_> {
    #[expect(
        clippy::disallowed_methods,
        reason = "once for each connection, and requests would wait in vain without it"
    )]
    fn drop(&mut self) {
        if let Some(dealer) = self.dealer.upgrade() {
            dealer.do_send(PeerGone { peer: self.peer });
        }
    }
}

/// What has come and is not decoded.
#[derive(Default)]
struct Reader {
    decoder: Decoder,
    input: BytesMut,
}

impl Reader {
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

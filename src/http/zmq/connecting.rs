//! Connections that P-8 makes itself: to a publisher, again and again for as long as it runs.

use std::{io, time::Duration};

use actix::WeakAddr;
use tokio::net::{TcpStream, UnixStream};

use super::{
    bound::Stream,
    peer::{serve, Owner},
};
use crate::engine::zmq::{endpoint::Endpoint, zmtp::SocketKind};

/// How soon it is tried again.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// How long it is waited at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a publisher may take to accept.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to an address, and again when that has failed or ended.
pub(super) async fn connect_always<A: Owner>(
    kind: SocketKind,
    endpoint: Endpoint,
    owner: WeakAddr<A>,
) {
    let mut pause = PAUSE_FIRST;
    loop {
        match actix::clock::timeout(PATIENCE, connect(&endpoint)).await {
            Ok(Ok(stream)) => {
                log::info!(socket = kind.name(), endpoint:%; "connected to a ZeroMQ peer");
                pause = PAUSE_FIRST;
                serve(kind, stream, owner.clone()).await;
            }
            failed => {
                let why = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "it does not accept in time".to_owned(),
                };
                // Once for each time that it has gone.
                let level = match pause == PAUSE_FIRST {
                    true => log::Level::Warn,
                    false => log::Level::Debug,
                };
                log::log!(level, socket = kind.name(), endpoint:%, why = why.as_str();
                    "cannot connect to a ZeroMQ peer: trying again");
            }
        }
        actix::clock::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    let stream = match endpoint {
        Endpoint::Tcp(address) => TcpStream::connect(address).await?,
        Endpoint::Named(name, port) => TcpStream::connect((&**name, *port)).await?,
        Endpoint::Ipc(path) => return Ok(Stream::Unix(UnixStream::connect(path).await?)),
    };
    Stream::tcp(stream)
}

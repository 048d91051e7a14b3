//! HTTP/1 on a connected stream, for one request at a time.
//!
//! Not its concern: connecting (`dial.rs`), keeping connections (`pool.rs`) and using them (`fetch.rs`).

use std::{future::Future, rc::Rc, time::Instant};

use hyper::client::conn::http1::{self, Builder, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::actors::fetch_error::FetchError;

use super::{
    key::Key,
    message::RequestBody,
    stream::Stream,
    wire::{Wire, WireState},
};

/// Most headers of an answer.
const HEADERS_MAX: usize = 256;
/// Most bytes of an answer's head, and of a body buffered for one HTTP/2 stream.
pub(super) const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a body that are read at once, and buffered here while the client does not read. As many
/// are asked for only from backends that fill what was asked for before.
const READ_BYTES_MAX: usize = 128 * 1024;

/// One open connection. Dropping it closes the socket at once.
pub(super) struct Connection {
    /// Where requests go in.
    pub(super) sender: SendRequest<RequestBody>,
    /// What is known of its byte stream.
    pub(super) wire: Rc<WireState>,
    /// What it is good for.
    pub(super) key: Rc<Key>,
    /// When it was opened.
    pub(super) born: Instant,
    /// The task that reads and writes.
    driver: JoinHandle<()>,
}

/// HTTP/1 on a connection, yet without the task that drives it.
type Undriven = http1::Connection<TokioIo<Wire>, RequestBody>;

/// Brings the socket when HTTP has ended on it.
pub(super) type GivenBack = oneshot::Receiver<Parts<TokioIo<Wire>>>;

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Returns the HTTP/1 settings that every connection shares.
pub(super) fn http1() -> Builder {
    let mut http1 = Builder::new();
    http1.title_case_headers(true).max_headers(HEADERS_MAX);
    // The second bound is exact, the first one is not.
    http1
        .max_buf_size(READ_BYTES_MAX)
        .max_header_size(BUFFER_BYTES_MAX);
    http1
}

/// Speaks HTTP/1 on a stream.
pub(super) async fn open(
    stream: Stream,
    http1: &Builder,
    key: &Key,
) -> Result<Connection, FetchError> {
    start(stream, http1, key, |connection| async move {
        // Whoever waits for an answer or a body is told by hyper; nobody else needs to know.
        if let Err(error) = connection.await {
            log::trace!(why:% = error; "backend connection ended");
        }
    })
    .await
}

/// Speaks HTTP/1 on a stream that may switch protocols; the stream is given back when HTTP ends.
pub(super) async fn open_for_switch(
    stream: Stream,
    http1: &Builder,
    key: &Key,
) -> Result<(Connection, GivenBack), FetchError> {
    let (give, given) = oneshot::channel();
    let connection = start(stream, http1, key, |connection| async move {
        match connection.without_shutdown().await {
            // Nobody takes it unless the protocol was switched: it is closed then.
            Ok(parts) => drop(give.send(parts)),
            Err(error) => log::trace!(why:% = error; "backend connection ended"),
        }
    });
    Ok((connection.await?, given))
}

/// Starts HTTP/1 on a connected stream, and the task that drives it.
async fn start<F: Future<Output = ()> + 'static>(
    stream: Stream,
    http1: &Builder,
    key: &Key,
    drive: impl FnOnce(Undriven) -> F,
) -> Result<Connection, FetchError> {
    let wire = Rc::new(WireState::default());
    let io = TokioIo::new(Wire::new(stream, Rc::clone(&wire)));
    let (sender, connection) = http1
        .handshake(io)
        .await
        .map_err(|error| FetchError::Connect {
            target: key.target.to_string(),
            why: error.to_string(),
        })?;
    Ok(Connection {
        sender,
        wire,
        key: Rc::new(key.clone()),
        born: Instant::now(),
        driver: tokio::task::spawn_local(drive(connection)),
    })
}

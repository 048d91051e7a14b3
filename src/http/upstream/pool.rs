//! Keeps a worker thread's idle backend connections for the next request.
//!
//! Not its concern: opening connections (`connect.rs`) and retries (`fetch.rs`). The connection used
//! last is taken first, so that the others grow old and go away when the load falls.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use hyper::client::conn::http1::Builder;
use tokio::time::timeout;

use crate::{
    actors::{
        fetch_error::FetchError,
        ports::{
            BackendRequest, Connections, Fetch, FetchFailure, Fetching, Informational, Pooled,
            Promise, Upgrade,
        },
    },
    engine::route::{Pem, TargetKind},
};

use super::{
    connect::{self, Connection, GivenBack},
    dial::dial,
    fetch,
    idle::{is_old, Idle},
    key::Key,
    open::OpenConnections,
    shared::{Lease, SharedConnections},
    stream::Stream,
    tls::TlsConfigs,
    upgrade,
};

/// How often the idle connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// Most HTTP/2 connections that one request opens until it has a place on one.
const OPENINGS_MAX: usize = 3;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Most idle connections of the pool, over all targets; past it the longest idle one is closed.
    pub idle_max: usize,
    /// How long a connection may be idle and still be used.
    pub idle_limit: Duration,
    /// How old a connection may be and still be used for another request.
    pub age_limit: Duration,
    /// How long resolving, connecting and the TLS handshake may take, over all addresses of a target.
    pub connect_timeout: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            idle_max: 256,
            idle_limit: Duration::from_secs(55),
            age_limit: Duration::from_secs(600),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// What a pool has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Connections opened.
    pub opened_total: u64,
    /// Requests that began on an idle connection.
    pub reused_total: u64,
    /// Requests sent once more because an idle connection had gone.
    pub retried_total: u64,
    /// Connections idle now, some of which may already be closed by the backend.
    pub idle_current: usize,
}

/// Fetches from backends over connections that it keeps; a cheap handle, bound to its thread.
#[derive(Clone)]
pub struct Pool {
    shared: Rc<Shared>,
    /// In place of that of the options.
    connect_timeout: Option<Duration>,
}

struct Shared {
    options: Cell<PoolOptions>,
    http1: Builder,
    tls: TlsConfigs,
    idle: RefCell<Idle>,
    http2: Rc<SharedConnections>,
    open: OpenConnections,
    is_swept: Cell<bool>,
    opened: Cell<u64>,
    reused: Cell<u64>,
    retried: Cell<u64>,
}

impl Pool {
    /// Makes an empty pool.
    pub fn new(options: PoolOptions) -> Pool {
        Pool {
            connect_timeout: None,
            shared: Rc::new(Shared {
                tls: TlsConfigs::default(),
                options: Cell::new(options),
                http1: connect::http1(),
                idle: RefCell::new(Idle::default()),
                http2: Rc::default(),
                open: OpenConnections::default(),
                is_swept: Cell::new(false),
                opened: Cell::new(0),
                reused: Cell::new(0),
                retried: Cell::new(0),
            }),
        }
    }

    /// Changes its bounds; idle connections past them go as they are looked at.
    pub fn set_options(&self, options: PoolOptions) {
        self.shared.options.set(options);
    }

    /// Trusts the certificates of these authorities besides those of the machine, from now on.
    ///
    /// What is idle was verified by the earlier ones: it is closed if they were others.
    pub fn trust(&self, ca: Option<Pem>) {
        if self.shared.tls.trust(ca) {
            *self.shared.idle.borrow_mut() = Idle::default();
            self.shared.http2.forget();
        }
    }

    /// Returns what the pool has done.
    pub fn counts(&self) -> PoolCounts {
        PoolCounts {
            opened_total: self.shared.opened.get(),
            reused_total: self.shared.reused.get(),
            retried_total: self.shared.retried.get(),
            idle_current: self.shared.idle.borrow().total + self.shared.http2.idle(),
        }
    }

    /// Drops idle connections that are closed, too long idle, too old or more than are needed.
    ///
    /// The pool does this by itself for as long as it has any.
    pub fn sweep(&self, now: Instant) {
        self.shared.http2.sweep(now, &self.shared.options.get());
        self.shared
            .idle
            .borrow_mut()
            .sweep(now, &self.shared.options.get());
    }

    /// Takes the idle connection of a key that was used last.
    pub(super) fn checkout(&self, key: &Key, now: Instant) -> Option<Connection> {
        let taken = self
            .shared
            .idle
            .borrow_mut()
            .take(key, now, &self.shared.options.get())?;
        self.shared.reused.set(self.shared.reused.get() + 1);
        Some(taken)
    }

    /// Keeps a connection whose exchange is over, or closes it if it cannot be used again.
    pub(super) fn check_in(&self, connection: Connection) {
        let now = Instant::now();
        let options = &self.shared.options.get();
        // Not ready: the backend closes it, or the request's body was not sent to its end.
        if connection.sender.is_ready() && !is_old(&connection, now, options) {
            self.shared.idle.borrow_mut().put(connection, now, options);
            self.keep_swept();
        }
    }

    /// Sweeps from now on, until no connection is idle.
    fn keep_swept(&self) {
        if self.shared.is_swept.replace(true) {
            return;
        }
        let shared = Rc::downgrade(&self.shared);
        actix_rt::spawn(async move {
            loop {
                actix::clock::sleep(SWEEP_INTERVAL).await;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let mut idle = shared.idle.borrow_mut();
                idle.sweep(Instant::now(), &shared.options.get());
                if idle.total == 0 {
                    return shared.is_swept.set(false);
                }
            }
        });
    }

    fn connect_limit(&self) -> Duration {
        let of_all = self.shared.options.get().connect_timeout;
        self.connect_timeout.unwrap_or(of_all)
    }

    async fn dial(&self, key: &Key, wants_http2: bool) -> Result<Stream, FetchError> {
        let parts = (&self.shared.tls, &self.shared.open);
        dial(key, parts, self.connect_limit(), wants_http2).await
    }

    /// Opens a connection.
    pub(super) async fn open(&self, key: &Key) -> Result<Connection, FetchError> {
        let shared = &self.shared;
        let stream = self.dial(key, false).await?;
        let opened = connect::open(stream, &shared.http1, key).await?;
        shared.opened.set(shared.opened.get() + 1);
        Ok(opened)
    }

    /// Opens a connection that may switch protocols; it is never kept.
    pub(super) async fn open_for_switch(
        &self,
        key: &Key,
    ) -> Result<(Connection, GivenBack), FetchError> {
        let shared = &self.shared;
        let stream = self.dial(key, false).await?;
        let opened = connect::open_for_switch(stream, &shared.http1, key).await?;
        shared.opened.set(shared.opened.get() + 1);
        Ok(opened)
    }

    /// Takes a place on an HTTP/2 connection, which is opened if need be; none if the server chose HTTP/1.
    ///
    /// **Bounds**: those of a connect, and [`OPENINGS_MAX`] connections of its own.
    pub(super) async fn lease(&self, key: &Key) -> Result<Option<Lease>, FetchError> {
        let leased = timeout(self.connect_limit(), self.lease_when_open(key));
        leased.await.unwrap_or_else(|_elapsed| {
            Err(FetchError::ConnectTimeout {
                target: key.target.to_string(),
            })
        })
    }

    async fn lease_when_open(&self, key: &Key) -> Result<Option<Lease>, FetchError> {
        let shared = &self.shared;
        let mut begun = 0;
        loop {
            let now = Instant::now();
            if let Some(lease) = shared.http2.join(key, now, &shared.options.get()) {
                let reused = u64::from(lease.is_reused);
                shared.reused.set(shared.reused.get() + reused);
                return Ok(Some(lease));
            }
            if shared.http2.speaks_http1(key, now) {
                return Ok(None);
            }
            if begun == OPENINGS_MAX {
                let target = key.target.to_string();
                return Err(FetchError::ClosedBeforeAnswer { target });
            }
            let (pool, to) = (self.clone(), key.clone());
            let open = || async move { pool.open_shared(&to).await }.boxed_local();
            let (opening, is_new) = shared.http2.opening(key, open);
            begun += usize::from(is_new);
            opening.await?;
        }
    }

    /// Opens a connection that many requests share, or one as ever if the server chose that.
    async fn open_shared(&self, key: &Key) -> Result<(), FetchError> {
        let shared = &self.shared;
        let stream = self.dial(key, true).await?;
        shared.opened.set(shared.opened.get() + 1);
        if stream.takes_http2() {
            return shared.http2.add(key, stream).await;
        }
        shared.http2.note_http1(key, Instant::now());
        let mut connection = connect::open(stream, &shared.http1, key).await?;
        if connection.sender.ready().await.is_ok() {
            self.check_in(connection);
        }
        Ok(())
    }

    /// Counts a request that is sent once more.
    pub(super) fn note_retry(&self) {
        self.shared.retried.set(self.shared.retried.get() + 1);
    }
}

impl Fetch for Pool {
    fn connecting_within(&self, limit: Duration) -> Rc<dyn Fetch> {
        Rc::new(Pool {
            connect_timeout: Some(limit),
            ..self.clone()
        })
    }

    fn fetch(&self, request: BackendRequest, informational: Option<Informational>) -> Fetching {
        Box::pin(fetch::run(self.clone(), request, informational))
    }

    fn upgrade(&self, request: BackendRequest) -> Promise<Result<Upgrade, FetchFailure>> {
        Box::pin(upgrade::run(self.clone(), request))
    }
}

impl Pool {
    /// Returns who can tell of its connections, as long as it lives.
    pub fn pooled(&self) -> Weak<dyn Pooled> {
        let pooled: Rc<dyn Pooled> = self.shared.clone();
        Rc::downgrade(&pooled)
    }
}

impl Pooled for Shared {
    fn connections(&self) -> Vec<(TargetKind, Connections)> {
        let idle = self.idle.borrow();
        let of = |(target, open): (TargetKind, u64)| {
            let idle = (idle.count_to(&target) + self.http2.idle_to(&target)) as u64;
            (target, Connections { open, idle })
        };
        self.open.all().into_iter().map(of).collect()
    }
}

//! What operators see of a broker, and what they may have it do: asked of every worker, put together here.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc, Mutex,
    },
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, Notify, OwnedSemaphorePermit, Semaphore};

use super::Broker;
use crate::{
    actors::{
        looks::{
            ChannelsQuery, EndSessions, ListChannels, ListSessions, Listen, SessionsQuery, Tap,
            Tapped,
        },
        timing::Timing,
    },
    grip::channel::ChannelName,
    stats::{
        counters::Total,
        history::{History, Point},
        rows::{Page, Top},
        views::{ChannelRow, SessionFilter, SessionRow},
    },
};

/// How long a worker may take to look through its rows.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tables that are looked through at a time; further looks wait.
const LOOKS_MAX: usize = 4;

/// Streams to operators at a time.
pub const STREAMS_MAX: usize = 32;

/// Items that wait for an operator who tails a channel; past it items are missed, counted.
const TAIL_QUEUE: usize = 256;

/// What a broker keeps for operators.
pub(super) struct Operators {
    since: Instant,
    pub(super) publish_times: Arc<Timing>,
    history: Arc<Mutex<History>>,
    /// Whoever looks through tables takes a turn.
    looks: Semaphore,
    /// Streams to operators.
    streams: Arc<Semaphore>,
    stop: Notify,
    is_asked_to_stop: AtomicBool,
}

impl Operators {
    pub(super) fn new(publish_times: Arc<Timing>, history: Arc<Mutex<History>>) -> Self {
        Self {
            since: actix::clock::Instant::now().into_std(),
            publish_times,
            history,
            looks: Semaphore::new(LOOKS_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            stop: Notify::new(),
            is_asked_to_stop: AtomicBool::new(false),
        }
    }
}

/// Rows of all workers.
pub struct Gathered<R> {
    /// The page.
    pub page: Page<R>,
    /// Threads whose rows are in it.
    pub answered: usize,
    /// Threads that were asked.
    pub asked: usize,
}

/// The items of a channel as they come; dropping it ends the tail.
pub struct Tail {
    /// The items.
    pub items: mpsc::Receiver<Tapped>,
    /// How many were missed, as too many waited.
    pub missed: Arc<AtomicU64>,
}

impl Broker {
    /// Lists held sessions, a page of them.
    pub async fn sessions(&self, mut query: SessionsQuery) -> Gathered<SessionRow> {
        query.since = self.0.operators.since;
        let _turn = self.0.operators.looks.acquire().await;
        let hubs = self.0.hubs.all();
        let asked = hubs.len();
        let ask = |query: &SessionsQuery| ListSessions(query.clone());
        let told: Vec<_> = hubs
            .iter()
            .map(|hub| hub.send(ask(&query)).timeout(PATIENCE))
            .collect();
        let mut parts = Vec::new();
        for told in told {
            parts.extend(told.await);
        }
        gather(Top::new(query.window), parts, asked)
    }

    /// Lists channels with subscribers, a page of them.
    pub async fn channels(&self, query: ChannelsQuery) -> Gathered<ChannelRow> {
        let _turn = self.0.operators.looks.acquire().await;
        let told: Vec<_> = self
            .0
            .handlers
            .all()
            .into_iter()
            .map(|publisher| {
                publisher
                    .send(ListChannels(query.clone()))
                    .timeout(PATIENCE)
            })
            .collect();
        let asked = told.len();
        let mut parts = Vec::new();
        for told in told {
            parts.extend(told.await);
        }
        gather(Top::new(query.window), parts, asked)
    }

    /// Ends the sessions that are meant, in good order; returns how many were told to.
    pub async fn end_sessions(&self, filter: SessionFilter) -> u64 {
        let hubs = self.0.hubs.all();
        let told: Vec<_> = hubs
            .iter()
            .map(|hub| hub.send(EndSessions(filter.clone())).timeout(PATIENCE))
            .collect();
        let mut ended = 0;
        for told in told {
            match told.await {
                Ok(some) => ended += some,
                Err(_) => log::warn!("a worker did not end its sessions in time"),
            }
        }
        self.0.shared.add(Total::SessionsEnded, ended);
        ended
    }

    /// Tells of the items that are published to a channel from now on, whether anybody is subscribed or
    /// not.
    pub async fn tail(&self, channel: ChannelName) -> Tail {
        let (sender, items) = mpsc::channel(TAIL_QUEUE);
        let missed = Arc::<AtomicU64>::default();
        let tap = Tap {
            sender,
            missed: missed.clone(),
        };
        self.0.handlers.listen(Listen { channel, tap }).await;
        Tail { items, missed }
    }

    /// Takes a place among the streams to operators; none if there are [`STREAMS_MAX`].
    pub fn take_stream(&self) -> Option<OwnedSemaphorePermit> {
        self.0.operators.streams.clone().try_acquire_owned().ok()
    }

    /// Counts what an operator had it do.
    pub fn count_admin_action(&self) {
        self.0.shared.add(Total::AdminActions, 1);
    }

    /// Returns the last quarter of an hour.
    pub fn history(&self) -> Vec<Point> {
        let history = self.0.operators.history.lock();
        history.map(|history| history.points()).unwrap_or_default()
    }

    /// Asks whoever runs the server to stop it in good order.
    pub fn ask_to_stop(&self) {
        self.0
            .operators
            .is_asked_to_stop
            .store(true, Ordering::Relaxed);
        self.0.operators.stop.notify_one();
    }

    /// Tells whether somebody has asked for that.
    pub fn is_asked_to_stop(&self) -> bool {
        self.0.operators.is_asked_to_stop.load(Ordering::Relaxed)
    }

    /// Returns how long it has run.
    pub fn uptime(&self) -> Duration {
        actix::clock::Instant::now().into_std() - self.0.operators.since
    }

    /// Returns how many threads have a part of it.
    pub fn workers(&self) -> usize {
        self.0.hubs.all().len()
    }

    /// Waits until somebody has asked for that.
    pub async fn asked_to_stop(&self) {
        self.0.operators.stop.notified().await;
    }
}

fn gather<R>(mut all: Top<R>, parts: Vec<Top<R>>, asked: usize) -> Gathered<R> {
    let answered = parts.len();
    parts.into_iter().for_each(|part| all.merge(part));
    Gathered {
        page: all.finish(),
        answered,
        asked,
    }
}

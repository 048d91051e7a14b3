//! Many streams ask their backend again at once: live items do not wait for that, and the backend has
//! no more requests at a time than it is meant to.
//!
//! Source: `docs/grip.md`, recovery. 2,000 questions of 50 ms, 32 at a time, take more than 3 s.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::support::backend::Request;
use crate::support::grip::hold;
use crate::support::links::checked;
use crate::support::publish::stream_item;
use crate::support::wait::{slowness, DEADLINE};
use crate::support::{wait_until, Answer, Backend, Client, Config, P8};

/// Streams that ask again.
const STREAMS: usize = 2_000;
/// Their requests at a time.
const AT_A_TIME: usize = 32;
/// How long the backend takes for each.
const ANSWER: Duration = Duration::from_millis(50);
/// Far less than asking takes, far more than a live item does on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What the backend has to do.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
    answered: AtomicUsize,
}

impl Load {
    /// Takes its time, and says that the stream has all there is.
    fn answer(&self, request: &Request) -> Answer {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        slowness(ANSWER);
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.answered.fetch_add(1, Ordering::SeqCst);
        let last = request.header("grip-last").expect("an id");
        let id = last.strip_prefix("a; last-id=").expect("an id");
        checked("stream", id, "").next(&request.target)
    }
}

/// All streams, and one on another channel that needs no recovery.
struct Streams {
    p8: P8,
    checked: Vec<Client>,
    plain: Client,
    published: usize,
}

impl Streams {
    /// Publishes to all; gives how long it took to the plain one, and to half of the others.
    fn live_item(&mut self) -> (Duration, Duration) {
        let id = self.published + 1;
        self.published = id;
        let mut item = stream_item("a", ".");
        (item["id"], item["prev-id"]) = (json!(id.to_string()), json!((id - 1).to_string()));
        let items: [Value; 2] = [stream_item("plain", "."), item];
        let started = Instant::now();
        thread::scope(|scope| {
            let plain = scope.spawn(|| {
                self.plain.expect(".");
                started.elapsed()
            });
            self.p8.publish(&items);
            let mut missing: Vec<_> = self.checked.iter_mut().collect();
            wait_until(DEADLINE, "half of the streams to have the item", || {
                missing.retain_mut(|client| !client.has_come(id));
                missing.len() <= STREAMS / 2
            });
            (plain.join().expect("a plain stream"), started.elapsed())
        })
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn live_items_wait_for_no_recovery_and_the_backend_is_not_flooded() {
    let load = Arc::<Load>::default();
    let backend = {
        let load = load.clone();
        Backend::answering(move |request| match request.target.as_str() {
            "/plain" => hold("stream", "plain", ""),
            target if target.starts_with("/n/") => load.answer(request),
            target => checked("stream", "0", "").next(&format!("/n{target}")),
        })
    };
    let config = Config::to(backend.addr).http("workers = 1");
    let p8 = P8::start(&config.proxy(&format!("recovery_requests_max = {AT_A_TIME}")));
    let checked = (0..STREAMS).map(|n| p8.stream(&format!("/{n}"))).collect();
    let plain = p8.stream("/plain");
    let mut streams = Streams {
        p8,
        checked,
        plain,
        published: 0,
    };
    let idle: Vec<_> = (0..5).map(|_| streams.live_item()).collect();
    let mut control = Client::connect(streams.p8.control);
    assert_eq!(control.post("/recover/", b"").status(), 200);
    wait_until(DEADLINE, "the backend to be busy", || {
        load.answered.load(Ordering::SeqCst) > AT_A_TIME
    });
    let mut during = Vec::new();
    while load.answered.load(Ordering::SeqCst) < STREAMS / 4 * 3 {
        during.push(streams.live_item());
    }
    let (plain, half): (Vec<_>, Vec<_>) = during.into_iter().unzip();
    let (idle_plain, idle_half): (Vec<_>, Vec<_>) = idle.into_iter().unzip();
    let longest = plain.iter().chain(&half).max().copied().expect("an item");
    eprintln!(
        "{} live items during recovery: plain stream {:?} (idle {:?}), half of {STREAMS} {:?} (idle {:?}), longest {longest:?}",
        plain.len(), median(plain.clone()), median(idle_plain), median(half.clone()), median(idle_half),
    );
    assert!(
        plain.len() >= 3,
        "{} items were published meanwhile",
        plain.len()
    );
    assert!(longest < AT_ONCE, "{longest:?}");
    // Those that were being asked have everything too, in order and once.
    let published = streams.published;
    wait_until(DEADLINE, "every stream to be asked", || {
        load.answered.load(Ordering::SeqCst) == STREAMS
    });
    for client in &mut streams.checked {
        wait_until(DEADLINE, "every item", || client.has_come(published));
    }
    let most = load.most.load(Ordering::SeqCst);
    assert!(
        (AT_A_TIME / 2..=AT_A_TIME).contains(&most),
        "{most} at a time"
    );
    let snapshot = streams.p8.snapshot();
    assert_eq!(snapshot.total("link_requests_total"), STREAMS as u64);
    let dropped = snapshot.json()["dropped"].as_object().expect("an object");
    assert!(dropped.values().all(|count| count == 0), "{dropped:?}");
}

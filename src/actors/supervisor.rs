//! Guarded actors: a panic restarts a handler actor in place, and ends any other one cleanly.
//!
//! `actix::Supervisor` is for actors that stop themselves; it does not survive a panic. `supervise`
//! owns the actor's context and polls it under `catch_unwind`: address, queued messages and whatever
//! lives beside the actor are kept. A budget keeps an actor that crashes on every message from
//! spinning. A panic while a panic unwinds still aborts the process: nothing in a `Drop` may panic.

use std::{
    any::Any,
    future::{poll_fn, Future},
    panic::{catch_unwind, AssertUnwindSafe},
    pin::{pin, Pin},
    rc::Rc,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, Mutex,
    },
    task::{ready, Context as TaskContext, Poll},
};

use actix::{dev::ContextFut, prelude::*};

use crate::engine::restart_budget::RestartBudget;

/// What is known of the crashes of one kind of actor; shared by all of that kind in a broker.
#[derive(Debug)]
pub struct CrashRecord {
    /// The kind, as `/admin` names it.
    pub kind: &'static str,
    panics: AtomicU64,
    last_panic: Mutex<Option<String>>,
}

impl CrashRecord {
    /// Makes an empty record.
    pub fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            panics: AtomicU64::new(0),
            last_panic: Mutex::new(None),
        })
    }

    /// Notes a panic and logs it.
    pub fn note(&self, panic: &(dyn Any + Send), consequence: &'static str) {
        let text = panic_text(panic);
        self.panics.fetch_add(1, Ordering::Relaxed);
        log::error!(target: "p8::supervisor", actor = self.kind, panic = text.as_str(); "{consequence}");
        if let Ok(mut last) = self.last_panic.lock() {
            *last = Some(text);
        }
    }

    /// Returns the number of panics.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Returns what the last panic said.
    pub fn last_panic(&self) -> Option<String> {
        self.last_panic.lock().ok().and_then(|last| last.clone())
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    let mut text = text.unwrap_or_else(|| "panicked without a text".to_owned());
    if let Some((end, _)) = text.char_indices().nth(500) {
        text.truncate(end);
    }
    text
}

/// Starts a permanent actor on this arbiter; `make` gets its context, so that it may learn its address.
pub fn supervise<A>(record: Arc<CrashRecord>, make: impl FnOnce(&mut Context<A>) -> A) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised + Unpin,
{
    supervise_timed(record, None, make)
}

/// Hears for how many nanoseconds an actor was busy, each time that it was.
pub type Busy = Rc<dyn Fn(u64)>;

/// As [`supervise`]; counts the nanoseconds that the actor is busy, if it is said where.
pub fn supervise_timed<A>(
    record: Arc<CrashRecord>,
    busy: Option<Busy>,
    make: impl FnOnce(&mut Context<A>) -> A,
) -> Addr<A>
where
    A: Actor<Context = Context<A>> + Supervised + Unpin,
{
    let mut context = Context::new();
    let address = context.address();
    let actor = make(&mut context);
    actix_rt::spawn(Permanent {
        context: context.into_future(actor),
        record,
        busy,
        budget: RestartBudget::default(),
        pause: None,
        is_down: false,
    });
    address
}

/// Starts a temporary actor with its context: a panic ends it, and what it holds is dropped.
pub fn start_temporary(
    record: Arc<CrashRecord>,
    running: impl Future<Output = ()> + Unpin + 'static,
) {
    actix_rt::spawn(Temporary {
        running: Some(running),
        record,
    });
}

/// Runs what nobody sends messages to within the caller's task; none if it panicked.
///
/// What an async block holds is dropped while its panic unwinds.
pub async fn run_guarded<T>(
    record: Arc<CrashRecord>,
    running: impl Future<Output = T>,
) -> Option<T> {
    let mut running = pin!(running);
    poll_fn(
        |task| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(task))) {
            Ok(outcome) => outcome.map(Some),
            Err(panic) => {
                record.note(&*panic, "request panicked: it is ended");
                Poll::Ready(None)
            }
        },
    )
    .await
}

struct Permanent<A: Actor<Context = Context<A>> + Supervised> {
    context: ContextFut<A, Context<A>>,
    record: Arc<CrashRecord>,
    busy: Option<Busy>,
    budget: RestartBudget,
    pause: Option<Pin<Box<actix::clock::Sleep>>>,
    /// Its restart panicked too, and is tried again.
    is_down: bool,
}

impl<A: Actor<Context = Context<A>> + Supervised + Unpin> Permanent<A> {
    /// Notes a panic, and pauses an actor that panics often.
    fn note(&mut self, panic: &(dyn Any + Send)) {
        self.record
            .note(panic, "actor panicked: restarting it in place");
        let now = actix::clock::Instant::now().into_std();
        let delay = self.budget.on_panic(now);
        if !delay.is_zero() {
            log::error!(target: "p8::supervisor", actor = self.record.kind,
                pause_ms = delay.as_millis() as u64; "actor keeps panicking: pausing it");
            self.pause = Some(Box::pin(actix::clock::sleep(delay)));
        }
    }

    /// Restarts the actor; false if nobody can reach it any more.
    fn restart(&mut self) -> bool {
        let context = &mut self.context;
        let restarted = catch_unwind(AssertUnwindSafe(|| context.restart()));
        self.is_down = restarted.is_err();
        restarted.unwrap_or_else(|panic| {
            self.note(&*panic);
            true
        })
    }
}

impl<A: Actor<Context = Context<A>> + Supervised + Unpin> Future for Permanent<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(task));
                self.pause = None;
            }
            if self.is_down {
                if !self.restart() {
                    return Poll::Ready(());
                }
                continue;
            }
            let began = self.busy.is_some().then(std::time::Instant::now);
            let context = &mut self.context;
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(context).poll(task)));
            if let Some((busy, began)) = self.busy.as_ref().zip(began) {
                busy(began.elapsed().as_nanos() as u64);
            }
            let panic = match polled {
                Ok(outcome) => return outcome,
                Err(panic) => panic,
            };
            self.note(&*panic);
            if !self.restart() {
                return Poll::Ready(());
            }
        }
    }
}

struct Temporary<F> {
    running: Option<F>,
    record: Arc<CrashRecord>,
}

impl<F: Future<Output = ()> + Unpin> Future for Temporary<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(running).poll(task))) {
            Ok(outcome) => outcome,
            Err(panic) => {
                self.record.note(&*panic, "actor panicked: it is ended");
                drop_quietly(self.running.take());
                Poll::Ready(())
            }
        }
    }
}

/// Drops a crashed actor; what its `Drop` does must not reach the task.
pub fn drop_quietly<T>(crashed: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(crashed)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Message)]
    #[rtype(result = "u32")]
    struct Number(u32);

    struct Doubler;

    impl Actor for Doubler {
        type Context = Context<Self>;
    }
    impl Supervised for Doubler {}
    impl Handler<Number> for Doubler {
        type Result = u32;
        fn handle(&mut self, Number(n): Number, _: &mut Self::Context) -> u32 {
            assert_ne!(n, 13, "unlucky");
            n * 2
        }
    }

    #[actix_rt::test]
    async fn a_panic_keeps_address_and_queue() {
        let record = CrashRecord::new("doubler");
        let address = supervise(record.clone(), |_| Doubler);
        let replies: Vec<_> = [1, 13, 2, 3].map(|n| address.send(Number(n))).into();
        let mut answers = Vec::new();
        for reply in replies {
            answers.push(reply.await.ok());
        }
        assert_eq!(answers, [Some(2), None, Some(4), Some(6)]);
        assert_eq!(record.panics(), 1);
        assert!(record
            .last_panic()
            .is_some_and(|text| text.contains("unlucky")));
    }

    #[actix_rt::test]
    async fn an_actor_that_keeps_panicking_is_paused_and_comes_back() {
        tokio::time::pause();
        let record = CrashRecord::new("doubler");
        let address = supervise(record.clone(), |_| Doubler);
        for _ in 0..8 {
            assert!(address.send(Number(13)).await.is_err());
        }
        assert_eq!(record.panics(), 8);
        assert_eq!(address.send(Number(4)).await.ok(), Some(8));
    }

    /// As the doubler, but for restarts that panic so often.
    struct Stumbling(u32);

    impl Actor for Stumbling {
        type Context = Context<Self>;
    }
    impl Supervised for Stumbling {
        fn restarting(&mut self, _: &mut Self::Context) {
            self.0 = self.0.saturating_sub(1);
            assert_eq!(self.0, 0, "stumbled");
        }
    }
    impl Handler<Number> for Stumbling {
        type Result = u32;
        fn handle(&mut self, Number(n): Number, _: &mut Self::Context) -> u32 {
            assert_ne!(n, 13, "unlucky");
            n * 2
        }
    }

    #[actix_rt::test]
    async fn an_actor_whose_restart_panics_is_restarted_again() {
        tokio::time::pause();
        for (stumbles, panics) in [(1, 1), (3, 3), (9, 9)] {
            let record = CrashRecord::new("stumbling");
            let address = supervise(record.clone(), |_| Stumbling(stumbles));
            let replies = [13, 2].map(|n| address.send(Number(n)));
            let mut answers = Vec::new();
            for reply in replies {
                answers.push(reply.await.ok());
            }
            assert_eq!(answers, [None, Some(4)]);
            assert_eq!(record.panics(), panics);
        }
    }

    #[actix_rt::test]
    async fn a_temporary_actor_ends_with_its_panic() {
        let record = CrashRecord::new("doubler");
        let context = Context::new();
        let address = context.address();
        start_temporary(record.clone(), context.into_future(Doubler));
        assert!(address.send(Number(13)).await.is_err());
        assert!(!address.connected());
        assert_eq!(record.panics(), 1);
    }

    #[actix_rt::test]
    async fn what_panics_within_a_task_ends_without_it() {
        let record = CrashRecord::new("upstream");
        let held = std::rc::Rc::new(());
        let kept = held.clone();
        let crashed = run_guarded(record.clone(), async move {
            actix::clock::sleep(std::time::Duration::from_millis(1)).await;
            assert!(std::rc::Rc::strong_count(&kept) > 2, "unlucky");
        });
        assert_eq!(crashed.await, None);
        assert_eq!(std::rc::Rc::strong_count(&held), 1);
        assert_eq!(record.panics(), 1);
        assert_eq!(run_guarded(record, async { 4 }).await, Some(4));
    }
}

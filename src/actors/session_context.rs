//! The context of a session: a mailbox, and next to nothing else.
//!
//! `actix::Context` has room in it for the futures of an actor, some 300 bytes that each held client
//! would pay for and no session uses. Here they are kept apart, if there are any.

use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use actix::{
    dev::{channel::channel, Envelope, Mailbox, ToEnvelope},
    fut::ActorFuture,
    prelude::*,
    WeakAddr,
};
use tokio::sync::oneshot;

use super::{messages::ToSession, session::Session};

/// Messages a session's mailbox takes before items are dropped, counted.
const MAILBOX: usize = 4_096;

/// The context of a session.
pub struct SessionContext {
    address: WeakAddr<Session>,
    rest: Option<Box<Rest>>,
}

/// What hardly any session has.
#[derive(Default)]
struct Rest {
    futures: Vec<Spawned>,
    last: SpawnHandle,
    is_stopped: bool,
}

struct Spawned {
    handle: SpawnHandle,
    /// No message is taken before it is done.
    holds_mail: bool,
    future: Pin<Box<dyn ActorFuture<Session, Output = ()>>>,
}

/// A session with its context and its mailbox: polled by whoever owns it.
///
/// It ends when it was stopped or nobody has its address any more.
pub struct RunningSession {
    session: Session,
    context: SessionContext,
    mailbox: Mailbox<Session>,
}

impl RunningSession {
    /// Gives a session its mailbox.
    pub fn new(session: Session) -> (Self, Addr<Session>) {
        let (sender, receiver) = channel(MAILBOX);
        let address = Addr::new(sender);
        let running = Self {
            session,
            context: SessionContext {
                address: address.downgrade(),
                rest: None,
            },
            mailbox: Mailbox::new(receiver),
        };
        (running, address)
    }

    /// Returns its address.
    pub fn address(&self) -> Addr<Session> {
        self.mailbox.address()
    }

    /// Polls its futures; true if one has come to its end or another was added.
    fn poll_futures(&mut self, task: &mut TaskContext<'_>) -> bool {
        let (session, context) = (&mut self.session, &mut self.context);
        let Some(rest) = &mut context.rest else {
            return false;
        };
        let mut futures = std::mem::take(&mut rest.futures);
        let before = futures.len();
        futures.retain_mut(|spawned| {
            let future = spawned.future.as_mut();
            future.poll(session, context, task).is_pending()
        });
        let rest = context.rest();
        let has_changed = futures.len() < before || !rest.futures.is_empty();
        futures.append(&mut rest.futures);
        rest.futures = futures;
        context
            .rest
            .take_if(|rest| rest.futures.is_empty() && !rest.is_stopped);
        has_changed
    }
}

impl Future for RunningSession {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let running = &mut *self;
        loop {
            let (session, context) = (&mut running.session, &mut running.context);
            running.mailbox.poll(session, context, task);
            if !running.poll_futures(task) {
                break;
            }
        }
        let is_left = running.context.rest.is_none() && !running.mailbox.connected();
        match is_left || running.context.is_stopped() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl SessionContext {
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn is_stopped(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.is_stopped)
    }

    fn add(&mut self, holds_mail: bool, future: impl ActorFuture<Session, Output = ()> + 'static) {
        let rest = self.rest();
        rest.last = rest.last.next();
        rest.futures.push(Spawned {
            handle: rest.last,
            holds_mail,
            future: Box::pin(future),
        });
    }
}

impl ActorContext for SessionContext {
    fn stop(&mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        self.rest().is_stopped = true;
    }

    fn state(&self) -> ActorState {
        match self.is_stopped() {
            true => ActorState::Stopped,
            false => ActorState::Running,
        }
    }
}

impl AsyncContext<Session> for SessionContext {
    fn address(&self) -> Addr<Session> {
        let address = self.address.upgrade();
        // Whoever still looks at the context of a session without a mailbox gets one that nobody reads.
        address.unwrap_or_else(|| Addr::new(channel(0).0))
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<Session, Output = ()> + 'static,
    {
        self.add(false, future);
        self.rest().last
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<Session, Output = ()> + 'static,
    {
        self.add(true, future);
    }

    fn waiting(&self) -> bool {
        let rest = self.rest.as_ref();
        rest.is_some_and(|rest| rest.is_stopped || rest.futures.iter().any(|one| one.holds_mail))
    }

    /// Not from one of its own futures.
    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        let Some(rest) = &mut self.rest else {
            return false;
        };
        let before = rest.futures.len();
        rest.futures.retain(|spawned| spawned.handle != handle);
        rest.futures.len() < before
    }
}

impl ToEnvelope<Session, ToSession> for SessionContext {
    fn pack(message: ToSession, answer: Option<oneshot::Sender<()>>) -> Envelope<Session> {
        Envelope::new(message, answer)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use actix::fut::{ready, WrapFuture};
    use futures_util::{future::poll_immediate, FutureExt};

    use super::*;
    use crate::actors::{
        messages::{Depth, SessionEvent},
        session::SessionState,
    };

    fn message() -> ToSession {
        ToSession {
            hold: 1,
            event: SessionEvent::Timer,
            waiting: Depth::default().enter(),
        }
    }

    fn running() -> (RunningSession, Addr<Session>) {
        RunningSession::new(Session::new(Rc::<RefCell<SessionState>>::default()))
    }

    #[actix_rt::test]
    async fn a_session_takes_its_messages_until_nobody_has_its_address() {
        let (mut running, address) = running();
        let waiting = Depth::default();
        let mut told = message();
        told.waiting = waiting.enter();
        address.try_send(told).unwrap();
        assert_eq!(poll_immediate(&mut running).await, None);
        assert_eq!(waiting.get(), 0, "it was taken");
        let another = running.address();
        drop(address);
        assert_eq!(poll_immediate(&mut running).await, None);
        drop(another);
        assert_eq!(poll_immediate(&mut running).await, Some(()));
    }

    #[actix_rt::test]
    async fn a_full_mailbox_refuses() {
        let (mut running, address) = running();
        let refused = std::iter::repeat_with(|| address.try_send(message()))
            .take(2 * MAILBOX)
            .position(|sent| sent.is_err());
        assert_eq!(refused, Some(MAILBOX));
        assert_eq!(poll_immediate(&mut running).await, None);
        assert!(address.try_send(message()).is_ok());
    }

    #[actix_rt::test]
    async fn futures_are_kept_apart_and_may_hold_the_mail() {
        let (mut running, address) = running();
        let (done, awaited) = oneshot::channel::<()>();
        let context = &mut running.context;
        context.wait(awaited.map(drop).into_actor(&running.session));
        let handle = context.spawn(std::future::pending().into_actor(&running.session));
        context.spawn(ready(()));
        let waiting = Depth::default();
        let mut told = message();
        told.waiting = waiting.enter();
        address.try_send(told).unwrap();
        assert_eq!(poll_immediate(&mut running).await, None);
        assert_eq!(waiting.get(), 1, "it waits for the future");
        done.send(()).unwrap();
        assert_eq!(poll_immediate(&mut running).await, None);
        assert_eq!(waiting.get(), 0);
        assert!(running.context.cancel_future(handle));
        assert!(!running.context.cancel_future(handle));
        assert_eq!(running.context.address(), address);
        running.context.stop();
        assert_eq!(running.context.state(), ActorState::Stopped);
        assert_eq!(poll_immediate(&mut running).await, Some(()));
    }
}

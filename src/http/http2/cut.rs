//! Ending a stream from outside: hyper's task of it is dropped, and the client gets RST_STREAM.
//!
//! hyper waits for a client's window before it asks a body again, so a body alone cannot end a stream
//! whose client takes nothing. What hyper runs for a stream comes through its executor, which hands it
//! here together with the stream that is being looked at.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Ends what is run for a stream.
#[derive(Default)]
pub struct Cut {
    is_cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Cut {
    /// Ends the stream, whatever of it is still to be sent.
    pub fn cut(&self) {
        self.is_cut.set(true);
        let _ = self.waker.borrow_mut().take().map(Waker::wake);
    }
}

/// Runs a connection's streams on its own thread.
#[derive(Clone, Default)]
pub(super) struct Local {
    /// The stream that hyper looks at now: what it wants to be run belongs to it.
    current: Rc<RefCell<Option<Rc<Cut>>>>,
}

impl Local {
    /// Notes the stream that is looked at from now on.
    pub(super) fn look_at(&self, cut: &Rc<Cut>) {
        self.current.replace(Some(cut.clone()));
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        let cut = self.current.borrow_mut().take();
        let future = Box::pin(future);
        let local = self.clone();
        drop(match cut {
            Some(cut) => actix_rt::spawn(Running { cut, local, future }),
            None => actix_rt::spawn(future),
        });
    }
}

struct Running<F> {
    cut: Rc<Cut>,
    local: Local,
    future: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Running<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.cut.is_cut.get() {
            return Poll::Ready(());
        }
        self.local.look_at(&self.cut);
        let polled = self.future.as_mut().poll(cx);
        self.local.current.borrow_mut().take();
        if polled.is_pending() {
            if self.cut.is_cut.get() {
                return Poll::Ready(());
            }
            let mut waker = self.cut.waker.borrow_mut();
            if !waker
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                *waker = Some(cx.waker().clone());
            }
        }
        polled
    }
}

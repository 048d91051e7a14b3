//! A session's place in its worker's tables, and what it asks of them.

use std::{rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;

use super::Edge;
use crate::{
    actors::{
        messages::{Encoded, Forget, Leave},
        ports::Outlet,
    },
    engine::fan_out::SessionKey,
    grip::channel::ChannelName,
};

/// A session's place in its worker's tables; dropping it unsubscribes.
pub struct Membership {
    pub(super) edge: Rc<Edge>,
    pub(super) key: SessionKey,
    pub(super) hold: u64,
}

impl Membership {
    /// Returns the session's name on this worker.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns the name of the hold, which its messages carry.
    pub fn hold(&self) -> u64 {
        self.hold
    }

    /// Returns the worker.
    pub fn edge(&self) -> &Rc<Edge> {
        &self.edge
    }

    /// Gives the session its way out, and what goes before everything that arrived meanwhile.
    pub fn begin(&self, outlet: Rc<dyn Outlet>, head: Bytes) {
        self.edge.store.borrow_mut().begin(self.key, outlet, head);
        self.edge.bells.flush.notify_one();
    }

    /// Returns what names the session's hold on this worker.
    pub fn place(&self) -> (SessionKey, u64) {
        (self.key, self.hold)
    }

    /// The backend insists on another last item of a channel.
    #[expect(clippy::disallowed_methods, reason = "at most one for each answer")]
    pub fn forget(&self, channel: ChannelName) {
        self.edge.hub.do_send(Forget(channel));
    }

    /// Appends a part of the stream that no item brought.
    pub fn append_body(&self, content: Bytes) {
        self.edge.append_body(self.key, content);
    }

    /// Appends a keep-alive, framed as its client needs it, unless the client is not keeping up.
    pub fn append_content(&self, content: Bytes) {
        self.edge
            .store
            .borrow_mut()
            .append_content(self.key, content);
        self.edge.bells.flush.notify_one();
    }

    /// Appends an item that the session has edited, within the limits of its outbox.
    pub fn append_item(&self, content: Bytes, of: &Encoded) {
        let mut store = self.edge.store.borrow_mut();
        store.append_edited(self.key, content, of);
        self.edge.bells.flush.notify_one();
    }

    /// Appends an item in a form of the session's own, within the limits of its outbox.
    pub fn append_own_form(&self, bytes: Bytes, of: &Encoded) {
        let mut store = self.edge.store.borrow_mut();
        store.append_own_form(self.key, bytes, of);
        self.edge.bells.flush.notify_one();
    }

    /// The parts of a message follow: items wait until it is whole.
    pub fn begin_message(&self) {
        self.edge.store.borrow_mut().begin_message(self.key);
    }

    /// The message is whole.
    pub fn end_message(&self) {
        self.edge.store.borrow_mut().end_message(self.key);
    }

    /// No item is for this session any more.
    pub fn deafen(&self) {
        self.edge.store.borrow_mut().deafen(self.key);
    }

    /// Returns how many bytes that belong to no item wait to be written.
    pub fn own_bytes(&self) -> usize {
        self.edge.store.borrow().own_bytes(self.key)
    }

    /// Tells whether no item is accepted for the session any more.
    pub fn is_deaf(&self) -> bool {
        self.edge.store.borrow().is_deaf(self.key)
    }

    /// Appends the last bytes of the response.
    pub fn finish(&self, bytes: Bytes) {
        self.edge.store.borrow_mut().finish(self.key, bytes);
        self.edge.bells.flush.notify_one();
    }

    /// The client takes bytes again.
    pub fn writable(&self) {
        self.edge.store.borrow_mut().mark_dirty(self.key);
        self.edge.bells.flush.notify_one();
    }

    /// Takes what waits for its turn in the place of an earlier hold of the same request.
    pub fn take_over(&self, earlier: &Self) -> Vec<Arc<Encoded>> {
        self.edge
            .store
            .borrow_mut()
            .take_over(earlier.key, self.key)
    }

    /// Tells whether the server is stopping.
    pub fn is_draining(&self) -> bool {
        self.edge.store.borrow().is_draining()
    }

    /// Asks to be woken.
    pub fn wake_at(&self, deadline: Option<Instant>) {
        let mut store = self.edge.store.borrow_mut();
        if store.set_deadline(self.key, deadline) {
            self.edge.bells.timer.notify_one();
        }
    }

    /// Returns when something was last written to the client.
    pub fn last_sent(&self) -> Option<Instant> {
        self.edge.store.borrow().last_sent(self.key)
    }
}

impl Drop for Membership {
    #[expect(
        clippy::disallowed_methods,
        reason = "one for each session; losing it would leak it"
    )]
    fn drop(&mut self) {
        self.edge.hub.do_send(Leave(self.key));
    }
}

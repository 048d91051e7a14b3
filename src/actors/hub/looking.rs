//! A worker's sessions as operators see them, and their end; a slice between the worker's other work.

use actix::prelude::*;

use super::Hub;
use crate::{
    actors::looks::{EndSessions, ListSessions, TakeReadings},
    stats::{rows::Top, views::SessionRow},
};

impl Handler<ListSessions> for Hub {
    type Result = ResponseFuture<Top<SessionRow>>;

    fn handle(&mut self, ListSessions(query): ListSessions, _: &mut Self::Context) -> Self::Result {
        let (store, worker) = (self.store.clone(), self.link.id);
        Box::pin(async move {
            let mut top = Top::new(query.window.clone());
            let mut from = Some(0);
            while let Some(at) = from {
                from = store.borrow().list_slice((worker, at), &query, &mut top);
                tokio::task::yield_now().await;
            }
            top
        })
    }
}

impl Handler<EndSessions> for Hub {
    type Result = ResponseFuture<u64>;

    fn handle(&mut self, EndSessions(filter): EndSessions, _: &mut Self::Context) -> Self::Result {
        let (store, worker) = (self.store.clone(), self.link.id);
        Box::pin(async move {
            let mut ended = 0;
            let mut from = Some(0);
            while let Some(at) = from {
                from = store.borrow().end_slice((worker, at), &filter, &mut ended);
                tokio::task::yield_now().await;
            }
            ended
        })
    }
}

impl Handler<TakeReadings> for Hub {
    type Result = MessageResult<TakeReadings>;

    fn handle(&mut self, _: TakeReadings, _: &mut Self::Context) -> Self::Result {
        let now_ms = self.store.borrow().now_ms();
        MessageResult(self.targets.counters().read_at(now_ms))
    }
}

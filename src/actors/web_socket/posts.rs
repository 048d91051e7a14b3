//! What a session's backend is told over HTTP, one post at a time; and what it is still told when the
//! session has ended.

use std::{cell::RefCell, rc::Rc};

use actix_rt::task::JoinHandle;

use super::{tell, Parts, Socket, SocketEvent};
use crate::{
    actors::{
        edge::Membership,
        held::moment,
        ports::{PostAnswer, PostFailure, SocketBackend},
    },
    engine::{
        session::Moment,
        web_socket::FromBackend,
        ws::{Close, MessageKind, Part},
        ws_over_http::{Output, OverHttp, Post},
    },
    grip::ws::{events::parse_close, Event, EventKind},
    stats::counters::{Counters, Total},
};

/// What a post was answered; none until it is.
pub(super) type Told = Rc<RefCell<Option<Result<PostAnswer, PostFailure>>>>;

/// A post under way.
pub(super) struct Posting {
    told: Told,
    work: JoinHandle<()>,
}

impl Socket {
    /// Sends a post; the session hears when it has come to its end.
    pub(super) fn post(&mut self, post: Post, membership: &Membership) {
        let (edge, place) = (membership.edge().clone(), membership.place());
        let told = Told::default();
        let (answer, asked) = (told.clone(), self.parts.backend.clone().post(post));
        let work = actix_rt::spawn(async move {
            let outcome = asked.await;
            *answer.borrow_mut() = Some(outcome);
            tell(&edge, place, SocketEvent::Posted);
        });
        self.tasks().posting = Some(Posting { told, work });
    }

    /// Takes what a post was answered.
    pub(super) fn on_posted(&mut self, moment: Moment) {
        let posting = self.take_posting();
        let told = posting.and_then(|posting| posting.told.take());
        let machine = &mut self.parts.machine;
        match told {
            // Its task crashed.
            None => machine.on_post_failed(false, moment),
            Some(Ok(answer)) => {
                for said in answer.events.into_iter().filter_map(understood) {
                    machine.on_backend(said, moment);
                }
                machine.on_answer(&answer.facts, moment);
            }
            Some(Err(failure)) => {
                log::debug!(why = failure.why.as_str(); "events were not taken by a backend");
                machine.on_post_failed(failure.may_retry, moment);
            }
        }
    }

    fn take_posting(&mut self) -> Option<Posting> {
        self.tasks.as_mut()?.posting.take()
    }

    /// Tells the backend what it is still to hear of a session that has ended, without holding anything
    /// else of it.
    pub(super) fn tell_the_rest(mut self, counters: &Counters) -> Option<JoinHandle<()>> {
        let posting = self.take_posting();
        let posts = self.parts.machine.into_posts()?;
        let backend = self.parts.backend;
        let Some(ending) = backend.ending() else {
            counters.add(Total::DisconnectsSkipped, 1);
            log::warn!("a backend is not told of a WebSocket's end: too many others are");
            return None;
        };
        counters.add(Total::EndingsTold, 1);
        Some(actix_rt::spawn(async move {
            rest(posts, posting, backend).await;
            drop(ending);
        }))
    }
}

/// Tells a backend that its client is gone before the session has begun.
pub fn abandon(mut parts: Parts, counters: &Counters) {
    parts.machine.on_client_gone();
    let mut socket = Socket::new(parts);
    socket.say_the_rest();
    drop(socket.tell_the_rest(counters));
}

async fn rest(mut posts: OverHttp, mut posting: Option<Posting>, backend: Rc<dyn SocketBackend>) {
    posts.hold_up(false);
    loop {
        if let Some(posting) = posting.take() {
            let Posting { told, work } = posting;
            let _ = work.await;
            match told.take() {
                Some(Ok(answer)) => posts.on_answer(&answer.facts, moment().now),
                Some(Err(failure)) => posts.on_failed(failure.may_retry, moment()),
                None => return,
            }
        }
        match (posts.next_output(), posts.deadline()) {
            (Some(Output::Post(post)), _) => {
                let outcome = backend.clone().post(post).await;
                match outcome {
                    Ok(answer) => posts.on_answer(&answer.facts, moment().now),
                    Err(failure) => posts.on_failed(failure.may_retry, moment()),
                }
            }
            (Some(Output::Fail(_) | Output::Over { .. }), _) | (None, None) => return,
            (None, Some(due)) => {
                actix::clock::sleep_until(due.into()).await;
                posts.on_timer(moment().now);
            }
        }
    }
}

/// What an event means; none for what has no meaning here.
pub fn understood(event: Event) -> Option<FromBackend> {
    let content = event.content.unwrap_or_default();
    let message = |kind, content| FromBackend::Part(Part::whole(kind, content));
    Some(match event.kind {
        EventKind::Text if std::str::from_utf8(&content).is_err() => FromBackend::BadText,
        EventKind::Text => message(MessageKind::Text, content),
        EventKind::Binary => message(MessageKind::Binary, content),
        EventKind::Ping => FromBackend::Ping(content),
        EventKind::Pong => FromBackend::Pong(content),
        EventKind::Close => {
            let close = parse_close(Some(&content));
            FromBackend::Close(close.map(|(code, reason)| Close { code, reason }))
        }
        // A second one is no better than the end.
        EventKind::Open | EventKind::Disconnect => FromBackend::Disconnect,
    })
}

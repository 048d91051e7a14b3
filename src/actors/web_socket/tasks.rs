//! What takes time for a WebSocket session: tasks that end with it and tell it the outcome.

use super::{posts::Posting, tell, Socket, SocketEvent, CLIENT_WAITING_MAX};
use crate::{
    actors::{edge::Membership, messages::SessionEvent, task::Task},
    engine::plan::Wanted,
    grip::{filter::FilterError, network_filter::Question},
    stats::counters::Total,
};

/// Tasks that most sessions do not have most of the time.
#[derive(Default)]
pub(super) struct Tasks {
    pub(super) posting: Option<Posting>,
    pub(super) changing: Option<Task>,
    pub(super) filtering: Option<Task>,
    pub(super) writing: Option<Task>,
}

impl Tasks {
    /// Tells whether there are none.
    pub(super) fn are_done(&self) -> bool {
        let Self {
            posting,
            changing,
            filtering,
            writing,
        } = self;
        posting.is_none() && changing.is_none() && filtering.is_none() && writing.is_none()
    }
}

impl Socket {
    pub(super) fn wait_for_client(&mut self, membership: &Membership) {
        let (edge, place) = (membership.edge().clone(), membership.place());
        self.tasks().writing = Task::spawn(async move {
            edge.own_written_below(place.0, CLIENT_WAITING_MAX / 2)
                .await;
            tell(&edge, place, SocketEvent::Written);
        });
    }

    pub(super) fn tasks(&mut self) -> &mut Tasks {
        self.tasks.get_or_insert_default()
    }

    pub(super) fn change_channels(&mut self, wanted: Vec<Wanted>, membership: &Membership) {
        let is_attentive = self.parts.machine.is_attentive();
        let (edge, place) = (membership.edge().clone(), membership.place());
        self.tasks().changing = Task::spawn(async move {
            let changed = edge.change_channels(place, is_attentive, wanted).await;
            if let Err(error) = &changed {
                log::warn!(session = place.0 .0, error:%; "a WebSocket's channels cannot be subscribed to");
            }
            tell(&edge, place, SocketEvent::Subscribed(changed.is_ok()));
        });
    }

    pub(super) fn ask_filter(&mut self, question: Question, membership: &Membership) {
        let (edge, place) = (membership.edge().clone(), membership.place());
        edge.counters().add(Total::FilterRequests, 1);
        let filter = question.filter;
        let asked = self.parts.backend.ask_filter(question);
        self.tasks().filtering = Task::spawn(async move {
            let answer = match asked {
                Some(asked) => asked.await,
                None => Err(FilterError::Unanswered {
                    filter,
                    why: "the session's URL is of no use".to_owned(),
                }),
            };
            edge.tell(place, SessionEvent::Filtered(Box::new(answer)));
        });
    }
}

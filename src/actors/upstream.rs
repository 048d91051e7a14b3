//! The upstream: one backend request, all targets tried, until its answer's head is there.
//!
//! The body then streams between the two sockets and never passes here. A client that leaves, or a
//! crash, drops the request and closes the backend connection.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use http::HeaderValue;

use super::{
    ports::{BackendRequest, BackendResponse, Fetch, FetchError, FetchFailure, Informational},
    supervisor::{run_temporary, CrashRecord},
};
use crate::{
    engine::route::TargetKind,
    stats::counters::{Counters, Total},
};

/// What an upstream is asked to do.
pub struct Assignment {
    /// The request, for the first target.
    pub request: BackendRequest,
    /// The targets to try after the first, in order, each with the `Host` it wants.
    pub others: Vec<(TargetKind, HeaderValue)>,
    /// Longest wait for the answer's head.
    pub timeout: Duration,
    /// Hears interim responses.
    pub informational: Option<Informational>,
}

/// The answer, and which target gave it.
pub struct Answered {
    /// The answer.
    pub response: BackendResponse,
    /// Which of the assignment's targets gave it, counted from 0.
    pub target: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Unanswered {
    /// The last error.
    pub error: FetchError,
    /// Every target that was tried, in order.
    pub tried: Vec<TargetKind>,
}

/// What became of an assignment; none until it is done.
type Outcome = Rc<RefCell<Option<Result<Answered, Unanswered>>>>;

/// The actor.
pub struct Upstream {
    fetch: Rc<dyn Fetch>,
    assignment: Option<Assignment>,
    outcome: Outcome,
    counters: Rc<Counters>,
}

impl Upstream {
    /// Runs an upstream to its end, within the task of whoever waits for it; none if it crashed.
    ///
    /// Dropping the future cancels the request.
    pub async fn run(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        counters: Rc<Counters>,
        crashes: Arc<CrashRecord>,
    ) -> Option<Result<Answered, Unanswered>> {
        let outcome = Outcome::default();
        counters.add(Total::Upstreams, 1);
        let upstream = Self {
            fetch,
            assignment: Some(assignment),
            outcome: outcome.clone(),
            counters,
        };
        run_temporary(crashes, upstream).await;
        outcome.take()
    }
}

impl Actor for Upstream {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let Some(assignment) = self.assignment.take() else {
            return context.stop();
        };
        let work = try_targets(self.fetch.clone(), assignment).into_actor(self);
        context.spawn(work.map(|result, upstream, context| {
            *upstream.outcome.borrow_mut() = Some(result);
            context.stop();
        }));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.counters.subtract(Total::Upstreams, 1);
    }
}

async fn try_targets(fetch: Rc<dyn Fetch>, assignment: Assignment) -> Result<Answered, Unanswered> {
    let Assignment {
        mut request,
        others,
        timeout,
        informational,
    } = assignment;
    let mut others = others.into_iter();
    let mut tried = Vec::new();
    loop {
        let target = tried.len();
        tried.push(request.target.clone());
        let attempt = fetch.fetch(request, informational.clone());
        let FetchFailure { error, unsent } = match actix::clock::timeout(timeout, attempt).await {
            Ok(Ok(response)) => return Ok(Answered { response, target }),
            Ok(Err(failure)) => failure,
            Err(_) => FetchFailure {
                error: FetchError::AnswerTimeout,
                unsent: None,
            },
        };
        log::debug!(target:? = tried.last().map(ToString::to_string).unwrap_or_default(), error:% = error;
            "backend did not answer");
        match (unsent, others.next()) {
            (Some(mut unsent), Some((next, host))) if error.before_sending() => {
                unsent.headers.insert(http::header::HOST, host);
                request = BackendRequest {
                    target: next,
                    ..unsent
                };
            }
            _ => return Err(Unanswered { error, tried }),
        }
    }
}

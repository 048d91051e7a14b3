//! The upstream: one backend request, all targets tried, until its answer's head is there.
//!
//! With [`Upstream::upgrade`] the request asks to switch protocols, and the answer may be a connection.
//!
//! The body then streams between the two sockets and never passes here. A client that leaves, or a
//! crash, drops the request and closes the backend connection.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use http::HeaderValue;

use super::{
    ports::{
        BackendRequest, BackendResponse, Fetch, FetchError, FetchFailure, Informational, Promise,
        Upgrade,
    },
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
pub struct Answered<A = BackendResponse> {
    /// The answer.
    pub response: A,
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

/// What a target may be asked for.
pub trait Answer: Sized + Unpin + 'static {
    /// Asks one target.
    fn ask(
        fetch: &dyn Fetch,
        request: BackendRequest,
        informational: Option<Informational>,
    ) -> Promise<Result<Self, FetchFailure>>;
}

impl Answer for BackendResponse {
    fn ask(
        fetch: &dyn Fetch,
        request: BackendRequest,
        informational: Option<Informational>,
    ) -> Promise<Result<Self, FetchFailure>> {
        fetch.fetch(request, informational)
    }
}

impl Answer for Upgrade {
    fn ask(
        fetch: &dyn Fetch,
        request: BackendRequest,
        _: Option<Informational>,
    ) -> Promise<Result<Self, FetchFailure>> {
        fetch.upgrade(request)
    }
}

/// What became of an assignment; none until it is done.
type Outcome<A> = Rc<RefCell<Option<Result<Answered<A>, Unanswered>>>>;

/// The actor.
pub struct Upstream<A> {
    fetch: Rc<dyn Fetch>,
    assignment: Option<Assignment>,
    outcome: Outcome<A>,
    counters: Rc<Counters>,
}

impl Upstream<BackendResponse> {
    /// Runs an upstream to its end, within the task of whoever waits for it; none if it crashed.
    ///
    /// Dropping the future cancels the request.
    pub async fn run(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        counters: Rc<Counters>,
        crashes: Arc<CrashRecord>,
    ) -> Option<Result<Answered, Unanswered>> {
        Self::run_to_end(assignment, fetch, counters, crashes).await
    }
}

impl Upstream<Upgrade> {
    /// The same for a request that asks to switch protocols: it has no body, and nobody hears interim
    /// responses.
    pub async fn upgrade(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        counters: Rc<Counters>,
        crashes: Arc<CrashRecord>,
    ) -> Option<Result<Answered<Upgrade>, Unanswered>> {
        Self::run_to_end(assignment, fetch, counters, crashes).await
    }
}

impl<A: Answer> Upstream<A> {
    async fn run_to_end(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        counters: Rc<Counters>,
        crashes: Arc<CrashRecord>,
    ) -> Option<Result<Answered<A>, Unanswered>> {
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

impl<A: Answer> Actor for Upstream<A> {
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

impl<A> Drop for Upstream<A> {
    fn drop(&mut self) {
        self.counters.subtract(Total::Upstreams, 1);
    }
}

async fn try_targets<A: Answer>(
    fetch: Rc<dyn Fetch>,
    assignment: Assignment,
) -> Result<Answered<A>, Unanswered> {
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
        let attempt = A::ask(&*fetch, request, informational.clone());
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

//! The upstream: one backend request, all targets tried, until its answer's head is there.
//!
//! With [`Upstream::upgrade`] the request asks to switch protocols, and the answer may be a connection.
//!
//! Nobody sends it messages, so it needs no mailbox: it is a future of its request's task, guarded as an
//! actor is. The body then streams between the two sockets and never passes here. A client that leaves, or a
//! crash, drops the request and closes the backend connection.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::clock::{timeout, Instant};
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ports::{
        BackendBody, BackendRequest, BackendResponse, BackendStream, Fetch, FetchError,
        FetchFailure, Informational, Promise, Upgrade,
    },
    supervisor::{run_guarded, CrashRecord},
    targets::{Targets, Ticket},
};
use crate::{
    engine::{balance::EjectionLimits, overload::Admission, route::TargetKind},
    stats::counters::{Counters, Timed, Total},
};

/// What an upstream is asked to do.
pub struct Assignment {
    /// The request, for the first target.
    pub request: BackendRequest,
    /// Which of its route's targets that is.
    pub at: usize,
    /// The targets to try after the first, in order.
    pub others: Vec<Other>,
    /// How long it may take.
    pub times: Times,
    /// When targets that give no answer are ejected; none: these are no targets of a route.
    pub ejection: Option<EjectionLimits>,
    /// Whether it may wait for the answer of a target for which many wait already.
    pub admission: Admission,
    /// Hears interim responses.
    pub informational: Option<Informational>,
}

/// A target to try after the first.
pub struct Other {
    /// Which of its route's targets it is.
    pub at: usize,
    /// Where it is.
    pub target: TargetKind,
    /// The `Host` it wants.
    pub host: HeaderValue,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Longest wait for a connection, if not that of all requests.
    pub connect: Option<Duration>,
    /// Longest wait for the answer's head, for each target.
    pub response: Duration,
    /// Longest time from now to the end of the answer.
    pub whole: Option<Duration>,
}

impl Times {
    /// Only the answer's head is waited for no longer than that.
    pub fn of_response(response: Duration) -> Self {
        Self {
            connect: None,
            response,
            whole: None,
        }
    }
}

/// The answer, and which target gave it.
pub struct Answered<A = BackendResponse> {
    /// The answer.
    pub response: A,
    /// Which of its route's targets gave it.
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

    /// Keeps the request counted for as long as the answer goes on.
    fn keep(&mut self, ticket: Ticket);
}

impl Answer for BackendResponse {
    fn ask(
        fetch: &dyn Fetch,
        request: BackendRequest,
        informational: Option<Informational>,
    ) -> Promise<Result<Self, FetchFailure>> {
        fetch.fetch(request, informational)
    }

    fn keep(&mut self, ticket: Ticket) {
        self.ticket = Some(ticket);
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

    fn keep(&mut self, ticket: Ticket) {
        match self {
            Self::Switched(switched) => {
                let none: Box<dyn BackendStream> = Box::new(tokio::io::empty());
                let stream = std::mem::replace(&mut switched.stream, none);
                switched.stream = Box::new(Counted {
                    stream,
                    _ticket: ticket,
                });
            }
            Self::Refused(response) => response.keep(ticket),
        }
    }
}

/// A backend request under way.
pub struct Upstream {
    counters: Rc<Counters>,
}

impl Upstream {
    /// Asks the targets, within the task of whoever waits for the answer; none if that crashed.
    ///
    /// Dropping the future cancels the request.
    pub fn run(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        targets: Rc<Targets>,
        crashes: Arc<CrashRecord>,
    ) -> Promise<Option<Result<Answered, Unanswered>>> {
        Self::guarded(assignment, fetch, targets, crashes)
    }

    /// The same for a request that asks to switch protocols: it has no body, and nobody hears interim
    /// responses.
    pub fn upgrade(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        targets: Rc<Targets>,
        crashes: Arc<CrashRecord>,
    ) -> Promise<Option<Result<Answered<Upgrade>, Unanswered>>> {
        Self::guarded(assignment, fetch, targets, crashes)
    }

    /// Boxed, so that its request's future stays small enough to be moved.
    fn guarded<A: Answer>(
        assignment: Assignment,
        fetch: Rc<dyn Fetch>,
        targets: Rc<Targets>,
        crashes: Arc<CrashRecord>,
    ) -> Promise<Option<Result<Answered<A>, Unanswered>>> {
        let counters = targets.counters().clone();
        counters.add(Total::Upstreams, 1);
        let upstream = Self { counters };
        Box::pin(async move {
            let _counted = upstream;
            run_guarded(crashes, try_targets(fetch, targets, assignment)).await
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.counters.subtract(Total::Upstreams, 1);
    }
}

async fn try_targets<A: Answer>(
    mut fetch: Rc<dyn Fetch>,
    targets: Rc<Targets>,
    assignment: Assignment,
) -> Result<Answered<A>, Unanswered> {
    let Assignment {
        mut request,
        at: mut target,
        others,
        times,
        ejection,
        admission,
        informational,
    } = assignment;
    #[cfg(feature = "chaos")]
    super::chaos::maybe_fail_upstream(&request.headers);
    if let Some(limit) = times.connect {
        fetch = fetch.connecting_within(limit);
    }
    let terms = Terms {
        response: times.response,
        deadline: times.whole.map(|whole| Instant::now() + whole),
        ejection,
        admission,
        informational,
    };
    let (mut others, mut tried) = (others.into_iter(), Vec::new());
    loop {
        tried.push(request.target.clone());
        let asked = terms.ask(&*fetch, &targets, request).await;
        let FetchFailure { error, unsent } = match asked {
            Ok(response) => return Ok(Answered { response, target }),
            Err(failure) => failure,
        };
        log::debug!(target:? = tried.last().map(ToString::to_string).unwrap_or_default(), error:% = error;
            "backend did not answer");
        match (unsent, others.next()) {
            (Some(mut unsent), Some(next)) if error.before_sending() => {
                targets.counters().add(Total::Failovers, 1);
                unsent.headers.insert(http::header::HOST, next.host);
                target = next.at;
                request = BackendRequest {
                    target: next.target,
                    ..unsent
                };
            }
            _ => {
                note_timeout(targets.counters(), &error);
                return Err(Unanswered { error, tried });
            }
        }
    }
}

/// What holds for each target that is tried.
struct Terms {
    response: Duration,
    deadline: Option<Instant>,
    ejection: Option<EjectionLimits>,
    admission: Admission,
    informational: Option<Informational>,
}

impl Terms {
    /// Asks one target, unless it has enough to do, and notes what becomes of that.
    async fn ask<A: Answer>(
        &self,
        fetch: &dyn Fetch,
        targets: &Targets,
        request: BackendRequest,
    ) -> Result<A, FetchFailure> {
        let mut ticket = None;
        if let Some(limits) = self.ejection {
            match targets.begin(&request.target, self.admission) {
                Some(begun) => ticket = Some((begun, limits)),
                None => return Err(self.too_busy(request)),
            }
        }
        // Until a body has arrived whole, its client may be the one who is slow.
        let is_ready = !matches!(request.body, BackendBody::Stream { .. });
        let asked = Instant::now();
        let attempt = A::ask(fetch, request, self.informational.clone());
        match in_time(attempt, self.response, self.deadline).await {
            Ok(mut response) => {
                let counters = targets.counters();
                counters.observe(Timed::Upstream, asked.elapsed());
                if let Some((mut ticket, _)) = ticket {
                    ticket.on_answer();
                    ticket.deadline = self.deadline;
                    response.keep(ticket);
                }
                Ok(response)
            }
            Err(failure) => {
                let error = &failure.error;
                let is_blamed = error.counts_against_target()
                    && (is_ready || *error != FetchError::AnswerTimeout);
                if let (true, Some((ticket, limits))) = (is_blamed, ticket) {
                    ticket.on_failure(error, limits);
                }
                Err(failure)
            }
        }
    }

    fn too_busy(&self, request: BackendRequest) -> FetchFailure {
        let waiting = match self.admission {
            Admission::Below(max) => max,
            Admission::Always => 0,
        };
        FetchFailure {
            error: FetchError::TargetBusy {
                target: request.target.to_string(),
                waiting,
            },
            unsent: Some(request),
        }
    }
}

/// Waits for an attempt as long as the answer's head and the whole exchange may take.
async fn in_time<A>(
    attempt: Promise<Result<A, FetchFailure>>,
    response: Duration,
    deadline: Option<Instant>,
) -> Result<A, FetchFailure> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let (limit, error) = match left {
        Some(left) if left < response => (left, FetchError::RequestTimeout),
        _ => (response, FetchError::AnswerTimeout),
    };
    let unsent = None;
    let answered = timeout(limit, attempt).await;
    answered.unwrap_or(Err(FetchFailure { error, unsent }))
}

fn note_timeout(counters: &Counters, error: &FetchError) {
    match error {
        FetchError::AnswerTimeout => counters.add(Total::AnswerTimeouts, 1),
        FetchError::RequestTimeout => counters.add(Total::RequestTimeouts, 1),
        _ => {}
    }
}

/// A stream to a backend that counts as a request under way to it.
struct Counted {
    stream: Box<dyn BackendStream>,
    _ticket: Ticket,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

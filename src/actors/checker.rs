//! The checker: asks the targets' health pages, one for the process; a thin shell of `balance::Checks`.
//!
//! No request waits for it: what it learns is in the routes' targets, where each choice reads it. Routes
//! that come and go with a reload are noticed within a second.

use std::{
    rc::Rc,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use http::{header, HeaderMap, HeaderValue, Method};

use super::{
    broker::Broker,
    ports::{BackendBody, BackendRequest, Fetch, FetchError},
    supervisor::supervise,
};
use crate::engine::{
    balance::{Check, Checks, Page},
    route::RouteTable,
};

/// How often it looks for pages that are due.
const TICK: Duration = Duration::from_secs(1);

/// Most pages that are asked at a time; more wait.
const UNDER_WAY_MAX: usize = 64;

/// How it introduces itself to backends.
const USER_AGENT: &str = concat!("P-8/", env!("CARGO_PKG_VERSION"), " health check");

/// The actor.
pub struct Checker {
    broker: Broker,
    fetch: Rc<dyn Fetch>,
    checks: Checks,
    /// The routes that the checks are of.
    routes: Option<Arc<RouteTable>>,
    under_way: usize,
    failures: Arc<AtomicU64>,
}

/// Ends the checks; what they said last stays.
///
/// Sender: the server, as it stops. Full or closed: they end with their thread.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndChecks;

/// What an answer's status was, or why there is none.
type Checked = Result<u16, FetchError>;

impl Checker {
    /// Starts it on this thread.
    pub fn start(broker: &Broker, fetch: Rc<dyn Fetch>) -> Addr<Self> {
        let (broker, failures) = (broker.clone(), broker.health_failures().clone());
        supervise(broker.crashes().checker.clone(), |_| Self {
            broker,
            fetch,
            checks: Checks::default(),
            routes: None,
            under_way: 0,
            failures,
        })
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        self.ask_due(context);
        context.run_interval(TICK, Self::ask_due);
    }

    fn ask_due(&mut self, context: &mut Context<Self>) {
        #[cfg(feature = "chaos")]
        super::chaos::maybe_fail_blind("checker");
        let now = actix::clock::Instant::now().into_std();
        let routes = &self.broker.options_shared().routes;
        if !self
            .routes
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, routes))
        {
            self.checks.on_routes(routes.routes(), now);
            self.routes = Some(routes.clone());
        }
        let room = UNDER_WAY_MAX.saturating_sub(self.under_way);
        for (page, patience) in self.checks.take_due(now, room) {
            self.under_way += 1;
            let asked = ask(self.fetch.clone(), page.clone(), patience).into_actor(self);
            context.spawn(asked.map(move |checked, checker, _| checker.on_checked(&page, checked)));
        }
    }

    fn on_checked(&mut self, page: &Page, checked: Checked) {
        self.under_way = self.under_way.saturating_sub(1);
        let (status, reason) = match &checked {
            Ok(status) => (*status, ""),
            Err(error) => (0, error.code()),
        };
        let is_healthy = Check::is_passed_by(status);
        if !is_healthy {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let is_news = self.checks.on_result(page, is_healthy);
        let (backend, path) = (&page.target, page.path.as_str());
        match is_healthy {
            true if is_news => log::info!(backend:%, path, status; "target is healthy"),
            false if is_news => {
                log::warn!(backend:%, path, status, reason; "target is not healthy")
            }
            _ => log::debug!(backend:%, path, status, reason; "target checked"),
        }
    }
}

/// Asks a page; its body is of no interest.
async fn ask(fetch: Rc<dyn Fetch>, page: Page, patience: Duration) -> Checked {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&page.host);
    headers.insert(
        header::HOST,
        host.unwrap_or(HeaderValue::from_static("localhost")),
    );
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let request = BackendRequest {
        target: page.target,
        method: Method::GET,
        uri: page.path,
        headers,
        body: BackendBody::Empty,
    };
    match actix::clock::timeout(patience, fetch.fetch(request, None)).await {
        Ok(Ok(response)) => Ok(response.status),
        Ok(Err(failure)) => Err(failure.error),
        Err(_) => Err(FetchError::AnswerTimeout),
    }
}

impl Actor for Checker {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.begin(context);
    }
}

impl Supervised for Checker {
    fn restarting(&mut self, context: &mut Self::Context) {
        self.under_way = 0;
        self.checks.on_restart();
        self.begin(context);
    }
}

impl Handler<EndChecks> for Checker {
    type Result = ();

    fn handle(&mut self, _: EndChecks, context: &mut Self::Context) {
        context.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        io,
        pin::Pin,
        task::{Context as TaskContext, Poll},
    };

    use http_body::Frame;

    use super::*;
    use crate::{
        actors::{
            broker::BrokerOptions,
            ports::{BackendResponse, FetchFailure, Fetching, Informational, Promise, Upgrade},
        },
        engine::{
            balance::CheckState,
            route::{Route, Target},
        },
    };

    struct Nothing;

    impl http_body::Body for Nothing {
        type Data = bytes::Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut TaskContext<'_>,
        ) -> Poll<Option<io::Result<Frame<bytes::Bytes>>>> {
            Poll::Ready(None)
        }
    }

    /// Answers from the pages of `well`, and panics once for those of `odd`.
    #[derive(Default)]
    struct Pages(RefCell<Vec<String>>);

    impl Fetch for Pages {
        fn connecting_within(&self, _: Duration) -> Rc<dyn Fetch> {
            unreachable!("nobody asks")
        }

        fn fetch(&self, request: BackendRequest, _: Option<Informational>) -> Fetching {
            let host = request.headers[header::HOST].to_str().expect("a host");
            self.0.borrow_mut().push(host.to_owned());
            let is_first = self
                .0
                .borrow()
                .iter()
                .filter(|other| *other == host)
                .count()
                == 1;
            assert!(!(host == "odd" && is_first), "an odd one");
            let answer = match host {
                "well" | "odd" => Ok(BackendResponse {
                    status: 200,
                    reason: None,
                    headers: HeaderMap::new(),
                    body: Box::pin(Nothing),
                    ticket: None,
                }),
                target => Err(FetchFailure {
                    error: FetchError::ConnectRefused {
                        target: target.to_owned(),
                    },
                    unsent: None,
                }),
            };
            Box::pin(std::future::ready(answer))
        }

        fn upgrade(&self, _: BackendRequest) -> Promise<Result<Upgrade, FetchFailure>> {
            unreachable!("nobody asks")
        }
    }

    fn options(hosts: &[&str]) -> (BrokerOptions, Vec<Arc<Check>>) {
        let second = Duration::from_secs(1);
        let (mut route, mut checks) = (Route::new("*"), Vec::new());
        for host in hosts {
            let check = Arc::new(Check::new("/", second, second));
            let mut target = Target::http(host, 80);
            target.health = Some(check.clone());
            route.targets.push(target);
            checks.push(check);
        }
        let table = RouteTable::new(vec![route]).expect("routes");
        (BrokerOptions::default().routes(table), checks)
    }

    async fn some_ticks() {
        actix::clock::sleep(TICK * 3).await;
    }

    #[actix_rt::test]
    async fn it_follows_the_routes_and_outlives_a_panic() {
        let (first, checks) = options(&["well", "ill"]);
        let broker = Broker::start(first).await.expect("a broker");
        tokio::time::pause();
        let pages = Rc::<Pages>::default();
        let checker = Checker::start(&broker, pages.clone());
        some_ticks().await;
        let states = |checks: &[Arc<Check>]| -> Vec<_> {
            checks.iter().map(|check| check.state()).collect()
        };
        let (healthy, unhealthy) = (CheckState::Healthy, CheckState::Unhealthy);
        assert_eq!(states(&checks), [healthy, unhealthy]);

        let (second, checks) = options(&["odd", "well"]);
        broker.replace_options(second);
        some_ticks().await;
        assert_eq!(states(&checks), [healthy, healthy]);
        assert_eq!(broker.crashes().checker.panics(), 1);
        let asked = pages.0.take();
        assert_eq!(
            asked.iter().filter(|host| *host == "ill").count() as u64,
            broker.health_failures().load(Ordering::Relaxed)
        );

        some_ticks().await;
        assert!(
            !pages.0.take().contains(&"ill".to_owned()),
            "its route is gone"
        );
        checker.send(EndChecks).await.expect("it is there");
        some_ticks().await;
        assert_eq!(pages.0.take().len(), 0);
    }
}

//! When which health page is asked, and what its answers mean for the targets that have it.
//!
//! ```text
//! on_routes ─▶ pages, by target, Host and path ─▶ take_due ─▶ asked ─▶ on_result ─▶ Check::set
//! ```
//!
//! A page is known by what is asked, not by its place in the routes: two routes with the same one ask it
//! once, and what it said outlives a reload. It asks nothing itself.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Check, CheckState};
use crate::engine::route::{Route, Target, TargetKind};

/// Names one health page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// Whose it is.
    pub target: TargetKind,
    /// The `Host` it is asked with.
    pub host: String,
    /// Its path and query.
    pub path: String,
}

impl Page {
    fn of(route: &Route, target: &Target, check: &Check) -> Self {
        let configured = target.host.as_ref().or(route.as_host.as_ref());
        let own = || match &target.kind {
            TargetKind::Server(server) => server.own_host(),
            TargetKind::Zhttpreq(_) | TargetKind::Test | TargetKind::Demo => "localhost".to_owned(),
        };
        Self {
            target: target.kind.clone(),
            host: configured.cloned().unwrap_or_else(own),
            path: check.path.clone(),
        }
    }
}

/// Follows the health pages of all routes.
#[derive(Debug, Default)]
pub struct Checks {
    pages: HashMap<Page, Known>,
}

#[derive(Debug)]
struct Known {
    state: CheckState,
    due: Instant,
    is_under_way: bool,
    interval: Duration,
    timeout: Duration,
    /// Who is told.
    checks: Vec<Arc<Check>>,
}

impl Checks {
    /// Takes the routes as they are from now on; a page that is new is due at once.
    pub fn on_routes(&mut self, routes: &[Arc<Route>], now: Instant) {
        self.pages
            .values_mut()
            .for_each(|known| known.checks.clear());
        for route in routes {
            for target in &route.targets {
                if let Some(check) = &target.health {
                    self.add(Page::of(route, target, check), check, now);
                }
            }
        }
        self.pages.retain(|_, known| !known.checks.is_empty());
    }

    fn add(&mut self, page: Page, check: &Arc<Check>, now: Instant) {
        let known = self.pages.entry(page).or_insert_with(|| Known {
            state: CheckState::Unknown,
            due: now,
            is_under_way: false,
            interval: check.interval,
            timeout: check.timeout,
            checks: Vec::new(),
        });
        if known.checks.is_empty() {
            (known.interval, known.timeout) = (check.interval, check.timeout);
        } else {
            // Whoever wants to know sooner is told so, and the others too.
            known.interval = known.interval.min(check.interval);
            known.timeout = known.timeout.min(check.timeout);
        }
        check.set(known.state);
        known.checks.push(check.clone());
    }

    /// Takes up to so many pages that are due, those that have waited longest first, each with the time
    /// its answer may take.
    pub fn take_due(&mut self, now: Instant, max: usize) -> Vec<(Page, Duration)> {
        let is_due = |known: &Known| known.due <= now && !known.is_under_way;
        let due = self.pages.iter().filter(|(_, known)| is_due(known));
        let mut due: Vec<_> = due.map(|(page, known)| (known.due, page.clone())).collect();
        due.sort_by_key(|(due, _)| *due);
        due.truncate(max);
        let mut taken = Vec::with_capacity(due.len());
        for (_, page) in due {
            if let Some(known) = self.pages.get_mut(&page) {
                known.is_under_way = true;
                known.due = now + known.interval;
                taken.push((page, known.timeout));
            }
        }
        taken
    }

    /// Takes what a page said; returns whether it said something else before.
    pub fn on_result(&mut self, page: &Page, is_healthy: bool) -> bool {
        let Some(known) = self.pages.get_mut(page) else {
            return false;
        };
        let state = match is_healthy {
            true => CheckState::Healthy,
            false => CheckState::Unhealthy,
        };
        known.is_under_way = false;
        known.checks.iter().for_each(|check| check.set(state));
        std::mem::replace(&mut known.state, state) != state
    }

    /// Notes that nobody waits for answers any more, such as after a crash.
    pub fn on_restart(&mut self) {
        self.pages
            .values_mut()
            .for_each(|known| known.is_under_way = false);
    }

    /// Returns how many pages there are.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn route(targets: &[(&str, u64)]) -> Arc<Route> {
        let mut route = Route::new("*");
        for (host, interval) in targets {
            let mut target = Target::http(host, 80);
            target.health = Some(Arc::new(Check::new("/up", SEC * *interval as u32, SEC)));
            route.targets.push(target);
        }
        Arc::new(route)
    }

    fn state(route: &Route, at: usize) -> CheckState {
        route.targets[at].health.as_ref().expect("a check").state()
    }

    fn hosts(due: &[(Page, Duration)]) -> Vec<&str> {
        let mut hosts: Vec<_> = due.iter().map(|(page, _)| page.host.as_str()).collect();
        hosts.sort_unstable();
        hosts
    }

    #[test]
    fn each_page_is_asked_in_its_interval_and_not_while_it_is_being_asked() {
        let now = Instant::now();
        let mut checks = Checks::default();
        checks.on_routes(&[route(&[("a", 2), ("b", 3)])], now);
        let first = checks.take_due(now, 9);
        assert_eq!(hosts(&first), ["a", "b"]);
        assert_eq!(checks.take_due(now + SEC * 9, 9), []);
        first.iter().for_each(|(page, _)| {
            checks.on_result(page, true);
        });
        assert_eq!(checks.take_due(now + SEC, 9), []);
        assert_eq!(hosts(&checks.take_due(now + SEC * 2, 9)), ["a"]);
        assert_eq!(checks.take_due(now + SEC * 2, 9), []);
        checks.on_restart();
        assert_eq!(
            hosts(&checks.take_due(now + SEC * 4, 1)),
            ["b"],
            "the longest due"
        );
        assert_eq!(hosts(&checks.take_due(now + SEC * 4, 1)), ["a"]);
    }

    #[test]
    fn a_page_of_two_routes_is_asked_once_and_both_are_told() {
        let now = Instant::now();
        let (one, two) = (route(&[("a", 9)]), route(&[("b", 9), ("a", 2)]));
        let mut checks = Checks::default();
        checks.on_routes(&[one.clone(), two.clone()], now);
        assert_eq!(checks.len(), 2);
        let due = checks.take_due(now, 9);
        let (page, _) = due.iter().find(|(page, _)| page.host == "a").expect("due");
        assert!(checks.on_result(page, false), "it is new");
        assert!(!checks.on_result(page, false));
        assert_eq!(state(&one, 0), CheckState::Unhealthy);
        assert_eq!(state(&two, 1), CheckState::Unhealthy);
        assert_eq!(state(&two, 0), CheckState::Unknown);
        assert!(checks.on_result(page, true));
        assert_eq!(state(&one, 0), CheckState::Healthy);
        assert_eq!(
            hosts(&checks.take_due(now + SEC * 2, 9)),
            ["a"],
            "as the shorter says"
        );
    }

    #[test]
    fn what_is_known_of_a_page_outlives_a_reload_and_ends_with_its_last_route() {
        let now = Instant::now();
        let mut checks = Checks::default();
        checks.on_routes(&[route(&[("a", 1), ("b", 1)])], now);
        for (page, _) in checks.take_due(now, 9) {
            checks.on_result(&page, false);
        }
        let reloaded = route(&[("c", 1), ("a", 1)]);
        checks.on_routes(std::slice::from_ref(&reloaded), now);
        assert_eq!(state(&reloaded, 1), CheckState::Unhealthy);
        assert_eq!(state(&reloaded, 0), CheckState::Unknown);
        assert_eq!(hosts(&checks.take_due(now, 9)), ["c"]);
        checks.on_routes(&[], now);
        assert!(checks.is_empty());
        let page = Page {
            target: TargetKind::Test,
            host: String::new(),
            path: String::new(),
        };
        assert!(!checks.on_result(&page, true), "its route is gone");
    }
}

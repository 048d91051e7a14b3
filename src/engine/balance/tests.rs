//! Tests of orders, ejection and what a check says; whole worlds are in `simulation`.

use super::*;
use std::time::{Duration, Instant};

mod simulation;

const LIMITS: EjectionLimits = EjectionLimits {
    after: 3,
    first: Duration::from_secs(4),
    max: Duration::from_secs(10),
};

fn candidates(written: &[(u32, bool)]) -> Vec<Candidate> {
    let candidate = |(under_way, is_out): &(u32, bool)| Candidate {
        under_way: *under_way,
        is_out: *is_out,
    };
    written.iter().map(candidate).collect()
}

/// An order, what is known, and the positions of three choices in a row.
type Row<'a> = (Order, &'a [Candidate], [&'a [usize]; 3]);

#[test]
fn each_order_puts_those_in_service_first() {
    let idle = candidates(&[(0, false), (0, false), (0, false)]);
    let one_out = candidates(&[(0, true), (0, false), (0, false)]);
    let busy = candidates(&[(3, false), (1, false), (2, false)]);
    let all_out = candidates(&[(0, true), (0, true), (0, true)]);
    #[rustfmt::skip]
    let table: [Row; 9] = [
        (Order::First, &idle, [&[0, 1, 2], &[0, 1, 2], &[0, 1, 2]]),
        (Order::First, &one_out, [&[1, 2, 0], &[1, 2, 0], &[1, 2, 0]]),
        (Order::First, &all_out, [&[0, 1, 2], &[0, 1, 2], &[0, 1, 2]]),
        (Order::RoundRobin, &idle, [&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]),
        (Order::RoundRobin, &one_out, [&[1, 2, 0], &[2, 1, 0], &[1, 2, 0]]),
        (Order::RoundRobin, &all_out, [&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]),
        (Order::LeastRequests, &idle, [&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]),
        (Order::LeastRequests, &busy, [&[1, 2, 0], &[1, 2, 0], &[1, 2, 0]]),
        (Order::RoundRobin, &busy, [&[0, 1, 2], &[1, 2, 0], &[2, 0, 1]]),
    ];
    for (order, candidates, expected) in table {
        let mut rotation = Rotation::default();
        for expected in expected {
            assert_eq!(rotation.order(order, candidates), expected, "{order:?}");
        }
    }
    assert!(Rotation::default().order(Order::RoundRobin, &[]).is_empty());
}

#[test]
fn failures_in_a_row_eject_for_longer_and_longer_and_an_answer_brings_back() {
    let mut now = Instant::now();
    let mut health = Health::default();
    let fail =
        |health: &mut Health, trial: Option<Trial>, now| health.on_failure(trial, now, LIMITS, 0.0);
    assert_eq!(fail(&mut health, None, now), None);
    assert_eq!(fail(&mut health, None, now), None);
    assert!(!health.on_answer(), "an answer ends the row");
    for _ in 0..2 {
        assert_eq!(fail(&mut health, None, now), None);
    }
    for pause in [4, 8, 10, 10] {
        let pause = Duration::from_secs(pause);
        let trial = health.begin(now);
        assert_eq!(fail(&mut health, trial, now), Some(pause));
        assert_eq!(health.standing(now), Standing::Ejected);
        assert_eq!(health.begin(now), None, "tried for want of another");
        assert_eq!(
            fail(&mut health, None, now),
            None,
            "that makes it no longer"
        );
        now += pause;
        assert_eq!(health.standing(now), Standing::OnTrial);
    }
    let left = health.begin(now);
    assert!(left.is_some());
    assert_eq!(health.standing(now), Standing::Ejected, "one trial only");
    health.on_undecided(None);
    assert_eq!(health.standing(now), Standing::Ejected, "another's end");
    health.on_undecided(left);
    assert_eq!(health.standing(now), Standing::OnTrial);
    assert!(health.begin(now).is_some());
    assert_eq!(fail(&mut health, left, now), None, "that trial is over");
    assert!(health.on_answer());
    assert_eq!(health.standing(now), Standing::InService);
    assert_eq!(health.failures(), 0);
}

#[test]
fn chance_shortens_a_pause_by_up_to_a_quarter() {
    for (chance, expected) in [(0.0, 4_000), (0.5, 3_500), (1.0, 3_000), (7.0, 3_000)] {
        let mut health = Health::default();
        let limits = EjectionLimits { after: 1, ..LIMITS };
        let pause = health.on_failure(None, Instant::now(), limits, chance);
        assert_eq!(pause, Some(Duration::from_millis(expected)));
    }
}

#[test]
fn without_a_limit_nothing_is_ejected() {
    let (now, mut health) = (Instant::now(), Health::default());
    let limits = EjectionLimits { after: 0, ..LIMITS };
    for _ in 0..100 {
        assert_eq!(health.on_failure(None, now, limits, 0.0), None);
        assert_eq!(health.standing(now), Standing::InService);
    }
    let limits = EjectionLimits {
        after: 1,
        first: Duration::from_secs(60),
        max: Duration::from_secs(10),
    };
    let pause = health.on_failure(None, now, limits, 0.0);
    assert_eq!(pause, Some(limits.max), "the bound holds for the first too");
}

#[test]
fn a_target_counts_as_healthy_until_a_check_says_otherwise() {
    let check = Check::new("/up", Duration::from_secs(1), Duration::from_secs(1));
    assert_eq!(check.state(), CheckState::Unknown);
    for state in [
        CheckState::Unhealthy,
        CheckState::Healthy,
        CheckState::Unknown,
    ] {
        check.set(state);
        assert_eq!(check.state(), state);
    }
    for (status, passes) in [
        (199, false),
        (200, true),
        (399, true),
        (400, false),
        (503, false),
    ] {
        assert_eq!(Check::is_passed_by(status), passes, "{status}");
    }
}

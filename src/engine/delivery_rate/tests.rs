//! Tests of the pace, of weights, and of what waits.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::engine::fan_out::SessionKey;
use crate::grip::publish::parse_item;

/// When each of the first `count` deliveries of weight 1 leaves, if all are there at once.
fn departures(pace: &mut Pace, start: Instant, count: usize) -> Vec<Duration> {
    let mut now = start;
    let mut times = Vec::new();
    while times.len() < count {
        match pace.take(now, 1) {
            Ok(()) => times.push(now - start),
            Err(next) => {
                assert!(next > now, "time goes on");
                now = next;
            }
        }
    }
    times
}

#[test]
fn the_first_batch_leaves_at_once_and_the_others_in_even_steps() {
    for (per_sec, batch, step) in [
        (1, 1, Duration::from_secs(1)),
        (4, 1, Duration::from_millis(250)),
        (40, 1, Duration::from_millis(25)),
        (80, 2, Duration::from_millis(25)),
        (2_000, 50, Duration::from_millis(25)),
        (1_000_000, 25_000, Duration::from_millis(25)),
    ] {
        let times = departures(&mut Pace::new(per_sec), Instant::now(), batch * 4);
        for (number, at) in times.iter().enumerate() {
            assert_eq!(
                *at,
                step * (number / batch) as u32,
                "{number} at {per_sec}/s"
            );
        }
    }
}

#[test]
fn any_rate_is_kept_over_time() {
    for per_sec in [1, 3, 7, 39, 40, 41, 99, 100, 2_500, 12_345] {
        let secs = 10;
        let mut pace = Pace::new(per_sec);
        let count = (per_sec * secs + 1) as usize;
        let last = *departures(&mut pace, Instant::now(), count).last().unwrap();
        let ideal = Duration::from_secs(u64::from(secs));
        let off = ideal.abs_diff(last);
        assert!(
            off <= Duration::from_millis(50),
            "{per_sec}/s: {count} took {last:?}"
        );
    }
}

#[test]
fn a_late_timer_keeps_the_rate() {
    let start = Instant::now();
    let mut pace = Pace::new(1_000);
    let mut now = start;
    let mut left = 0;
    while now - start < Duration::from_secs(10) {
        while pace.take(now, 1).is_ok() {
            left += 1;
        }
        now = pace.take(now, 1).unwrap_err() + Duration::from_millis(3);
    }
    assert!((9_950..=10_025).contains(&left), "{left}");
}

#[test]
fn idle_time_saves_up_nothing() {
    let start = Instant::now();
    let mut pace = Pace::new(400);
    let batch = |pace: &mut Pace, at| (0..).take_while(|_| pace.take(at, 1).is_ok()).count();
    assert_eq!(batch(&mut pace, start), 10);
    let later = start + Duration::from_secs(60);
    assert_eq!(batch(&mut pace, later), 10);
    assert_eq!(batch(&mut pace, later + Duration::from_millis(24)), 0);
    assert_eq!(batch(&mut pace, later + Duration::from_millis(25)), 10);
}

#[test]
fn a_heavy_delivery_is_paid_by_the_batches_behind_it() {
    let start = Instant::now();
    let mut pace = Pace::new(400);
    assert_eq!(pace.take(start, 35), Ok(()));
    let mut now = start;
    while let Err(next) = pace.take(now, 1) {
        now = next;
    }
    assert_eq!(
        now - start,
        Duration::from_millis(75),
        "10 left of 4 batches, less 35"
    );
    let mut pace = Pace::new(400);
    assert_eq!(pace.take(start, 35), Ok(()));
    assert_eq!(
        pace.take(start + Duration::from_secs(1), 1),
        Ok(()),
        "paid while idle"
    );
    assert_eq!(pace.take(start + Duration::from_secs(1), u64::MAX), Ok(()));
    assert!(pace.take(start + Duration::from_secs(2), 1).is_err());
}

#[test]
fn weights_are_blocks_of_the_size_or_the_content() {
    let item = |fields: serde_json::Value| {
        let mut item = json!({"channel": "c", "formats": {
            "http-response": {"body": "x".repeat(250)}, "http-stream": {"content": "x".repeat(100)}}});
        for (name, value) in fields.as_object().unwrap() {
            item[name] = value.clone();
        }
        parse_item(item).unwrap()
    };
    let patch = json!({"formats": {"http-response": {"body-patch": []},
        "http-stream": {"action": "close"}}});
    for (block_size, fields, response, stream) in [
        (0, json!({}), 1, 1),
        (0, json!({"size": 1_000}), 1, 1),
        (100, json!({}), 3, 1),
        (99, json!({}), 3, 2),
        (1, json!({}), 250, 100),
        (100, json!({"size": 1_000}), 10, 10),
        (100, json!({"size": 0}), 1, 1),
        (100, patch, 1, 1),
    ] {
        let limits = RateLimits {
            block_size,
            ..RateLimits::default()
        };
        let item = item(fields);
        assert_eq!(
            limits.weight(|| response_size(&item)),
            response,
            "{block_size} {item:?}"
        );
        assert_eq!(
            limits.weight(|| stream_size(&item)),
            stream,
            "{block_size} {item:?}"
        );
    }
    assert_eq!(RateLimits::default().high_water_mark(), 1_000_000);
}

fn delivery<T>(key: u32, what: T) -> Delivery<T> {
    let (key, weight) = (SessionKey(key), 1);
    Delivery { key, weight, what }
}

#[test]
fn queues_are_served_in_turn() {
    let mut waiting = Waiting::default();
    for (queue, key, what) in [
        (0, 1, "a1"),
        (0, 2, "a2"),
        (0, 1, "a3"),
        (2, 3, "b1"),
        (1, 4, "c1"),
    ] {
        waiting.push(QueueIndex(queue), delivery(key, what));
    }
    waiting.push(QueueIndex(2), delivery(3, "b2"));
    let order: Vec<_> = std::iter::from_fn(|| waiting.pop().map(|(_, next)| next.what)).collect();
    assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
    assert!(waiting.is_empty() && waiting.next_weight().is_none());
}

#[test]
fn a_session_that_ends_takes_its_own_along() {
    let mut waiting = Waiting::default();
    let shared = Bytes::from(vec![0; 8]);
    for key in [1, 2, 1] {
        waiting.push(QueueIndex(0), delivery(key, shared.clone()));
    }
    assert_eq!(waiting.of(QueueIndex(0), SessionKey(1)).count(), 2);
    assert_eq!(waiting.leave(QueueIndex(0), SessionKey(1)).len(), 2);
    assert_eq!(waiting.of(QueueIndex(0), SessionKey(1)).count(), 0);
    assert!(waiting.leave(QueueIndex(0), SessionKey(1)).is_empty());
    assert!(waiting.leave(QueueIndex(7), SessionKey(9)).is_empty());
    assert_eq!(waiting.pop().map(|(_, next)| next.key), Some(SessionKey(2)));
    assert!(waiting.is_empty());
    assert!(shared.is_unique(), "nothing holds on to what nobody gets");
}

/// Random pushes, pops and ends; whatever leaves is in the order of its session.
#[test]
fn order_is_kept_and_weights_add_up_whatever_happens() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut waiting = Waiting::default();
        let mut weights = [0_u64; 4];
        let mut last: HashMap<SessionKey, u64> = HashMap::new();
        for number in 0..400_u64 {
            let key = SessionKey(random.u32(0..12));
            let queue = QueueIndex((key.0 % 4) as u16);
            match random.u8(0..10) {
                0..6 => {
                    let weight = random.u64(1..5);
                    weights[usize::from(queue.0)] += weight;
                    let what = number;
                    waiting.push(queue, Delivery { key, weight, what });
                }
                6..9 => {
                    let expected = waiting.next_weight();
                    let popped = waiting.pop();
                    assert_eq!(expected, popped.as_ref().map(|(_, next)| next.weight));
                    if let Some((queue, next)) = popped {
                        weights[usize::from(queue.0)] -= next.weight;
                        let before = last.insert(next.key, next.what);
                        assert!(
                            before.is_none_or(|before| before < next.what),
                            "seed {seed}"
                        );
                    }
                }
                _ => {
                    let left = waiting.leave(queue, key);
                    let weight: u64 = left.iter().map(|delivery| delivery.weight).sum();
                    weights[usize::from(queue.0)] -= weight;
                }
            }
            for (queue, weight) in waiting.weights() {
                assert_eq!(weight, weights[usize::from(queue.0)], "seed {seed}");
            }
        }
    }
}

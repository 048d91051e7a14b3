//! What a fresh handler waits for, and a seeded run of lost and fresh handlers with their workers.

use super::*;

mod simulation;

fn id(text: &str) -> Option<ItemId> {
    Some(ItemId::from(text))
}

#[test]
fn the_wait_ends_when_everybody_has_announced() {
    let now = Instant::now();
    let mut handover = Handover::new(now);
    assert!(!handover.is_over(now), "nobody has been named yet");
    handover.on_announced(2);
    handover.on_expected([1, 2, 3]);
    assert!(!handover.is_over(now));
    handover.on_announced(3);
    assert_eq!(handover.missing(), [1]);
    handover.on_announced(1);
    assert!(handover.is_over(now));
}

#[test]
fn the_wait_ends_after_a_second_whoever_is_missing() {
    let now = Instant::now();
    let mut handover = Handover::new(now);
    assert_eq!(handover.deadline(), now + WAIT);
    assert!(handover.is_over(now + WAIT), "nobody was named");
    handover.on_expected([1]);
    assert!(!handover.is_over(now + WAIT / 2));
    assert!(handover.is_over(now + WAIT));
    assert_eq!(handover.missing(), [1]);
}

#[test]
fn without_workers_there_is_nobody_to_wait_for() {
    let now = Instant::now();
    let mut handover = Handover::new(now);
    handover.on_expected([]);
    assert!(handover.is_over(now));
}

#[test]
fn a_last_id_is_believed_as_long_as_nobody_contradicts() {
    let mut handover = Handover::new(Instant::now());
    let channel = ChannelName::new("a");
    let one = id("1");
    let told = handover.on_last(&channel, None, one.clone());
    assert_eq!(told, Last::Take(one.clone()));
    let told = handover.on_last(&channel, Some(one.as_ref()), one.clone());
    assert_eq!(told, Last::Keep);
    let told = handover.on_last(&channel, Some(one.as_ref()), id("2"));
    assert_eq!(told, Last::Forget);
    let told = handover.on_last(&channel, Some(None), id("2"));
    assert_eq!(told, Last::Keep, "nobody is believed any more");
}

#[test]
fn what_is_held_is_bounded_unless_it_is_alone() {
    let mut handover = Handover::new(Instant::now());
    assert!(handover.on_publish(50, 10));
    assert!(!handover.on_publish(1, 10));
    let mut handover = Handover::new(Instant::now());
    assert!(handover.on_publish(9, 10));
    assert!(!handover.on_publish(2, 10));
    assert!(handover.on_publish(1, 10));
}

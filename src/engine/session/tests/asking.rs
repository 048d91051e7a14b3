//! When the backend is asked, what its answer means, and what waits for it.

use super::*;

#[test]
fn an_item_that_does_not_follow_waits_for_the_answer() {
    for (answered, left) in [
        ("4", &["append 5", "append 6"][..]),
        ("5", &["supersede 1", "append 6"]),
        ("6", &["supersede 2"]),
    ] {
        let mut run = Run::stream(&[("a", "3"), ("b", "")]);
        run.begin(false, &[], &[]);
        assert!(run.items(&["a:5<4", "a:6<5", "b:1"]).is_empty());
        assert_eq!(run.wait(100), ["turn"]);
        assert_eq!(run.turn(), ["ask /next a=3"]);
        let expected = [&["body x"], left, &["append 1"]].concat();
        assert_eq!(run.answer("x", &[("a", answered), ("b", "")]), expected);
    }
}

#[test]
fn what_does_not_follow_the_answer_is_doubted_and_then_given_up() {
    let mut run = Run::asking(&[("a", "3")]);
    assert!(run.item("a:7<6").is_empty());
    assert!(run.answer("", &[("a", "5")]).is_empty());
    assert_eq!(run.wait(100), ["turn"]);
    assert_eq!(run.turn(), ["ask /next a=5"]);
    assert_eq!(run.answer("", &[("a", "9")]), ["supersede 1"]);
    assert_eq!(run.item("a:10<9"), ["append 10"]);

    let mut run = Run::asking(&[("a", "3")]);
    run.item("a:7<6");
    run.answer("", &[("a", "5")]);
    assert_eq!(
        run.item("a:6<5"),
        ["append 6", "append 7"],
        "it followed after all"
    );
    assert!(run.wait(100).is_empty());
    assert!(run.turn().is_empty(), "a turn too late is not needed");
}

#[test]
fn without_a_gap_items_go_on_until_the_backend_is_asked_and_unchecked_ones_then_too() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    assert!(run.refresh().is_empty());
    assert_eq!(run.item("a:4<3"), ["append 4"]);
    assert_eq!(run.wait(100), ["turn"]);
    assert_eq!(run.item("a:5<4"), ["append 5"]);
    assert_eq!(run.turn(), ["ask /next a=5"]);
    assert!(run.items(&["a:6<5", "a:7<6"]).is_empty());
    assert_eq!(
        run.answer("6", &[("a", "6")]),
        ["body 6", "supersede 1", "append 7"]
    );

    let mut unchecked = Run::asking(&[("a", "")]);
    assert_eq!(unchecked.item("a:4"), ["append 4"]);
    unchecked.session.on_answer_begun();
    assert!(unchecked.item("a:5").is_empty(), "nothing comes in between");
    assert_eq!(unchecked.answer("", &[("a", "")]), ["append 5"]);
}

#[test]
fn items_of_a_channel_that_an_answer_brings_wait_for_it() {
    let mut run = Run::asking(&[("a", "")]);
    assert!(run.items(&["b:8<7", "a:1"]).is_empty());
    let answered = run.answer("b", &[("a", ""), ("b", "7")]);
    assert_eq!(answered, ["body b", "append 8", "append 1"]);
    let mut run = Run::asking(&[("a", ""), ("b", "7")]);
    assert!(run.item("b:8<7").is_empty());
    assert_eq!(run.answer("", &[("a", "")]), ["supersede 1"], "b was left");
    assert_eq!(run.item("b:9<8"), ["supersede 1"]);
}

#[test]
fn a_wish_outlives_a_gap_that_closes_by_itself() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    run.refresh();
    assert_eq!(run.items(&["a:5<4", "a:4<3"]), ["append 4", "append 5"]);
    assert_eq!(run.wait(100), ["turn"]);
}

#[test]
fn conflicts_of_new_channels_are_asked_about_after_a_while() {
    let mut run = Run::asking(&[("a", "3")]);
    let Terms {
        prev_ids,
        filtering,
        ..
    } = terms(&[("a", "3"), ("b", "7")], &[]);
    let answered = run.answer_with(LinkAnswer {
        is_hold: true,
        body: Bytes::new(),
        prev_ids,
        filtering,
        keep_alive: None,
        next: Some(link()),
        conflicts: vec![ChannelName::from("b")],
    });
    assert_eq!(answered, ["forget b"]);
    assert!(run.item("a:4<3").is_empty(), "b has a gap");
    assert_eq!(run.wait(100), ["turn"]);
}

#[test]
fn an_answer_that_checks_without_a_link_ends_the_stream() {
    for (prev_id, expected) in [("4", &["finish NoNextLink"][..]), ("", &[])] {
        let mut run = Run::asking(&[("a", "3")]);
        let Terms {
            prev_ids,
            filtering,
            ..
        } = terms(&[("a", prev_id)], &[]);
        let answered = run.answer_with(LinkAnswer {
            is_hold: true,
            body: Bytes::new(),
            prev_ids,
            filtering,
            keep_alive: None,
            next: None,
            conflicts: Vec::new(),
        });
        assert_eq!(answered, expected);
        assert!(run.refresh().is_empty() && run.wait(60_000).is_empty());
    }
}

#[test]
fn a_link_is_asked_after_its_time_if_a_channel_was_silent() {
    let mut run = Run::stream(&[("a", "3"), ("b", "")]);
    run.begin(false, &[], &[]);
    run.items(&["a:4<3", "b:1"]);
    assert!(run.wait(10_000).is_empty() && run.wait(100).is_empty());
    run.item("a:5<4");
    assert!(run.wait(9_900).is_empty());
    assert_eq!(run.wait(100), ["turn"], "b was silent");
}

#[test]
fn failures_are_repeated_with_growing_pauses_and_the_sixth_ends_the_stream() {
    let mut run = Run::asking(&[("a", "3")]);
    for ms in [1_000, 2_000, 4_000, 8_000, 16_000] {
        assert!(run.item("a:3<2").is_empty(), "items wait while it is asked");
        assert_eq!(run.fail(), ["supersede 1"], "and go on while it is not");
        let mut waited = run.wait(ms - 1);
        waited.extend(run.wait(1));
        assert_eq!(waited, ["turn"]);
        assert_eq!(run.turn(), ["ask /next a=3"]);
    }
    assert_eq!(run.fail(), ["finish LinkFailed"]);
    assert!(run.fail().is_empty());
}

#[test]
fn a_gap_stays_open_over_a_failure_unless_it_has_closed_meanwhile() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    run.item("a:5<4");
    run.wait(100);
    run.turn();
    assert!(run.fail().is_empty());
    assert_eq!(run.item("a:4<3"), ["append 4", "append 5"]);
    assert!(
        run.wait(1_000).is_empty(),
        "there is nothing to ask any more"
    );

    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    run.item("a:5<4");
    run.wait(100);
    run.turn();
    assert!(run.item("a:4<3").is_empty(), "it is being asked");
    assert_eq!(run.fail(), ["append 4", "append 5"]);
}

#[test]
fn no_more_items_wait_than_may_and_the_backend_is_asked_for_the_others() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    let lines = run.items(&["a:5<4", "a:6<5", "a:7<6", "a:8<7"]);
    assert_eq!(lines, ["skip 8 QueueFull"]);
    assert_eq!(run.item("a:4<3"), ["skip 4 QueueFull"]);
    assert_eq!(run.wait(100), ["turn"]);
    run.turn();
    assert_eq!(run.item("a:9<8"), ["skip 9 QueueFull"]);
    assert_eq!(run.answer("4", &[("a", "4")]), ["body 4"]);
    assert_eq!(run.wait(100), ["turn"], "9 is missing, whatever follows");
    run.turn();
    assert_eq!(
        run.answer("567", &[("a", "9")]),
        ["body 567", "supersede 3"]
    );
}

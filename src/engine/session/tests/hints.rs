//! Hints: the backend speaks, and speaks first.

use super::*;

#[test]
fn a_hint_asks_at_once_and_what_comes_behind_it_waits() {
    for (prev_id, hint, expected) in [
        ("", "a: hint", &["turn"][..]),
        ("3", "a:4<3 hint", &["turn"]),
        ("3", "a: hint", &["supersede 1", "turn"]),
        ("3", "a:9<8 hint", &["supersede 1", "turn"]),
    ] {
        let mut stream = Run::stream(&[("a", prev_id)]);
        stream.begin(false, &[], &[]);
        assert_eq!(stream.item(hint), expected, "{hint}");
        assert!(stream.item("a:5<4").is_empty(), "{hint}");
        assert!(stream.wait(1_000).is_empty(), "it has asked for its turn");
        assert!(stream.turn()[0].starts_with("ask /next"));
        let answered = stream.answer("4", &[("a", "4")]);
        assert_eq!(answered, ["body 4", "append 5"], "{hint}");

        let mut poll = Run::poll(&[("a", prev_id)]);
        poll.begin(false, &[], &[]);
        assert_eq!(poll.item(hint), expected, "{hint}");
        assert!(poll.item("a:5<4").is_empty(), "{hint}");
        assert!(poll.turn()[0].starts_with("ask "));
        assert_eq!(
            poll.session.into_waiting(),
            [item("a:5<4")],
            "for the next hold"
        );
    }
}

#[test]
fn a_hint_overtakes_what_waits_for_a_gap_and_no_item_closes_it_then() {
    let mut run = Run::stream(&[("a", "3")]);
    run.begin(false, &[], &[]);
    assert_eq!(run.items(&["a:5<4", "a: hint"]), ["supersede 1", "turn"]);
    assert!(
        run.item("a:4<3").is_empty(),
        "the backend is to speak first"
    );
    assert_eq!(run.turn(), ["ask /next a=3"]);
    assert_eq!(run.answer("", &[("a", "3")]), ["append 4", "append 5"]);
}

#[test]
fn a_hint_while_the_link_is_asked_has_it_asked_once_more() {
    let mut run = Run::asking(&[("a", "3")]);
    assert!(run.item("a:4<3 hint").is_empty());
    assert_eq!(run.answer("", &[("a", "3")]), ["turn"]);
}

#[test]
fn where_nobody_can_be_asked_a_hint_ends_a_long_poll_and_means_nothing_to_a_stream() {
    let mut poll = Run::poll_with(terms(&[("a", "")], &[]), false);
    poll.begin(false, &[], &[]);
    assert_eq!(poll.item("a: hint"), ["respond timeout"]);
    let mut stream = Run::with(terms(&[("a", "")], &[]), None);
    stream.begin(false, &[], &[]);
    assert_eq!(stream.items(&["a: hint", "a:5<4"]), ["append 5"]);
}

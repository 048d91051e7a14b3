//! Filters, those that ask the backend above all, and what suits a session.

use super::*;

fn checked(filters: &[&str]) -> Run {
    let mut run = Run::with(terms(&[("a", "3")], filters), Some(link()));
    run.begin(false, &[], &[]);
    run
}

#[test]
fn items_wait_in_order_behind_one_that_a_filter_asks_about() {
    let mut run = checked(&["http-check"]);
    assert_eq!(run.items(&["a:4<3", "a:5<4", "a:6<5"]), ["filter /check"]);
    assert_eq!(
        run.filtered(Ok((204, false))),
        ["append 4", "filter /check"]
    );
    assert_eq!(
        run.filtered(Ok((200, true))),
        ["skip 5 Filtered", "filter /check"]
    );
    assert_eq!(run.filtered(Ok((200, false))), ["append 6"]);
    assert!(run.filtered(Ok((200, false))).is_empty(), "nobody asked");
}

#[test]
fn an_item_that_cannot_be_filtered_does_not_move_the_id() {
    for failed in [Err("chance"), Ok((500, false))] {
        let mut run = checked(&["http-check"]);
        run.items(&["a:4<3", "a:5<4"]);
        assert_eq!(run.filtered(failed), ["skip 4 FilterError"]);
        assert_eq!(run.wait(100), ["turn"]);
        assert_eq!(run.turn(), ["ask /next a=3"]);
    }
}

#[test]
fn an_item_that_a_filter_drops_moves_the_id_on() {
    let mut run = checked(&["skip-self"]);
    assert_eq!(
        run.items(&["a:4<3 by=me", "a:5<4"]),
        ["skip 4 Filtered", "append 5"]
    );
}

#[test]
fn a_turn_that_comes_meanwhile_is_used_when_the_filter_is_through() {
    let mut run = checked(&["http-check"]);
    run.refresh();
    assert_eq!(run.wait(100), ["turn"]);
    assert_eq!(run.items(&["a:4<3", "a:5<4"]), ["filter /check"]);
    assert!(run.turn().is_empty());
    assert_eq!(
        run.filtered(Ok((200, false))),
        ["append 4", "ask /next a=4"]
    );
    assert_eq!(run.answer("", &[("a", "4")]), ["append 5"]);
    let mut poll = Run::poll_with(terms(&[("a", "")], &["http-check"]), true);
    poll.begin(false, &[], &[]);
    poll.refresh();
    poll.wait(100);
    poll.items(&["a:4", "a:5"]);
    assert!(poll.turn().is_empty());
    assert_eq!(
        poll.filtered(Ok((200, false))),
        ["respond 4", "supersede 1"]
    );
}

#[test]
fn no_filter_asks_about_an_item_while_the_link_may_bring_other_filters() {
    let mut run = Run::with(terms(&[("a", "")], &["http-check"]), Some(link()));
    run.begin(false, &[], &[]);
    run.refresh();
    run.wait(100);
    run.turn();
    assert!(run.item("a:4<3").is_empty());
    assert_eq!(
        run.answer("", &[("a", "")]),
        ["append 4"],
        "the new terms have no filter"
    );
}

#[test]
fn content_for_other_filters_is_skipped_without_moving_the_id() {
    let mut run = checked(&["skip-self"]);
    assert_eq!(run.item("a:4<3 for=build-id"), ["skip 4 ContentFilters"]);
    assert!(run.item("a:5<4").is_empty());
}

#[test]
fn a_patch_that_does_not_fit_has_the_backend_asked() {
    let mut run = Run::poll(&[("a", "3")]);
    run.begin(false, &[], &[]);
    assert_eq!(run.item("a:4<3 patch"), ["skip 4 Unpatchable", "turn"]);
    assert_eq!(run.turn(), ["ask  a=3"]);
    let mut alone = Run::poll_with(terms(&[("a", "3")], &[]), false);
    alone.begin(false, &[], &[]);
    assert_eq!(
        alone.item("a:4<3 patch"),
        ["skip 4 Unpatchable", "respond timeout"]
    );
}

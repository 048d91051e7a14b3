//! Items of sessions that look at each themselves.

use super::*;

/// A session with these filters on the channel `a`.
fn filtering(filters: &str, meta: &[(&str, &str)]) -> Run {
    filtering_on(route(), filters, meta)
}

fn filtering_on(route: Route, filters: &str, meta: &[(&str, &str)]) -> Run {
    let mut run = Run::new(terms(route), Backend::direct(), Instant::now());
    run.plays(&format!(
        "backend control subscribe channel=a filters={filters} >"
    ));
    for (name, value) in meta {
        run.plays(&format!(
            "backend control set-meta name={name} value={value} >"
        ));
    }
    run.begun()
}

fn checking() -> Run {
    filtering("http-check", &[("url", "/check")])
}

const NO_URL: &str = "http-check filter: subscription meta must have 'url', got none";
const STATUS: &str = "http-check filter: backend must answer 200 or 204, got 500";
const OTHERS: &str = "content-filters of an item are not those of the subscription";

#[test]
fn only_the_channel_with_a_filter_is_filtered() {
    let mut run = filtering("skip-self", &[("user", "me")]);
    assert!(run.session.is_attentive());
    run.plays(
        "item a 1 / by=me  > skip 1 Filtered
        item a 2 / by=you > item 2
        item own 3 / by=me > item 3
        item own p / ping > item p
        item own 4 / hint >",
    );
}

#[test]
fn filters_and_meta_change_while_it_runs() {
    let mut run = Run::direct();
    assert!(!run.session.is_attentive());
    run.plays(
        "backend control subscribe channel=a filters=var-subst > subscribe own a
        subscribed         >
        backend control set-meta name=user value=me >
        item a %(user)s    > item me
        backend control set-meta name=user value=you >
        item a %(user)s    > item you
        backend control subscribe channel=a > subscribe own a
        subscribed         >
        item a %(user)s    > item %(user)s",
    );
    assert!(!run.session.is_attentive());
    let mut run = filtering("skip-self", &[]);
    run.plays("backend control unsubscribe channel=a > subscribe own");
    assert!(!run.session.is_attentive());
}

#[test]
fn a_filter_that_asks_holds_up_what_is_behind_it_within_a_bound() {
    let mut run = checking();
    run.plays(
        "item a 1     > ask /check
        item own 2   >
        item a 3     >
        item a 4     > skip 4 QueueFull",
    );
    assert_eq!(run.session.in_hand(), 3);
    run.plays(
        "backend text m:x > client text x
        filtered 200     > item 1, item 2, ask /check
        item own 5       >
        filtered drop    > skip 3 Filtered, item 5
        filtered 200     >",
    );
    assert_eq!(run.session.in_hand(), 0);
}

#[test]
fn what_a_filter_is_answered_decides() {
    for (answer, becomes) in [
        ("200", "item 1".to_owned()),
        ("204", "item 1".to_owned()),
        ("drop", "skip 1 Filtered".to_owned()),
        ("500", format!("skip 1 {STATUS}")),
        (
            "nothing",
            "skip 1 http-check filter: no usable answer from the backend: nobody is there"
                .to_owned(),
        ),
    ] {
        let mut run = checking();
        run.plays("item a 1 > ask /check");
        assert_eq!(run.happens(&format!("filtered {answer}")), becomes);
    }
    let mut run = filtering("http-modify+var-subst", &[("url", "/m")]);
    run.plays("item a 1 > ask /m");
    run.plays("filtered 200 > item edited");
    let mut run = filtering("http-check+http-check", &[("url", "/m")]);
    run.plays("item a 1 > ask /m");
    run.plays("filtered 200 > ask /m");
    run.plays("filtered 200 > item 1");
}

#[test]
fn a_filter_that_fails_skips_and_closes_on_debug_routes() {
    let mut run = filtering("http-check", &[]);
    run.plays(&format!("item a 1 > skip 1 {NO_URL}"));
    run.plays("item own 2 > item 2");
    let mut run = filtering_on(debug_route(), "http-check", &[]);
    run.plays(&format!(
        "item a 1 > skip 1 {NO_URL}, deafen, client close 1011 {NO_URL}"
    ));
    run.plays("item own 2 >");
    let mut run = filtering_on(debug_route(), "http-check", &[("url", "/c")]);
    run.plays("item a 1 > ask /c");
    run.plays("item a 2 >");
    run.plays(&format!(
        "filtered 500 > skip 1 {STATUS}, deafen, client close 1011 {STATUS}"
    ));
    assert_eq!(run.session.in_hand(), 1, "it goes with the session");
}

#[test]
fn content_for_other_filters_is_skipped_and_closes_on_debug_routes() {
    let mut run = filtering("skip-self+var-subst", &[]);
    run.plays(
        "item a 1 / for=var-subst > item 1
        item a 2 / for=build-id  > skip 2 ContentFilters
        item own 3 / for=var-subst > skip 3 ContentFilters",
    );
    let mut run = Run::direct_on(debug_route());
    assert!(run.session.is_attentive());
    run.plays("item own 1 > item 1");
    run.plays(&format!(
        "item own 2 / for=var-subst > skip 2 ContentFilters, deafen, client close 1011 {OTHERS}"
    ));
}

#[test]
fn nothing_is_said_behind_a_close_when_a_filter_is_answered() {
    for (close, end) in [
        (
            "overflow",
            "client close 1013 > backend close 1013, end backend, finish",
        ),
        (
            "backend close 1000",
            "client close 1000 > backend close 1000, end backend, finish",
        ),
        (
            "client close 1000",
            "backend close 1000 > client close 1000, end backend, finish",
        ),
        ("drain", "client close 1001 > finish"),
    ] {
        let mut run = checking();
        run.plays("item a 1 > ask /check");
        run.plays("item own 2 >");
        assert!(!run.happens(close).is_empty());
        run.plays("filtered 200 >");
        run.plays("filtered 200 >");
        assert_eq!(run.session.in_hand(), 2, "they go with the session");
        run.plays(end);
        assert_eq!(run.session.in_hand(), 2);
    }
}

#[test]
fn a_published_close_waits_for_the_items_before_it() {
    let mut run = checking();
    run.plays(
        "item a 1              > ask /check
        item own / close 4000 >
        item own 3            > 
        filtered 200          > item 1, backend close 4000, deafen, client close 4000
        client close 4000     > end backend, finish",
    );
    assert_eq!(run.session.in_hand(), 1);
}

#[test]
fn a_refresh_posts_over_http_and_is_nothing_directly() {
    let mut run = Run::over_http();
    run.plays(
        "item own / refresh > post
        item own / refresh >
        item own / refresh >
        answer text m:a    > client text a, post
        answer             >",
    );
    let mut run = Run::direct();
    run.plays("item own / refresh >");
}

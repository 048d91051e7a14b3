//! Backends that fail: the client is closed with 1011, and the backend hears of the end if it can.

use super::*;

#[test]
fn over_http_a_failed_post_closes_the_client_and_disconnects() {
    let mut run = Run::over_http();
    run.plays(
        "client text a     > post TEXT a
        client text b     >
        fail              > note ws-request-failed, deafen, client close 1011, post DISCONNECT
        client text c     >
        answer text m:no; close 4000 >
        client close 1011 > finish",
    );
    assert!(run.rest().is_empty());
    let mut run = Run::over_http();
    run.plays(
        "client text a     > post TEXT a
        fail              > note ws-request-failed, deafen, client close 1011, post DISCONNECT
        fail              > note ws-request-failed
        wait 5000         > cut",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn over_http_a_post_is_repeated_five_times() {
    let mut run = Run::over_http();
    run.jitter = MS * 7;
    run.plays("client text a > post TEXT a");
    for secs in [1, 2, 4, 8, 16] {
        run.plays("fail for now >");
        assert_eq!(run.due(), Some(secs * 1_000 + 7));
        run.plays(&format!("wait {} >", secs * 1_000 + 6));
        run.plays("wait 1 > post TEXT a");
    }
    let failed = "note ws-backend-unreachable, deafen, client close 1011, post DISCONNECT";
    run.plays(&format!("fail for now > {failed}"));
    run.plays("gone >");
}

#[test]
fn over_http_accepting_wrongly_fails() {
    let failed = "deafen, client close 1011, post DISCONNECT";
    let mut run = Run::over_http();
    run.plays("client text hello > post TEXT hello");
    run.plays("accept 3 text m:a > client text a");
    run.plays("client text x > post (2 again) TEXT lo + TEXT x");
    run.plays(&format!(
        "accept 4 text m:b > client text b, note accepted-too-much, {failed}"
    ));
    let mut run = Run::over_http();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        accept 1          > note close-not-accepted, client close 1011, finish",
    );
    assert!(run.rest().is_empty(), "it was told");
    let posts = OverHttp::new(
        Options {
            has_one_event: true,
            ..Options::default()
        },
        KeepAliveInterval::Off,
        Instant::now(),
    );
    let mut run = Run::new(terms(route()), Backend::over_http(posts), Instant::now()).begun();
    run.plays(
        "slow             >
        client text hello >
        client close 1000 > deafen
        fast              > post TEXT hello
        accept 0          > note nothing-accepted, client close 1011, finish",
    );
    assert_eq!(
        run.rest(),
        ["post DISCONNECT"],
        "it was not told of the close"
    );
}

#[test]
fn over_http_a_failure_while_the_client_closes_is_told_once() {
    let mut run = Run::over_http();
    run.plays(
        "client text a     > post TEXT a
        client close 1000 > deafen
        fail              > note ws-request-failed, client close 1011, finish",
    );
    assert_eq!(run.rest(), ["post DISCONNECT"], "the close was not sent");
    let mut run = Run::over_http();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        fail              > note ws-request-failed, client close 1011, finish",
    );
    assert!(run.rest().is_empty(), "the close was sent");
    let mut run = Run::over_http();
    run.plays(
        "item own / close 4000 > deafen, client close 4000, post CLOSE
        fail                  > note ws-request-failed
        client close 4000     > finish",
    );
    assert!(run.rest().is_empty());
    let mut run = Run::over_http();
    run.plays(
        "client text a     > post TEXT a
        client text b     >
        answer close 4000 > deafen, client close 4000, post TEXT b
        fail              > note ws-request-failed, post DISCONNECT
        client close 4000 > finish",
    );
}

#[test]
fn over_http_text_that_is_none_fails_and_what_stands_before_it_counts() {
    let mut run = Run::over_http();
    run.plays(
        "client text a     > post TEXT a
        answer text m:1; bad-text; text m:2; control detach; close 4000 > client text 1, note bad-event-text, deafen, client close 1011, post DISCONNECT
        answer            >
        client close 1011 > finish",
    );
    assert!(run.rest().is_empty());
    let mut run = Run::kept_alive();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        answer bad-text   > note bad-event-text, client close 1011, finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn directly_a_backend_that_fails_is_ended() {
    for (failure, told) in [
        ("backend gone", "end backend, note backend-gone"),
        (
            "backend error",
            "note masked-frame, backend close 1001, end backend",
        ),
    ] {
        let mut run = Run::direct();
        run.plays("backend text m:ha+ > client text ha+");
        run.plays(&format!("{failure} > {told}, deafen, client close 1011"));
        run.plays(
            "backend text +lf  >
            client text a     >
            client close 1011 > finish",
        );
    }
}

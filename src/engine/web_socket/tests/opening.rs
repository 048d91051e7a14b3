//! Before a session has begun: what the backend says with its acceptance, and clients that do not wait.

use super::*;

#[test]
fn what_is_said_with_the_acceptance_is_told_in_order_and_channels_are_only_noted() {
    let mut run = Run::opening();
    run.plays(
        "backend text m:1                     > client text 1
        backend control subscribe channel=a  >
        backend control subscribe channel=b  >
        backend control unsubscribe channel=a >
        backend text m:2                     > client text 2
        begin                                >
        client text x                        > post TEXT x",
    );
    let wanted = run.session.channels().into_iter();
    let names: Vec<_> = wanted.map(|wanted| wanted.channel.to_string()).collect();
    assert_eq!(names, ["own", "b"]);
}

#[test]
fn nothing_is_posted_before_the_session_has_begun() {
    for (said, told, posted) in [
        ("backend control detach", "", "post CLOSE"),
        (
            "backend bad-text",
            "note bad-event-text, deafen, client close 1011",
            "post DISCONNECT",
        ),
        ("drain", "deafen, client close 1001", "post DISCONNECT"),
        ("item own / refresh", "", "post"),
    ] {
        let mut run = Run::opening();
        assert_eq!(run.happens(said), told);
        assert_eq!(run.happens("begin"), posted, "{said}");
    }
    let mut run = Run::opening_with(KeepAliveInterval::Secs(20));
    run.plays("wait 20000 >");
    run.plays("begin > post");
}

#[test]
fn a_close_or_disconnect_with_the_acceptance_ends_it_then() {
    let mut run = Run::opening();
    run.plays(
        "backend close 4000 full > deafen, client close 4000 full
        begin                   >
        client close 4000       > finish",
    );
    assert_eq!(run.rest(), ["post CLOSE 4000"]);
    let mut run = Run::opening();
    run.plays(
        "backend text m:a   > client text a
        backend disconnect > finish
        begin              >",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn the_backend_of_a_client_that_left_before_it_began_hears_of_it() {
    for (said, rest) in [
        ("", "post DISCONNECT"),
        ("backend text m:a", "post DISCONNECT"),
        ("backend close 1000", "post DISCONNECT"),
        ("backend bad-text", "post DISCONNECT"),
        ("backend control detach", "post CLOSE"),
    ] {
        let mut run = Run::opening();
        let _ = said.is_empty() || !run.happens(said).is_empty();
        run.plays("gone >");
        assert_eq!(run.rest(), [rest], "{said}");
    }
    let mut run = Run::new(terms(route()), Backend::direct(), Instant::now());
    run.plays("gone > backend close 1001, end backend");
}

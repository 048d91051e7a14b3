//! While a change of channels is not acknowledged, all that the backend says waits in its order.

use super::*;

#[test]
fn over_http_the_rest_of_an_answer_waits_and_so_do_posts() {
    let mut run = Run::over_http();
    run.plays(
        "client text a > post TEXT a
        answer text m:0; control subscribe channel=a; text m:1; ping p; text m:2 > client text 0, subscribe own a
        client text b >
        item own / refresh >
        subscribed > client text 1, client ping p, client text 2, post TEXT b
        answer     >",
    );
    assert!(run.session.wants_backend());
}

#[test]
fn each_change_waits_for_its_own_acknowledgement() {
    let mut run = Run::over_http();
    run.plays(
        "client text x > post TEXT x
        answer control subscribe channel=a; text m:1; control unsubscribe channel=a; text m:2; text m:3 > subscribe own a
        subscribed > client text 1, subscribe own
        client text y >
        subscribed > client text 2, client text 3, post TEXT y",
    );
}

#[test]
fn a_change_that_fails_closes_the_client_and_what_waited_is_not_said() {
    let mut run = Run::over_http();
    run.plays(
        "client text x > post TEXT x
        answer control subscribe channel=a; text m:1 > subscribe own a
        unsubscribed > deafen, client close 1011 subscription failed
        client close 1011 > finish",
    );
    assert_eq!(run.rest(), ["post CLOSE 1011"]);
    let mut run = Run::direct();
    run.plays(
        "backend control subscribe channel=a > subscribe own a
        backend text m:1     >
        backend close 1000   >
        unsubscribed         > deafen, client close 1011 subscription failed, backend close 1000, end backend
        wait 5000            > cut",
    );
    let mut run = Run::kept_alive();
    run.plays(
        "client text x     > post TEXT x
        answer control subscribe channel=a > subscribe own a
        client close 1000 > deafen
        unsubscribed      > client close 1011 subscription failed, finish",
    );
    assert_eq!(run.rest(), ["post CLOSE 1000"], "once");
}

#[test]
fn a_disconnect_behind_a_change_ends_the_client_in_its_turn() {
    let mut run = Run::over_http();
    run.plays(
        "client text x > post TEXT x
        answer control subscribe channel=a; text m:1; disconnect > subscribe own a
        client text y >
        subscribed    > client text 1, finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn a_close_behind_a_change_is_told_in_its_turn() {
    let mut run = Run::over_http();
    run.plays(
        "client text x > post TEXT x
        answer control subscribe channel=a; text m:1; close 4000 > subscribe own a
        subscribed        > client text 1, deafen, client close 4000
        client close 4000 > finish",
    );
    assert_eq!(run.rest(), ["post CLOSE 4000"]);
    let mut run = Run::over_http();
    run.plays(
        "client text x > post TEXT x
        answer control subscribe channel=a; text m:1; close 4000 > subscribe own a
        client close 1000 > deafen, post CLOSE 1000
        answer            >
        subscribed        > client text 1, client close 4000, finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn a_detach_behind_a_change_silences_the_backend() {
    let mut run = Run::over_http();
    run.plays(
        "client text x > post TEXT x
        answer control subscribe channel=a; control detach; text m:bye > subscribe own a
        subscribed           > client text bye, post CLOSE
        answer text m:no; close 1000 >
        client ping p        > client pong p
        item a hi            > item hi",
    );
}

#[test]
fn a_client_that_closes_meanwhile_has_its_close_told_after_the_change() {
    let mut run = Run::over_http();
    run.plays(
        "client text x     > post TEXT x
        answer control subscribe channel=a; text m:1 > subscribe own a
        client close 1000 > deafen
        subscribed        > client text 1, post CLOSE 1000
        answer close 1000 > client close 1000, finish",
    );
    let mut run = Run::over_http();
    run.plays(
        "client text x     > post TEXT x
        answer control subscribe channel=a; text m:1 > subscribe own a
        gone              >
        subscribed        >",
    );
    assert_eq!(run.rest(), ["post DISCONNECT"]);
}

#[test]
fn a_drain_does_not_wait() {
    let mut run = Run::over_http();
    run.plays(
        "client text x     > post TEXT x
        answer control subscribe channel=a; text m:1 > subscribe own a
        drain             > deafen, client close 1001, post DISCONNECT
        answer            >
        client close 1001 > finish
        subscribed        >",
    );
    let mut run = Run::direct();
    run.plays(
        "backend control subscribe channel=a > subscribe own a
        backend text m:1  >
        drain             > backend close 1001, end backend, deafen, client close 1001
        subscribed        >
        client close 1001 > finish",
    );
}

#[test]
fn directly_the_backend_is_not_read_meanwhile_and_its_end_waits_too() {
    let mut run = Run::direct();
    run.plays("backend control subscribe channel=a > subscribe own a");
    assert!(!run.session.wants_backend() && run.session.wants_client());
    run.plays(
        "client text x    > backend text x
        backend text m:1+ >
        backend text +2  >
        backend gone     >
        subscribed       > client text 1+, client text +2, end backend, note backend-gone, deafen, client close 1011",
    );
    assert!(run.session.wants_backend());
}

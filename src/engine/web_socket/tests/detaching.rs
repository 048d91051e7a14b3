//! A backend leaves its client to publishers.

use super::*;

#[test]
fn over_http_the_backend_hears_a_close_and_the_client_goes_on() {
    let mut run = Run::over_http();
    run.plays(
        "client text a          > post TEXT a
        client text b          >
        answer control detach; text m:bye > client text bye, post CLOSE
        client text lost       >
        client ping p          > client pong p
        client pong p          >
        item own / refresh     >
        answer text m:no; control subscribe channel=a; close 4000 >
        client ping q          > client pong q
        client text lost       >
        item own hi            > item hi
        backend text m:no      >
        client close 1001      > deafen, client close 1000, finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn over_http_a_client_may_close_before_the_backend_has_heard() {
    let mut run = Run::over_http();
    run.plays(
        "client text a        > post TEXT a
        answer control detach > post CLOSE
        fail for now         >
        client close 1001    > deafen, client close 1000, finish",
    );
    assert_eq!(run.due(), None);
    let mut run = Run::over_http();
    run.plays(
        "client text a         > post TEXT a
        backend control detach >
        client close 1001     > deafen, client close 1000, finish
        answer                >",
    );
    assert_eq!(run.rest(), ["post CLOSE"]);
}

#[test]
fn over_http_a_detach_that_cannot_be_told_is_one_all_the_same() {
    for failure in ["fail", "answer bad-text", "answer disconnect", "accept 9"] {
        let mut run = Run::over_http();
        run.plays("client text a > post TEXT a");
        run.plays("answer control detach > post CLOSE");
        let noted = run.happens(failure);
        let is_note = noted.is_empty() || noted == "note ws-request-failed";
        assert!(is_note, "{failure}: {noted}");
        run.plays(
            "client ping p     > client pong p
            item own hi       > item hi
            client close 1000 > deafen, client close 1000, finish",
        );
        assert!(run.rest().is_empty());
    }
}

#[test]
fn over_http_what_stands_behind_a_detach_may_still_close_or_disconnect() {
    let mut run = Run::over_http();
    run.plays(
        "client text a     > post TEXT a
        answer control detach; close 4000 > deafen, client close 4000, post CLOSE
        answer            >
        client close 4000 > finish",
    );
    assert!(run.rest().is_empty());
    let mut run = Run::over_http();
    run.plays("client text a > post TEXT a");
    run.plays("answer control detach; disconnect > finish");
    assert!(run.rest().is_empty());
}

#[test]
fn a_detached_client_is_closed_by_all_others() {
    for (close, told) in [
        ("item own / close 4000 x", "deafen, client close 4000 x"),
        ("drain", "deafen, client close 1001"),
        ("overflow", "deafen, client close 1013 too slow"),
    ] {
        for end in ["client close 1000 > finish", "wait 5000 > cut", "gone >"] {
            let mut run = Run::over_http();
            run.plays("client text a > post TEXT a");
            run.plays("answer control detach > post CLOSE");
            run.plays("answer close >");
            assert_eq!(run.happens(close), told);
            run.plays(end);
            assert!(run.rest().is_empty());
            let mut run = Run::direct();
            run.plays("backend control detach > backend close, end backend");
            assert_eq!(run.happens(close), told);
            run.plays(end);
        }
    }
}

#[test]
fn directly_the_backends_connection_ends_and_the_client_goes_on() {
    let mut run = Run::direct();
    run.plays(
        "client text a+         > backend text a+
        backend control detach > backend close, end backend
        backend text m:no      >
        backend close 1000     >
        backend gone           >
        client text +b         >
        client ping p          > client pong p
        item own hi            > item hi
        client close 1001      > deafen, client close 1000, finish",
    );
}

#[test]
fn what_was_asked_for_before_a_detach_goes_on() {
    let mut run = Run::direct();
    run.plays(
        "backend control subscribe channel=a                   > subscribe own a
        subscribed                                            >
        backend control keep-alive content=ka timeout=2       >
        backend control send-delayed content=later timeout=1  >
        backend control detach > backend close, end backend
        wait 1000 > client text later
        wait 2000 > keep-alive text ka",
    );
    assert_eq!(run.session.channels().len(), 2);
}

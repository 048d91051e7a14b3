//! Tests of how it ends before a backend of its own WebSocket.

use super::*;

#[test]
fn directly_a_client_closes_and_its_backend_answers_or_not() {
    for (answer, outputs) in [
        (
            "backend close 4000 ok",
            "client close 4000 ok, end backend, finish",
        ),
        ("backend close", "client close 1000, end backend, finish"),
        ("wait 5000", "client close 1000, end backend, finish"),
        ("backend gone", "end backend, client close 1000, finish"),
        (
            "backend error",
            "note masked-frame, end backend, client close 1011, finish",
        ),
        ("drain", "end backend, client close 1001, finish"),
        (
            "overflow",
            "client close 1013 too slow, end backend, finish",
        ),
        ("gone", "end backend"),
    ] {
        let mut run = Run::direct();
        run.plays(
            "client text a+        > backend text a+
            client close 1000 bye > deafen, backend close 1000 bye
            client text +b        >
            item own / close 4000 >
            backend text m:late   > client text late",
        );
        assert_eq!(run.happens(answer), outputs, "{answer}");
        assert!(run.session.is_over());
    }
}

#[test]
fn directly_a_backend_closes_and_the_client_answers_or_not() {
    for (answer, outputs) in [
        (
            "client close 4001 ok",
            "backend close 4001 ok, end backend, finish",
        ),
        ("client close", "backend close, end backend, finish"),
        ("wait 5000", "backend close 1001, end backend, cut"),
        ("gone", "backend close 1001, end backend"),
        (
            "break",
            "note bad-text-encoding, backend close 1001, end backend, finish",
        ),
    ] {
        let mut run = Run::direct();
        run.plays("backend close 4000 done > deafen, client close 4000 done");
        run.plays("client text late >");
        assert_eq!(run.happens(answer), outputs, "{answer}");
        assert!(run.session.is_over());
    }
    let mut run = Run::direct();
    run.plays(
        "backend close     > deafen, client close 1000
        backend gone      > end backend, note backend-gone
        client close 1000 > finish",
    );
    let mut run = Run::direct();
    run.plays(
        "backend close     > deafen, client close 1000
        drain             > backend close 1001, end backend
        wait 5000         > cut",
    );
}

#[test]
fn directly_a_publish_closes_both_sides_with_its_code() {
    for (published, backend, client) in [
        (
            "item own / close 4001 x",
            "backend close 4001 x",
            "client close 4001 x",
        ),
        (
            "item own / close 5 odd",
            "backend close",
            "client close 1000 odd",
        ),
        ("item own / close", "backend close", "client close 1000"),
    ] {
        let expected = format!("{published} > {backend}, deafen, {client}");
        let mut run = Run::direct();
        run.plays(&expected);
        run.plays(
            "backend text m:late   >
            client close 4001     > end backend, finish",
        );
        let mut run = Run::direct();
        run.plays(&expected);
        run.plays(
            "backend close 4001    > end backend
            client close 4001     > finish",
        );
        let mut run = Run::direct();
        run.plays(&expected);
        run.plays("wait 5000 > end backend, cut");
    }
}

#[test]
fn directly_a_backend_that_closes_meanwhile_is_answered() {
    for (before, told) in [
        ("overflow", "deafen, client close 1013 too slow"),
        (
            "backend control subscribe channel=a filters=a+b+c+d+e+f",
            "deafen, client close 1011",
        ),
    ] {
        let mut run = Run::direct();
        assert_eq!(run.happens(before), told);
        run.plays(
            "backend text m:late  >
            backend close 1000 x > backend close 1000 x, end backend
            client close 1013    > finish",
        );
        let mut run = Run::direct();
        assert_eq!(run.happens(before), told);
        run.plays("client close 1013 > backend close 1013, end backend, finish");
        let mut run = Run::direct();
        assert_eq!(run.happens(before), told);
        run.plays("wait 5000 > backend close 1001, end backend, cut");
    }
}

#[test]
fn directly_a_drain_or_a_broken_client_ends_the_backend_at_once() {
    let closed = "backend close 1001, end backend";
    let mut run = Run::direct();
    run.plays(&format!("drain > {closed}, deafen, client close 1001"));
    run.plays("backend text m:late >");
    run.plays("client close 1001 > finish");
    let mut run = Run::direct();
    run.plays(&format!(
        "break > client close 1007, note bad-text-encoding, {closed}, finish"
    ));
    let mut run = Run::direct();
    run.plays(&format!("gone > {closed}"));
}

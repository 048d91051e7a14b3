//! Who closes first, who answers, and who does not.

use super::*;

#[test]
fn over_http_a_client_closes_and_its_backend_answers() {
    let mut run = Run::over_http();
    run.plays(
        "client close 1000 bye > deafen, post CLOSE 1000 bye
        client text late       >
        client close 1000      >
        item own late          >
        answer close 4000 ok   > client close 4000 ok, finish",
    );
    assert!(run.session.is_over() && run.rest().is_empty());
}

#[test]
fn over_http_all_messages_come_before_the_close_both_ways() {
    let mut run = Run::over_http();
    run.plays(
        "client text a                  > post TEXT a
        client text b                  >
        client binary half+            >
        client close                   > deafen
        answer text m:1; text m:2      > client text 1, client text 2, post TEXT b + CLOSE
        answer text m:3; close; ping x > client text 3, client close 1000, finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn over_http_a_close_that_is_not_answered_ends_the_client_or_is_repeated() {
    let mut run = Run::over_http();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        answer text m:bye > client text bye, finish",
    );
    assert!(run.rest().is_empty());
    let mut run = Run::kept_alive();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        answer            >
        wait 19999        >
        wait 1            > post CLOSE 1000
        answer            >
        wait 20000        > post CLOSE 1000
        answer disconnect > finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn over_http_a_backend_closes_and_hears_what_the_client_answers() {
    let mut run = Run::over_http();
    run.plays(
        "client text a                   > post TEXT a
        answer text m:b; close 4000 done > client text b, deafen, client close 4000 done
        client text late                 >
        item own late                    >
        client close 4001 ok             > finish",
    );
    assert_eq!(run.rest(), ["post CLOSE 4001 ok"]);
    for (end, rest) in [
        ("wait 5000 > cut", "post DISCONNECT"),
        ("gone >", "post DISCONNECT"),
        ("break > note bad-text-encoding, finish", "post DISCONNECT"),
        (
            "nonsense > note bad-sockjs-payload, finish",
            "post DISCONNECT",
        ),
        ("client close > finish", "post CLOSE"),
    ] {
        let mut run = Run::over_http();
        run.plays("client text a > post TEXT a");
        run.plays("answer close 1000 > deafen, client close 1000");
        run.plays("wait 4999 >");
        run.plays(&end.replace("5000", "1"));
        assert_eq!(run.rest(), [rest], "{end}");
    }
}

#[test]
fn over_http_the_backend_of_a_published_close_gets_one_without_code() {
    for (published, client) in [
        ("item own / close 4001 over", "client close 4001 over"),
        ("item own / close 5 odd", "client close 1000 odd"),
        ("item own / close 1005", "client close 1000"),
        ("item own / close", "client close 1000"),
    ] {
        let mut run = Run::over_http();
        run.plays(&format!("{published} > deafen, {client}, post CLOSE"));
        run.plays(
            "item own / close 4002 >
            answer close 1000     >
            client close 4001     > finish",
        );
        assert!(run.rest().is_empty());
    }
    let mut run = Run::over_http();
    run.plays(
        "client text a         > post TEXT a
        client text b         >
        item own / close 4001 > deafen, client close 4001
        wait 5000             > cut
        answer                >",
    );
    assert_eq!(run.rest(), ["post TEXT b + CLOSE"]);
    let mut run = Run::over_http();
    run.plays(
        "client text a         > post TEXT a
        client close 1000     > deafen
        item own / close 4001 >
        answer                > post CLOSE 1000
        answer close 1000     > client close 1000, finish",
    );
}

#[test]
fn over_http_a_drain_disconnects_and_closes() {
    let mut run = Run::over_http();
    run.plays(
        "drain            > deafen, client close 1001, post DISCONNECT
        drain            >
        answer close     >
        client close 1001 > finish
        drain            >",
    );
    assert!(run.rest().is_empty());
    let mut run = Run::over_http();
    run.plays(
        "client text a > post TEXT a
        client text b >
        drain         > deafen, client close 1001
        answer text m:late > post DISCONNECT",
    );
    let mut run = Run::kept_alive();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        drain             > client close 1001, finish
        answer            >",
    );
    assert!(run.rest().is_empty(), "the close is not repeated");
}

#[test]
fn over_http_an_overflow_tells_the_backend_by_the_clients_answer() {
    let mut run = Run::over_http();
    run.plays(
        "overflow          > deafen, client close 1013 too slow
        overflow          >
        client close 1013 > finish",
    );
    assert_eq!(run.rest(), ["post CLOSE 1013"]);
    let mut run = Run::kept_alive();
    run.plays("overflow > deafen, client close 1013 too slow");
    run.plays("client close > finish");
    assert_eq!(run.rest(), ["post CLOSE"], "once");
    let mut run = Run::over_http();
    run.plays("overflow > deafen, client close 1013 too slow");
    run.plays("wait 5000 > cut");
    assert_eq!(run.rest(), ["post DISCONNECT"]);
    let mut run = Run::kept_alive();
    run.plays(
        "client close 1000 > deafen, post CLOSE 1000
        answer            >
        wait 20000        > post CLOSE 1000
        overflow          > client close 1013 too slow, finish
        answer            >",
    );
    assert!(run.rest().is_empty(), "the close is not repeated");
}

#[test]
fn over_http_a_client_that_breaks_the_protocol_or_goes_is_disconnected() {
    for (end, told) in [
        ("break", "client close 1007, note bad-text-encoding, finish"),
        (
            "nonsense",
            "client close 1002, note bad-sockjs-payload, finish",
        ),
        ("gone", ""),
    ] {
        let mut run = Run::over_http();
        assert_eq!(run.happens(end), told);
        assert_eq!(run.rest(), ["post DISCONNECT"], "{end}");
    }
    let mut run = Run::over_http();
    run.plays("client text a > post TEXT a");
    run.plays("client text b >");
    run.plays("gone >");
    run.plays("answer >");
    assert_eq!(run.rest(), ["post DISCONNECT"], "what waits is dropped");
    let mut run = Run::kept_alive();
    run.plays("client close 1000 > deafen, post CLOSE 1000");
    run.plays("gone >");
    run.plays("answer >");
    assert!(run.rest().is_empty(), "it was told");
}

#[test]
fn over_http_a_disconnect_ends_the_client_and_tells_the_backend_nothing() {
    for before in ["", "item own / close 4000", "overflow", "client close 1000"] {
        let mut run = Run::over_http();
        run.plays("client text a > post TEXT a");
        let _ = before.is_empty() || !run.happens(before).is_empty();
        match before {
            "" | "client close 1000" => run.plays("answer disconnect; text m:late; close > finish"),
            _ => run.plays(
                "answer disconnect; text m:late; close >
                client close 4000 > finish",
            ),
        }
        assert!(run.rest().is_empty(), "{before}");
    }
    let mut run = Run::over_http();
    run.plays(
        "client text a > post TEXT a
        answer close 4000; disconnect > deafen, client close 4000
        client close 4000 > finish",
    );
    assert!(run.rest().is_empty());
}

#[test]
fn what_is_over_wants_nothing_more() {
    for mut run in [Run::over_http(), Run::direct()] {
        run.happens("backend control keep-alive content=ka timeout=1");
        run.happens("backend control send-delayed content=x timeout=1");
        run.happens("break");
        for event in [
            "client text a",
            "client ping a",
            "client close 1000",
            "break",
            "nonsense",
            "gone",
            "slow",
            "fast",
            "backend text m:a",
            "backend close 1000",
            "backend disconnect",
            "backend gone",
            "backend bad-text",
            "backend error",
            "answer text m:a",
            "fail",
            "subscribed",
            "unsubscribed",
            "item own a",
            "item own / close",
            "filtered 200",
            "overflow",
            "drain",
            "wait 10000",
        ] {
            assert_eq!(run.happens(event), "", "{event}");
        }
        assert_eq!(run.due(), None);
    }
}

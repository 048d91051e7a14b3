//! What is said later: keep-alives, delayed messages, the keep-alives of posts.

use super::*;

#[test]
fn an_idle_keep_alive_waits_for_silence_towards_the_client() {
    let mut run = Run::direct();
    run.plays(
        "backend control keep-alive content=ka timeout=10 >
        wait 9999        >
        wait 1           > keep-alive text ka
        wait 4000        >
        backend text m:x > client text x
        client text y    > backend text y
        wait 6000        >
        wait 3999        >
        wait 1           > keep-alive text ka
        wait 10000       > keep-alive text ka",
    );
}

#[test]
fn an_interval_keep_alive_does_not_wait() {
    let mut run = Run::over_http();
    run.plays(
        "client text a    > post TEXT a
        answer control keep-alive content=ka timeout=10 mode=interval message-type=binary >
        wait 6000        >
        item own x       > item x
        wait 4000        > keep-alive binary ka
        wait 10000       > keep-alive binary ka",
    );
}

#[test]
fn a_keep_alive_comes_earlier_by_chance_and_is_replaced_or_ended() {
    let mut run = Run::direct();
    run.jitter = MS * 999;
    run.plays("backend control keep-alive content=ka >");
    assert_eq!(run.due(), Some(54_001));
    run.plays("backend control keep-alive content=kb timeout=1 message-type=ping >");
    assert_eq!(run.due(), Some(1));
    run.plays("wait 1 > keep-alive ping kb");
    run.plays(
        "backend control keep-alive content=kc timeout=2 message-type=odd > note bad-control-field",
    );
    assert_eq!(run.due(), Some(1));
    run.plays("backend control keep-alive >");
    assert_eq!(run.due(), None);
}

#[test]
fn a_delayed_message_is_said_in_time_by_the_next_one_or_when_flushed() {
    let mut run = Run::direct();
    run.plays(
        "backend control flush-delayed                        >
        backend control send-delayed content=a timeout=3     >
        wait 2999                                            >
        wait 1                                               > client text a
        backend control send-delayed content=b               >
        wait 999                                             >
        backend control send-delayed content=c message-type=ping > client text b
        backend control flush-delayed                        > client ping c
        backend control flush-delayed                        >
        backend control send-delayed                         >
        wait 1000                                            > client text",
    );
    assert_eq!(run.due(), None);
}

#[test]
fn nothing_is_said_later_to_a_client_that_is_being_closed() {
    for (close, outputs) in [
        ("overflow", "deafen, client close 1013 too slow"),
        ("client close", "deafen, backend close"),
    ] {
        let mut run = Run::direct();
        run.plays("backend control keep-alive content=ka timeout=1 >");
        run.plays("backend control send-delayed content=x timeout=2 >");
        assert_eq!(run.happens(close), outputs);
        run.plays("wait 1000 >");
        assert_eq!(run.due(), Some(4_000));
        assert!(!run.happens("wait 4000").is_empty());
    }
}

#[test]
fn nothing_is_said_between_the_parts_of_a_message_but_pings() {
    let mut run = Run::direct();
    run.plays(
        "backend control send-delayed content=late timeout=1              >
        backend control keep-alive content=ka timeout=1 mode=interval    >
        backend text m:he+  > client text he+
        wait 1000           >
        wait 1000           >
        backend text +l+    > client text +l+
        backend text +lo    > client text +lo, client text late
        wait 1000           > keep-alive text ka
        backend control send-delayed content=p message-type=ping timeout=1 >
        backend control keep-alive content=q message-type=pong timeout=1 mode=interval >
        backend text m:he+  > client text he+
        wait 1000           > keep-alive pong q, client ping p
        backend text +llo   > client text +llo",
    );
    let mut run = Run::direct();
    run.plays(
        "backend control send-delayed content=late timeout=1 >
        backend text m:he+  > client text he+
        wait 1000           >",
    );
    assert_eq!(run.due(), None);
    run.plays("backend gone > end backend, note backend-gone, deafen, client close 1011");
    run.plays("client close 1011 > finish");
}

#[test]
fn a_backend_is_asked_again_after_its_interval_unless_the_client_is_slow() {
    let mut run = Run::kept_alive();
    run.plays(
        "wait 19999       >
        wait 1           > post
        wait 60000       >
        answer text m:a  > client text a
        wait 10000       >
        client text x    > post TEXT x
        answer           >
        slow             >
        wait 20000       >
        fast             > post",
    );
}

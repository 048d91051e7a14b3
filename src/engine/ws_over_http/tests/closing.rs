//! Closes, disconnects and detaching: what the backend is told last, and what is waited for.

use super::*;

#[test]
fn a_close_that_is_put_off_goes_again_at_once() {
    let mut run = Run::new();
    run.text("hello");
    run.close(1000);
    run.puts_out("TEXT 5|hello|CLOSE 2|\\x03\\xe8|");
    run.accept(0);
    run.puts_out("5: TEXT 5|hello|CLOSE 2|\\x03\\xe8|");
    run.accept(3);
    run.puts_out("2: TEXT 2|lo|CLOSE 2|\\x03\\xe8|");
    run.accept(4);
    run.puts_out("over");

    let mut run = Run::new();
    run.text("hello");
    run.puts_out("TEXT 5|hello|");
    run.accept(3);
    run.machine.on_close(None);
    run.puts_out("2: TEXT 2|lo|CLOSE|");
    run.accept(0);
    run.puts_out("2: TEXT 2|lo|CLOSE|");
    run.accept(0);
    run.puts_out("fail nothing-accepted");

    let mut run = Run::with(true, KeepAliveInterval::Unchanged);
    run.text("hello");
    run.close(1000);
    run.puts_out("TEXT 5|hello|");
    run.accept(3);
    run.puts_out("2: TEXT 2|lo|");
    run.accept(2);
    run.puts_out("CLOSE 2|\\x03\\xe8|");
}

#[test]
fn an_unanswered_close_is_repeated_with_a_keep_alive_only() {
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.close(1000);
    for _ in 0..3 {
        run.puts_out("CLOSE 2|\\x03\\xe8|");
        run.answer(GOOD);
        run.puts_out("nothing");
        run.wait(19);
        run.puts_out("nothing");
        run.wait(1);
    }
    run.puts_out("CLOSE 2|\\x03\\xe8|");
    run.answer(AnswerFacts {
        ends: Ends::Close,
        ..GOOD
    });
    run.puts_out("over");

    for (keep_alive, ends) in [
        (KeepAliveInterval::Off, Ends::No),
        (KeepAliveInterval::Unchanged, Ends::Close),
        (KeepAliveInterval::Unchanged, Ends::Disconnect),
    ] {
        let mut run = Run::with(false, KeepAliveInterval::Secs(20));
        run.machine.on_close(None);
        run.puts_out("CLOSE|");
        run.answer(AnswerFacts {
            keep_alive,
            ends,
            ..GOOD
        });
        run.puts_out("over");
    }
}

#[test]
fn a_repeated_close_ends_when_the_client_goes() {
    for is_under_way in [false, true] {
        let mut run = Run::with(false, KeepAliveInterval::Secs(20));
        run.machine.on_close(None);
        run.puts_out("CLOSE|");
        run.answer(GOOD);
        if is_under_way {
            run.wait(20);
            run.puts_out("CLOSE|");
            run.machine.on_gone();
            run.puts_out("nothing");
            run.answer(GOOD);
        } else {
            run.machine.on_gone();
        }
        run.puts_out("over");
    }
}

#[test]
fn a_client_that_answers_the_backends_close_ends_it() {
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.answer(AnswerFacts {
        ends: Ends::Close,
        ..GOOD
    });
    run.puts_out("nothing");
    run.close(1001);
    run.puts_out("CLOSE 2|\\x03\\xe9|");
    run.answer(GOOD);
    run.puts_out("over");

    // The closes have crossed.
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.close(1001);
    run.answer(AnswerFacts {
        ends: Ends::Close,
        ..GOOD
    });
    run.puts_out("CLOSE 2|\\x03\\xe9|");
    run.answer(GOOD);
    run.puts_out("over");
}

#[test]
fn a_backend_that_disconnects_is_told_nothing_more() {
    let mut run = Run::new();
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.text("b");
    run.answer(AnswerFacts {
        ends: Ends::Disconnect,
        ..GOOD
    });
    run.puts_out("over");
    run.machine.on_gone();
    run.machine.on_refresh();
    run.puts_out("nothing");
}

#[test]
fn the_last_event_goes_alone_after_the_request_under_way() {
    for (kind, body) in [(Disconnect, "DISCONNECT|"), (Close, "CLOSE|")] {
        let end = |run: &mut Run| match kind {
            Disconnect => run.machine.on_gone(),
            _ => run.machine.on_detach(),
        };
        let mut run = Run::with(false, KeepAliveInterval::Secs(20));
        end(&mut run);
        run.puts_out(body);
        run.accept(99);
        run.puts_out("over");

        let mut run = Run::new();
        run.text("a");
        run.puts_out("TEXT 1|a|");
        run.text("b");
        run.machine.on_refresh();
        run.machine.hold_up(true);
        end(&mut run);
        assert!(!run.machine.on_message(WsKind::Text, Bytes::from("c")));
        run.close(1000);
        run.machine.on_server_close();
        run.machine.on_gone();
        run.machine.on_refresh();
        run.fail(true);
        run.wait(1);
        run.puts_out("TEXT 1|a|");
        run.accept(0);
        run.puts_out(body);
        run.fail(true);
        run.wait(1);
        run.puts_out(body);
        run.answer(GOOD);
        run.puts_out("over");
    }
}

#[test]
fn what_the_last_event_fails_of_is_told() {
    for is_answered in [false, true] {
        let mut run = Run::new();
        run.text("a");
        run.puts_out("TEXT 1|a|");
        run.machine.on_gone();
        match is_answered {
            true => run.answer(GOOD),
            // The last event is said all the same.
            false => run.fail(false),
        }
        run.puts_out("DISCONNECT|");
        run.fail(false);
        run.puts_out("over without ws-request-failed");
    }
}

#[test]
fn no_disconnect_follows_a_close() {
    let mut run = Run::new();
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.text("b");
    run.machine.hold_up(true);
    run.close(1000);
    run.answer(GOOD);
    run.puts_out("nothing");
    run.machine.on_gone();
    run.puts_out("TEXT 1|b|CLOSE 2|\\x03\\xe8|");
    run.answer(GOOD);
    run.puts_out("over");
}

#[test]
fn a_publishers_close_is_told_once_and_without_code() {
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.text("b");
    run.machine.hold_up(true);
    run.machine.on_server_close();
    run.machine.on_server_close();
    run.close(1000);
    assert!(!run.machine.on_message(WsKind::Text, Bytes::from("late")));
    assert!(run.machine.has_room());
    run.answer(GOOD);
    run.puts_out("TEXT 1|b|CLOSE|");
    run.machine.on_gone();
    run.answer(GOOD);
    run.puts_out("over");

    // The client's close was first.
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.close(1001);
    run.puts_out("CLOSE 2|\\x03\\xe9|");
    run.machine.on_server_close();
    run.answer(GOOD);
    run.puts_out("over");
}

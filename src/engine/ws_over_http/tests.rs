//! Each rule of a carried WebSocket alone; random traffic is in `simulation`.

mod simulation;

use super::*;
use crate::grip::ws::EventKind::{Close, Disconnect};

const SECOND: Duration = Duration::from_secs(1);
const GOOD: AnswerFacts = AnswerFacts {
    accepted: None,
    keep_alive: KeepAliveInterval::Unchanged,
    ends: Ends::No,
};

/// A machine and its clock.
struct Run {
    machine: OverHttp,
    now: Instant,
}

impl Run {
    fn new() -> Run {
        Run::with(false, KeepAliveInterval::Unchanged)
    }

    fn with(has_one_event: bool, keep_alive: KeepAliveInterval) -> Run {
        let now = Instant::now();
        let options = Options {
            has_one_event,
            ..Options::default()
        };
        let machine = OverHttp::new(options, keep_alive, now);
        Run { machine, now }
    }

    fn text(&mut self, content: &'static str) {
        let content = Bytes::from_static(content.as_bytes());
        assert!(self.machine.on_message(WsKind::Text, content));
    }

    fn close(&mut self, code: u16) {
        self.machine.on_close(Some((code, String::new())));
    }

    fn answer(&mut self, facts: AnswerFacts) {
        self.machine.on_answer(&facts, self.now);
    }

    fn accept(&mut self, bytes: u64) {
        self.answer(AnswerFacts {
            accepted: Some(bytes),
            ..GOOD
        });
    }

    fn fail(&mut self, may_retry: bool) {
        let moment = Moment {
            now: self.now,
            jitter: Duration::ZERO,
        };
        self.machine.on_failed(may_retry, moment);
    }

    fn wait(&mut self, secs: u64) {
        self.now += SECOND * u32::try_from(secs).unwrap();
        self.machine.on_timer(self.now);
    }

    /// What is put out: the body on one line, with the replayed bytes in front if there are any.
    fn output(&mut self) -> String {
        let shown = match self.machine.next_output() {
            None => "nothing".to_owned(),
            Some(Output::Post(Post { body, replayed })) => {
                let body = body.escape_ascii().to_string().replace("\\r\\n", "|");
                if replayed > 0 {
                    format!("{replayed}: {body}")
                } else {
                    body
                }
            }
            Some(Output::Fail(failure)) => format!("fail {}", failure.code()),
            Some(Output::Over { missed: None }) => "over".to_owned(),
            Some(Output::Over {
                missed: Some(failure),
            }) => format!("over without {}", failure.code()),
        };
        if shown != "nothing" {
            assert_eq!(self.machine.next_output(), None, "after {shown}");
        }
        shown
    }

    #[track_caller]
    fn puts_out(&mut self, expected: &str) {
        assert_eq!(self.output(), expected);
    }

    /// Answers requests until there are none, and returns them.
    fn drain(&mut self) -> Vec<String> {
        let mut outputs = Vec::new();
        for _ in 0..100 {
            match self.output() {
                nothing if nothing == "nothing" => break,
                output => outputs.push(output),
            }
            self.answer(GOOD);
        }
        outputs
    }
}

#[test]
fn an_idle_machine_is_small() {
    assert!(size_of::<OverHttp>() <= 96, "{}", size_of::<OverHttp>());
}

#[test]
fn messages_go_at_once_and_those_meanwhile_together() {
    let mut run = Run::new();
    run.puts_out("nothing");
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.text("b");
    run.machine.on_message(WsKind::Ping, Bytes::new());
    run.machine.on_message(WsKind::Binary, Bytes::new());
    run.machine.on_message(WsKind::Pong, Bytes::from("p"));
    run.close(1000);
    run.puts_out("nothing");
    run.answer(GOOD);
    run.puts_out("TEXT 1|b|PING|BINARY|PONG 1|p|CLOSE 2|\\x03\\xe8|");
    run.answer(GOOD);
    run.puts_out("over");
    assert!(run.machine.is_over());
}

#[test]
fn one_event_means_one_event() {
    let mut run = Run::with(true, KeepAliveInterval::Unchanged);
    for _ in 0..2 {
        run.machine.on_message(WsKind::Ping, Bytes::new());
        run.text("");
        run.text("a");
    }
    run.close(1000);
    let expected = [
        "PING",
        "TEXT",
        "TEXT 1|a",
        "PING",
        "TEXT",
        "TEXT 1|a",
        "CLOSE 2|\\x03\\xe8",
    ];
    let expected: Vec<_> = expected.iter().map(|event| format!("{event}|")).collect();
    assert_eq!(run.drain(), [&expected[..], &["over".to_owned()]].concat());
}

#[test]
fn what_is_accepted_in_part_goes_again_with_what_comes_next() {
    let mut run = Run::new();
    run.text("hello");
    run.puts_out("TEXT 5|hello|");
    run.accept(3);
    run.puts_out("nothing");
    run.text("W");
    run.puts_out("2: TEXT 2|lo|TEXT 1|W|");
    run.text("x");
    run.accept(0);
    run.puts_out("3: TEXT 2|lo|TEXT 1|W|TEXT 1|x|");
    run.accept(2);
    run.puts_out("nothing");
    run.machine.on_refresh();
    run.puts_out("2: TEXT 1|W|TEXT 1|x|");
    run.accept(2);
    assert_eq!(run.machine.waiting.bytes(), 0);
    run.puts_out("nothing");
    run.machine.on_refresh();
    run.puts_out("");
}

#[test]
fn empty_messages_are_accepted_with_what_precedes_them() {
    let mut run = Run::new();
    run.text("");
    run.text("ab");
    run.text("");
    run.text("");
    run.text("c");
    run.text("");
    run.puts_out("TEXT|TEXT 2|ab|TEXT|TEXT|TEXT 1|c|TEXT|");
    run.accept(1);
    run.machine.on_refresh();
    run.puts_out("2: TEXT 1|b|TEXT|TEXT|TEXT 1|c|TEXT|");
    run.accept(1);
    run.machine.on_refresh();
    run.puts_out("1: TEXT 1|c|TEXT|");
    run.accept(1);
    run.machine.on_refresh();
    run.puts_out("");
    run.accept(0);
    run.puts_out("nothing");
}

#[test]
fn accepting_wrongly_fails() {
    for (has_one_event, messages, closes, accepted, code) in [
        (false, &["hello"][..], false, 6, "accepted-too-much"),
        (false, &[], true, 3, "accepted-too-much"),
        (false, &["hello"], true, 5, "close-not-accepted"),
        (false, &["hello"], true, 6, "close-not-accepted"),
        (false, &[], true, 0, "close-not-accepted"),
        (true, &["hello", "x"], false, 0, "nothing-accepted"),
        (true, &["hello"], true, 0, "nothing-accepted"),
        (true, &["hello"], false, 6, "accepted-too-much"),
    ] {
        let mut run = Run::with(has_one_event, KeepAliveInterval::Unchanged);
        for message in messages {
            run.text(message);
        }
        if closes {
            run.close(1000);
        }
        assert!(matches!(run.machine.next_output(), Some(Output::Post(_))));
        run.accept(accepted);
        run.puts_out(&format!("fail {code}"));
        assert!(run.machine.is_over());
        run.puts_out("nothing");
    }
}

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

#[test]
fn keep_alives_follow_silence() {
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.wait(10);
    run.text("a");
    run.puts_out("TEXT 1|a|");
    assert_eq!(run.machine.deadline(), None);
    run.wait(30);
    run.answer(GOOD);
    run.puts_out("nothing");
    run.wait(20);
    run.puts_out("");
    run.answer(AnswerFacts {
        keep_alive: KeepAliveInterval::Secs(40),
        ..GOOD
    });
    assert_eq!(run.machine.deadline(), Some(run.now + 40 * SECOND));
    run.machine.hold_up(true);
    run.wait(40);
    assert_eq!(run.machine.deadline(), None);
    run.puts_out("nothing");
    run.machine.hold_up(false);
    run.puts_out("");
    run.answer(AnswerFacts {
        keep_alive: KeepAliveInterval::Off,
        ..GOOD
    });
    assert_eq!(run.machine.deadline(), None);
}

#[test]
fn refreshes_ask_now_or_once_more() {
    let mut run = Run::new();
    run.machine.on_refresh();
    run.puts_out("");
    run.machine.on_refresh();
    run.machine.on_refresh();
    run.puts_out("nothing");
    run.answer(GOOD);
    run.puts_out("");
    run.answer(GOOD);
    run.puts_out("nothing");
    run.machine.on_refresh();
    run.text("a");
    run.puts_out("TEXT 1|a|");
    run.answer(GOOD);
    run.puts_out("nothing");
}

#[test]
fn failed_requests_are_repeated_with_growing_pauses() {
    let mut run = Run::with(false, KeepAliveInterval::Secs(20));
    run.text("a");
    run.puts_out("TEXT 1|a|");
    for pause in [1, 2, 4, 8, 16] {
        run.text("b");
        run.fail(true);
        run.fail(false);
        run.answer(GOOD);
        assert_eq!(run.machine.deadline(), Some(run.now + SECOND * pause));
        run.wait(u64::from(pause) - 1);
        run.puts_out("nothing");
        run.wait(1);
        run.puts_out("TEXT 1|a|");
    }
    run.fail(true);
    run.puts_out("fail ws-backend-unreachable");

    let mut run = Run::new();
    for _ in 0..3 {
        run.text("a");
        run.puts_out("TEXT 1|a|");
        let jitter = Duration::from_millis(999);
        let now = run.now;
        run.machine.on_failed(true, Moment { now, jitter });
        assert_eq!(run.machine.deadline(), Some(now + SECOND + jitter));
        run.wait(2);
        run.puts_out("TEXT 1|a|");
        run.answer(GOOD);
    }
    run.machine.on_refresh();
    run.puts_out("");
    run.fail(false);
    run.puts_out("fail ws-request-failed");
}

#[test]
fn a_held_up_machine_begins_no_request() {
    let mut run = Run::new();
    run.machine.hold_up(true);
    run.text("a");
    run.machine.on_refresh();
    run.close(1000);
    run.puts_out("nothing");
    run.machine.hold_up(false);
    run.puts_out("TEXT 1|a|CLOSE 2|\\x03\\xe8|");
}

#[test]
fn a_full_queue_has_no_room_and_counts_empty_messages() {
    let mut run = Run::new();
    run.machine
        .on_message(WsKind::Binary, Bytes::from(vec![0; 199_000]));
    assert!(run.machine.has_room());
    run.machine
        .on_message(WsKind::Text, Bytes::from(vec![0; 1000]));
    assert!(!run.machine.has_room());
    assert!(matches!(run.machine.next_output(), Some(Output::Post(_))));
    assert!(!run.machine.has_room());
    run.answer(GOOD);
    assert!(run.machine.has_room());

    let mut count = 0;
    while run.machine.has_room() {
        run.machine.on_message(WsKind::Ping, Bytes::new());
        count += 1;
    }
    assert_eq!(count, 200_000 / 64);
    run.machine.on_detach();
    assert!(run.machine.has_room(), "what is thrown away is read");
}

#[test]
fn a_full_queue_of_which_nothing_is_accepted_waits_for_a_keep_alive_or_fails() {
    for (interval, fails) in [
        (KeepAliveInterval::Off, true),
        (KeepAliveInterval::Secs(5), false),
    ] {
        let mut run = Run::with(false, interval);
        let content = Bytes::from(vec![b'x'; 200_000]);
        run.machine.on_message(WsKind::Binary, content);
        assert!(matches!(run.machine.next_output(), Some(Output::Post(_))));
        run.accept(0);
        match fails {
            true => assert!(matches!(
                run.machine.next_output(),
                Some(Output::Fail(Failure::NothingAccepted))
            )),
            false => {
                assert!(run.machine.next_output().is_none());
                run.wait(5);
                assert!(matches!(run.machine.next_output(), Some(Output::Post(_))));
            }
        }
    }
}

#[test]
fn failures_have_words_and_a_side() {
    use crate::grip::Side;
    for failure in [
        Failure::AcceptedTooMuch,
        Failure::CloseNotAccepted,
        Failure::NothingAccepted,
        Failure::Request,
        Failure::Unreachable,
    ] {
        assert_eq!(failure.side(), Side::Backend);
        assert!(!failure.to_string().is_empty() && !failure.code().is_empty());
    }
}

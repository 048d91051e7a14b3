//! Each rule of a carried WebSocket alone; random traffic is in `simulation`.

mod closing;
mod repeats;
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

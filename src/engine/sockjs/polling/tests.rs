//! Tests of the polling machine: tables of what happens, with virtual time, and a seeded random run.

use fastrand::Rng;

use super::*;

/// What happens, after how many milliseconds from the begin.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Poll,
    PollWithMessages,
    Gone,
    Messages,
    Send,
    Sent,
    Shut,
    Lost,
    Timer,
}

use Step::{Gone, Lost, Messages, Open, Poll, PollWithMessages, Send, Sent, Shut, Timer};

fn close() -> Close {
    Close::new(Some(3000), "Go away!")
}

/// Runs steps, and tells what came of each: what the request of the step got, then the outputs.
fn run(steps: &[(u64, Step)]) -> Vec<String> {
    let begin = Instant::now();
    let mut polling = Polling::new();
    let mut told = Vec::new();
    for (millis, step) in steps {
        let now = begin + Duration::from_millis(*millis);
        let mut words = Vec::new();
        match step {
            Open => polling.on_open(now),
            Poll => words.push(polled(polling.on_poll(false, now))),
            PollWithMessages => words.push(polled(polling.on_poll(true, now))),
            Gone => polling.on_poll_gone(),
            Messages => polling.on_messages(now),
            Send => words.push(match polling.on_send() {
                super::Sent::Answered(answer) => framed(&answer),
                other => format!("{other:?}").to_lowercase(),
            }),
            Sent => polling.on_sent(),
            Shut => polling.on_close(close(), now),
            Lost => polling.on_lost(),
            Timer => polling.on_timer(now),
        }
        while let Some(output) = polling.next_output() {
            words.push(match output {
                Output::Answer(answer) => format!("-> {}", framed(&answer)),
                Output::Refuse => "-> 410".to_owned(),
                Output::End(end) => format!("end {end:?}").to_lowercase(),
            });
        }
        told.push(words.join(" "));
    }
    told
}

fn polled(polled: Polled) -> String {
    match polled {
        Polled::Waits => "waits".to_owned(),
        Polled::Answered(answer) => framed(&answer),
        Polled::Over => "over".to_owned(),
    }
}

fn framed(answer: &Answer) -> String {
    let frame = answer.frame([Bytes::from_static(b"\"m\"")]);
    String::from_utf8(frame.to_vec()).unwrap()
}

const CLOSED: &str = "c[3000,\"Go away!\"]";
const SECOND: &str = "c[2010,\"Another connection still open\"]";

#[track_caller]
fn check(table: &[(u64, Step, &str)]) {
    let steps: Vec<_> = table.iter().map(|(at, step, _)| (*at, *step)).collect();
    let expected: Vec<_> = table.iter().map(|(.., told)| *told).collect();
    assert_eq!(run(&steps), expected);
}

#[test]
fn the_first_poll_opens_and_the_next_ones_get_messages() {
    check(&[
        (300, Open, "-> o"),
        (400, Poll, "waits"),
        (9000, Messages, "-> a[\"m\"]"),
        (9100, Messages, ""),
        (9200, PollWithMessages, "a[\"m\"]"),
        (9300, Poll, "waits"),
        (9400, Messages, "-> a[\"m\"]"),
    ]);
}

#[test]
fn messages_that_come_with_the_accept_wait_for_the_second_poll() {
    check(&[
        (0, Messages, ""),
        (1, Open, "-> o"),
        (2, PollWithMessages, "a[\"m\"]"),
    ]);
}

#[test]
fn a_second_poll_is_told_so_and_the_first_goes_on() {
    check(&[
        (0, Poll, SECOND),
        (1, Open, "-> o"),
        (2, Poll, "waits"),
        (3, Poll, SECOND),
        (4, PollWithMessages, SECOND),
        (5, Messages, "-> a[\"m\"]"),
        (6, Poll, "waits"),
    ]);
}

#[test]
fn a_silent_poll_gets_a_heartbeat_after_25_seconds() {
    check(&[
        (0, Open, "-> o"),
        (1000, Poll, "waits"),
        (25_999, Timer, ""),
        (26_000, Timer, "-> h"),
        (30_999, Timer, ""),
        (30_999, Poll, "waits"),
        (55_999, Timer, "-> h"),
    ]);
}

#[test]
fn a_session_without_a_poll_ends_after_5_seconds() {
    check(&[
        (0, Open, "-> o"),
        (4999, Timer, ""),
        (5000, Timer, "end gone"),
        (5001, Poll, "over"),
        (5001, Send, "over"),
        (5002, Shut, ""),
        (5003, Lost, ""),
        (9000, Timer, ""),
    ]);
    check(&[
        (0, Open, "-> o"),
        (1000, Poll, "waits"),
        (2000, Messages, "-> a[\"m\"]"),
        (6000, Send, "taken"),
        (7000, Timer, "end gone"),
    ]);
}

#[test]
fn a_request_that_comes_before_a_late_timer_is_not_late() {
    check(&[
        (0, Open, "-> o"),
        (6000, Send, "taken"),
        (6000, Poll, "waits"),
        (6000, Timer, ""),
        (32_000, Poll, SECOND),
        (32_000, Timer, "-> h"),
    ]);
}

#[test]
fn a_client_that_leaves_while_it_polls_ends_the_session() {
    check(&[(0, Gone, "end gone"), (1, Open, ""), (2, Poll, "over")]);
    check(&[
        (0, Open, "-> o"),
        (1, Gone, ""),
        (2, Poll, "waits"),
        (3, Gone, "end gone"),
        (4, Messages, ""),
    ]);
}

#[test]
fn a_close_answers_the_poll_and_is_repeated_for_5_seconds() {
    check(&[
        (0, Open, "-> o"),
        (1, Poll, "waits"),
        (1000, Shut, "-> c[3000,\"Go away!\"]"),
        (1001, Poll, CLOSED),
        (5000, PollWithMessages, CLOSED),
        (5001, Send, CLOSED),
        (5002, Shut, ""),
        (5003, Lost, ""),
        (5999, Poll, CLOSED),
        (6000, Timer, "end closed"),
        (6001, Poll, "over"),
    ]);
}

#[test]
fn messages_that_wait_go_before_the_close() {
    check(&[
        (0, Open, "-> o"),
        (1000, Shut, ""),
        (1001, Send, "dropped"),
        (4000, PollWithMessages, "a[\"m\"]"),
        (8000, Poll, CLOSED),
        (12_999, Poll, CLOSED),
        (13_000, Timer, "end closed"),
    ]);
    check(&[
        (0, Open, "-> o"),
        (1000, Shut, ""),
        (5000, Timer, "end gone"),
    ]);
}

#[test]
fn a_backend_that_closes_instead_of_accepting_is_told_at_once() {
    check(&[(0, Shut, "-> c[3000,\"Go away!\"]"), (1, Poll, CLOSED)]);
}

#[test]
fn a_lost_backend_refuses_the_poll_and_ends_the_session() {
    check(&[(0, Lost, "-> 410 end lost"), (1, Poll, "over")]);
    check(&[
        (0, Open, "-> o"),
        (1, Poll, "waits"),
        (2, Lost, "-> 410 end lost"),
    ]);
    check(&[(0, Open, "-> o"), (1, Lost, "end lost"), (2, Lost, "")]);
    check(&[(0, Open, "-> o"), (1, Shut, ""), (2, Lost, "end lost")]);
}

#[test]
fn one_request_sends_at_a_time() {
    check(&[
        (0, Open, "-> o"),
        (1, Send, "taken"),
        (2, Send, "busy"),
        (3, Sent, ""),
        (4, Send, "taken"),
    ]);
}

/// A client's view of the session, beside the machine's.
#[derive(Debug, Default)]
struct Model {
    polls_waiting: usize,
    messages: usize,
    delivered: usize,
    is_opened: bool,
    is_closed: bool,
    is_over: bool,
    since_poll: Duration,
    since_answer: Duration,
}

impl Model {
    fn answered(&mut self, answer: &Answer) {
        match answer {
            Answer::Open => {
                assert!(!self.is_opened, "it opens once");
                self.is_opened = true;
            }
            Answer::Messages => {
                assert!(self.is_opened && self.messages > 0);
                self.delivered += std::mem::take(&mut self.messages);
            }
            Answer::Heartbeat => {
                assert!(self.is_opened && self.messages == 0);
                assert!(self.since_poll >= HEARTBEAT_AFTER, "{self:?}");
            }
            Answer::Close(_) => assert!(self.is_closed && self.messages == 0),
        }
        self.since_answer = Duration::ZERO;
    }

    fn take(&mut self, output: Output) {
        assert!(!self.is_over, "an end is last");
        match output {
            Output::Answer(answer) => {
                self.polls_waiting -= 1;
                self.answered(&answer);
            }
            Output::Refuse => self.polls_waiting -= 1,
            Output::End(end) => {
                self.is_over = true;
                let is_late = self.since_answer >= UNPOLLED_MAX;
                match end {
                    End::Gone if self.polls_waiting > 0 => self.polls_waiting -= 1,
                    End::Gone => assert!(is_late, "{self:?}"),
                    End::Closed => assert!(self.is_closed),
                    End::Lost => {}
                }
            }
        }
    }

    fn poll(&mut self, polling: &mut Polling, now: Instant) {
        let had_poll = self.polls_waiting > 0;
        let polled = polling.on_poll(self.messages > 0, now);
        assert_eq!(polling.next_output(), None, "nothing for a poll that waits");
        match polled {
            Polled::Waits => {
                assert!(self.messages == 0 && self.is_opened && !self.is_closed);
                self.polls_waiting += 1;
                self.since_poll = Duration::ZERO;
            }
            Polled::Answered(Answer::Close(close)) if close == Close::still_open() => {
                assert!(had_poll && self.polls_waiting == 1);
            }
            Polled::Answered(answer) => {
                let is_repeated = self.is_closed && matches!(answer, Answer::Close(_));
                let since = self.since_answer;
                self.answered(&answer);
                if is_repeated {
                    self.since_answer = since;
                }
            }
            Polled::Over => assert!(self.is_over),
        }
    }
}

#[test]
fn whatever_happens_each_poll_is_answered_once_and_in_time() {
    let seed = std::env::var("P8_SIM_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    for seed in seed.map_or(0..2000, |seed: u64| seed..seed + 1) {
        println!("P8_SIM_SEED={seed}");
        random_run(seed);
    }
}

fn random_run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut now = Instant::now();
    let mut polling = Polling::new();
    let mut model = Model {
        polls_waiting: 1,
        ..Model::default()
    };
    for _ in 0..rng.usize(..60) {
        let passes = Duration::from_millis([0, 1, 900, 4999, 5000, 25_000][rng.usize(..6)]);
        now += passes;
        model.since_poll += passes;
        model.since_answer += passes;
        match rng.u8(..16) {
            0..=2 if !model.is_closed => polling.on_open(now),
            3..=7 => model.poll(&mut polling, now),
            8 => polling.on_poll_gone(),
            9 | 10 if !model.is_closed => {
                model.messages += 1;
                polling.on_messages(now);
            }
            11 if rng.u8(..4) == 0 && model.is_opened => {
                model.is_closed = true;
                polling.on_close(close(), now);
            }
            12 if rng.u8(..8) == 0 => polling.on_lost(),
            13 => drop(polling.on_send()),
            14 => polling.on_sent(),
            _ => polling.on_timer(now),
        }
        while let Some(output) = polling.next_output() {
            model.take(output);
        }
        assert!(model.polls_waiting <= 1);
        assert_eq!(
            polling.has_poll(),
            model.polls_waiting == 1 && !model.is_over
        );
        assert_eq!(
            polling.deadline().is_none(),
            model.is_over || !model.is_opened
        );
    }
}

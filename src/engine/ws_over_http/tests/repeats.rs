//! Requests that nothing waits for: keep-alives, refreshes, and failed ones again.

use super::*;

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

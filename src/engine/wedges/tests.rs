//! Threads that stop turning, on a clock of the test's own.

use super::*;

const TICK: Duration = Duration::from_millis(250);

/// A watch, the threads it reads, and the time.
struct Setup {
    watch: Watch,
    now: Instant,
    readings: Vec<Reading>,
    /// Threads that do not beat.
    stuck: Vec<u64>,
}

impl Setup {
    fn new(replacements_max: usize) -> Self {
        let rules = WedgeRules {
            replacements_max,
            ..WedgeRules::default()
        };
        let mut setup = Self {
            watch: Watch::new(rules),
            now: Instant::now(),
            readings: Vec::new(),
            stuck: Vec::new(),
        };
        setup.add(0, Role::Handler(0));
        setup.add(1, Role::Worker(7));
        assert!(setup.tick(TICK).is_empty());
        setup
    }

    fn add(&mut self, thread: u64, role: Role) {
        self.readings.push(Reading {
            thread,
            role,
            beats: 0,
            has_ended: false,
        });
    }

    fn tick(&mut self, after: Duration) -> Vec<Output> {
        self.now += after;
        for reading in &mut self.readings {
            if !self.stuck.contains(&reading.thread) {
                reading.beats += 1;
            }
        }
        self.watch.on_tick(self.now, &self.readings)
    }

    fn ticks(&mut self, n: usize) -> Vec<Output> {
        (0..n).flat_map(|_| self.tick(TICK)).collect()
    }

    fn end(&mut self, thread: u64) {
        let ended = self.readings.iter_mut().find(|r| r.thread == thread);
        ended.expect("a thread").has_ended = true;
    }
}

#[test]
fn threads_that_beat_are_let_alone() {
    let mut setup = Setup::new(5);
    assert!(setup.ticks(1_000).is_empty());
    assert!(setup
        .watch
        .report()
        .unwell(setup.now, &WedgeRules::default())
        .is_empty());
}

#[test]
fn a_handler_that_is_silent_for_the_deadline_is_replaced_and_reported_until_it_ends() {
    let mut setup = Setup::new(5);
    setup.stuck.push(0);
    assert!(setup.ticks(7).is_empty(), "1.75 s are not too long");
    let replace = Output::Replace {
        thread: 0,
        share: 0,
    };
    assert_eq!(setup.tick(TICK), [Output::Wedged(0), replace]);
    let unwell = setup
        .watch
        .report()
        .unwell(setup.now, &WedgeRules::default());
    assert_eq!(unwell, [Unwell::Wedged(Role::Handler(0))]);
    assert_eq!(setup.tick(TICK), [replace], "asked until it is done");
    setup.watch.on_replaced(setup.now, 0);
    setup.add(2, Role::Handler(0));
    assert!(setup.ticks(20).is_empty());
    let report = setup.watch.report();
    assert!(report.unwell(setup.now, &WedgeRules::default()).is_empty());
    let lost = report.threads.iter().find(|known| known.thread == 0);
    let lost = lost.expect("it is reported");
    assert_eq!((lost.state, lost.silent), (State::Lost, TICK * 29));
    setup.end(0);
    assert_eq!(setup.tick(TICK), [Output::Ended(0)]);
    assert_eq!(setup.watch.report().threads.len(), 2);
}

#[test]
fn a_lost_handler_that_turns_again_stays_lost() {
    let mut setup = Setup::new(5);
    setup.stuck.push(0);
    setup.ticks(8);
    setup.watch.on_replaced(setup.now, 0);
    setup.stuck.clear();
    assert!(setup.ticks(10).is_empty());
    assert_eq!(setup.watch.report().threads[0].state, State::Lost);
}

#[test]
fn a_worker_is_reported_and_not_replaced() {
    let mut setup = Setup::new(5);
    setup.stuck.push(1);
    assert_eq!(setup.ticks(20), [Output::Wedged(1)]);
    let unwell = setup
        .watch
        .report()
        .unwell(setup.now, &WedgeRules::default());
    assert_eq!(unwell, [Unwell::Wedged(Role::Worker(7))]);
    setup.stuck.clear();
    assert_eq!(setup.tick(TICK), [Output::Turns(1)]);
    assert!(setup
        .watch
        .report()
        .unwell(setup.now, &WedgeRules::default())
        .is_empty());
}

#[test]
fn a_process_that_was_suspended_takes_nobody_for_wedged() {
    let mut setup = Setup::new(5);
    setup.stuck = vec![0, 1];
    assert!(setup.tick(Duration::from_secs(3_600)).is_empty());
    assert!(setup.ticks(3).is_empty());
}

#[test]
fn past_the_bound_p8_gives_up_once() {
    let mut setup = Setup::new(2);
    for thread in [0, 2] {
        setup.stuck.push(thread);
        setup.ticks(8);
        setup.watch.on_replaced(setup.now, thread);
        setup.end(thread);
        setup.add(thread + 2, Role::Handler(0));
        setup.tick(TICK);
    }
    setup.stuck.push(4);
    let outputs = setup.ticks(20);
    assert_eq!(outputs, [Output::Wedged(4), Output::GiveUp]);
    let unwell = setup
        .watch
        .report()
        .unwell(setup.now, &WedgeRules::default());
    assert!(unwell.contains(&Unwell::GivenUp));
}

#[test]
fn replacements_of_an_hour_ago_are_forgotten_if_their_threads_have_ended() {
    for (has_ended, expected) in [
        (
            true,
            Output::Replace {
                thread: 2,
                share: 0,
            },
        ),
        (false, Output::GiveUp),
    ] {
        let mut setup = Setup::new(1);
        setup.stuck.push(0);
        setup.ticks(8);
        setup.watch.on_replaced(setup.now, 0);
        setup.add(2, Role::Handler(0));
        if has_ended {
            setup.end(0);
        }
        setup.tick(WINDOW);
        setup.stuck.push(2);
        let outputs = setup.ticks(8);
        assert_eq!(outputs, [Output::Wedged(2), expected]);
    }
}

#[test]
fn a_supervisor_that_does_not_look_is_not_well() {
    let setup = Setup::new(5);
    let (report, rules) = (setup.watch.report(), WedgeRules::default());
    assert!(report.unwell(setup.now + TICK, &rules).is_empty());
    let unwell = report.unwell(setup.now + rules.deadline * 2, &rules);
    assert_eq!(unwell, [Unwell::Supervisor]);
    let off = WedgeRules {
        deadline: Duration::ZERO,
        ..rules
    };
    assert!(report
        .unwell(setup.now + rules.deadline * 2, &off)
        .is_empty());
}

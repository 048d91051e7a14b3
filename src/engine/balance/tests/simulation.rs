//! Targets that come and go, by chance: whoever is well is asked, fairly, and nobody is given up.
//!
//! One seed is one world; `P8_SIM_SEED` replays it.

use super::*;
use fastrand::Rng;

/// What a target does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Refusing,
    Silent,
}

struct Seat {
    mood: Mood,
    was_always_well: bool,
    health: Health,
    under_way: u32,
    /// The request that tries it.
    trial: Option<Trial>,
    /// Ejections since it was last in service.
    ejections: u32,
    /// How often it was chosen since the set of those in service last changed.
    chosen: u32,
}

impl Seat {
    fn end_trial(&mut self, trial: Option<Trial>) {
        self.trial = self.trial.filter(|under_way| Some(*under_way) != trial);
    }
}

/// A request under way to a target.
struct Flight {
    target: usize,
    trial: Option<Trial>,
    ends: Instant,
    /// Its client leaves before that tells anything.
    is_left: bool,
}

struct World {
    rng: Rng,
    now: Instant,
    order: Order,
    rotation: Rotation,
    limits: EjectionLimits,
    seats: Vec<Seat>,
    flights: Vec<Flight>,
    in_service: Vec<bool>,
    shown: String,
    ejected: u32,
    answered: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let order = [Order::First, Order::RoundRobin, Order::LeastRequests][rng.usize(..3)];
        let seats = (0..rng.usize(1..6)).map(|_| Seat {
            mood: Mood::Well,
            was_always_well: true,
            health: Health::default(),
            under_way: 0,
            trial: None,
            ejections: 0,
            chosen: 0,
        });
        let first = Duration::from_millis(rng.u64(100..5_000));
        World {
            order,
            rotation: Rotation::default(),
            limits: EjectionLimits {
                after: rng.u32(1..6),
                first,
                max: first * rng.u32(1..20),
            },
            seats: seats.collect(),
            now: Instant::now(),
            flights: Vec::new(),
            in_service: Vec::new(),
            shown: format!("P8_SIM_SEED={seed} {order:?}"),
            ejected: 0,
            answered: 0,
            rng,
        }
    }

    fn run(&mut self) {
        for _ in 0..2_000 {
            if self.rng.u8(..) < 4 {
                self.change_a_mood();
            }
            self.step();
        }
        self.seats
            .iter_mut()
            .for_each(|seat| seat.mood = Mood::Well);
        let end = self.now + self.limits.max * 2 + Duration::from_secs(60);
        while self.now < end {
            self.step();
        }
        let first_only = self.order == Order::First;
        for (at, seat) in self.seats.iter().enumerate() {
            // Behind one that is asked first, nobody learns that another is well again.
            let is_seen = at == 0 || !first_only;
            let standing = seat.health.standing(self.now);
            assert!(
                !is_seen || standing == Standing::InService || seat.trial.is_some(),
                "{}: target {at} is well and was not taken back: {standing:?}",
                self.shown
            );
        }
    }

    fn change_a_mood(&mut self) {
        let at = self.rng.usize(..self.seats.len());
        let mood = [Mood::Well, Mood::Well, Mood::Refusing, Mood::Silent][self.rng.usize(..4)];
        self.seats[at].mood = mood;
        self.seats[at].was_always_well &= mood == Mood::Well;
    }

    /// Lets some time pass, and sends a request.
    fn step(&mut self) {
        self.now += Duration::from_millis(self.rng.u64(1..200));
        let now = self.now;
        let (over, under_way) = self
            .flights
            .drain(..)
            .partition(|flight| flight.ends <= now);
        self.flights = under_way;
        over.into_iter()
            .for_each(|flight: Flight| self.land(flight));
        self.send();
    }

    fn send(&mut self) {
        let now = self.now;
        let is_out = |seat: &Seat| seat.health.standing(now) == Standing::Ejected;
        let candidate = |seat: &Seat| Candidate {
            under_way: seat.under_way,
            is_out: is_out(seat),
        };
        let candidates: Vec<_> = self.seats.iter().map(candidate).collect();
        let tried = self.rotation.order(self.order, &candidates);
        self.check_choice(&candidates, &tried);
        let some_well = self.seats.iter().any(|seat| seat.mood == Mood::Well);
        for at in tried {
            let seat = &mut self.seats[at];
            let trial = seat.health.begin(now);
            if trial.is_some() {
                assert_eq!(seat.trial, None, "{}: two trials", self.shown);
                seat.trial = trial;
            }
            seat.under_way += 1;
            if seat.mood != Mood::Refusing {
                let lasts = Duration::from_millis(self.rng.u64(1..2_000));
                self.flights.push(Flight {
                    target: at,
                    trial,
                    ends: now + lasts,
                    is_left: self.rng.u8(..) < 16,
                });
                return;
            }
            self.fail(at, trial);
        }
        assert!(!some_well, "{}: one was well and not asked", self.shown);
    }

    fn check_choice(&mut self, candidates: &[Candidate], tried: &[usize]) {
        let mut all = tried.to_vec();
        all.sort_unstable();
        assert_eq!(all, (0..candidates.len()).collect::<Vec<_>>());
        let out = |at: &usize| candidates[*at].is_out;
        assert!(tried.is_sorted_by_key(out), "{}: {tried:?}", self.shown);
        let in_service: Vec<_> = candidates.iter().map(|seat| !seat.is_out).collect();
        if in_service != self.in_service {
            self.in_service = in_service;
            self.seats.iter_mut().for_each(|seat| seat.chosen = 0);
        }
        let first = tried[0];
        self.seats[first].chosen += 1;
        let is_choosable = |at: &usize| out(at) == out(&first);
        let alike = || (0..candidates.len()).filter(is_choosable);
        match self.order {
            Order::First => assert_eq!(Some(first), alike().min(), "{}", self.shown),
            Order::RoundRobin => {
                let turns = || alike().map(|at| self.seats[at].chosen);
                let (least, most) = (turns().min(), turns().max());
                assert!(most <= least.map(|n| n + 1), "{}: unfair", self.shown);
            }
            Order::LeastRequests => {
                let least = alike().map(|at| candidates[at].under_way).min();
                assert_eq!(Some(candidates[first].under_way), least, "{}", self.shown);
            }
        }
    }

    fn land(&mut self, flight: Flight) {
        let Flight { target, trial, .. } = flight;
        let seat = &mut self.seats[target];
        if flight.is_left {
            seat.under_way -= 1;
            seat.end_trial(trial);
            seat.health.on_undecided(trial);
        } else if seat.mood == Mood::Well {
            seat.under_way -= 1;
            seat.trial = None;
            seat.health.on_answer();
            seat.ejections = 0;
            self.answered += 1;
        } else {
            self.fail(target, trial);
        }
    }

    fn fail(&mut self, at: usize, trial: Option<Trial>) {
        let (now, limits, chance) = (self.now, self.limits, self.rng.f64());
        let seat = &mut self.seats[at];
        seat.under_way -= 1;
        let is_trial = trial.is_some() && seat.trial == trial;
        seat.end_trial(trial);
        let was_in_service = seat.health.standing(now) == Standing::InService;
        let Some(pause) = seat.health.on_failure(trial, now, limits, chance) else {
            return;
        };
        assert!(is_trial || was_in_service, "{}", self.shown);
        assert!(!seat.was_always_well, "{}: a well one ejected", self.shown);
        let whole = limits
            .first
            .mul_f64(2_f64.powi(seat.ejections.min(20) as i32));
        let whole = whole.min(limits.max);
        let slack = Duration::from_micros(1);
        assert!(
            pause <= whole + slack && pause + slack >= whole.mul_f64(0.75),
            "{}: {pause:?} of {whole:?}",
            self.shown
        );
        seat.ejections += 1;
        self.ejected += 1;
        assert_eq!(seat.health.standing(now), Standing::Ejected);
        assert_eq!(seat.health.standing(now + pause), Standing::OnTrial);
    }
}

#[test]
fn whoever_is_well_is_asked_and_nobody_is_given_up() {
    let seeds = match std::env::var("P8_SIM_SEED") {
        Ok(text) => {
            let seed: u64 = text.parse().expect("P8_SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..100,
    };
    let (mut ejected, mut answered) = (0, 0);
    for seed in seeds.clone() {
        let mut world = World::new(seed);
        world.run();
        ejected += world.ejected;
        answered += world.answered;
    }
    let is_mixed = ejected > 300 && answered > 50_000;
    assert!(
        is_mixed || seeds.end - seeds.start == 1,
        "{ejected} {answered}"
    );
}

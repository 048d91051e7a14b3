//! Whether a target is in service, as the requests to it tell: ejected after failures in a row, for
//! longer and longer, and back after one request that is answered.
//!
//! ```text
//!             failures in a row            back-off over            answered
//! in service ──────────────────▶ ejected ──────────────▶ on trial ─────────▶ in service
//!                                   ▲      one request      │ failed
//!                                   └── twice as long ──────┘
//! ```
//!
//! A failure is a request without an answer, by the backend's fault; an answer is one of any status.

use std::time::{Duration, Instant};

/// Bounds how soon and for how long a target is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionLimits {
    /// Failures in a row after which it is; 0: never.
    pub after: u32,
    /// How long the first time.
    pub first: Duration,
    /// How long at most.
    pub max: Duration,
}

impl Default for EjectionLimits {
    fn default() -> Self {
        Self {
            after: 5,
            first: Duration::from_secs(5),
            max: Duration::from_secs(300),
        }
    }
}

/// Names where a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is asked.
    InService,
    /// It was ejected for long enough: one request may try it.
    OnTrial,
    /// It is left alone, or a request tries it just now.
    Ejected,
}

/// Names one request that tries an ejected target; it decides only about that ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial(u32);

/// Follows the requests to one target.
#[derive(Clone, Debug, Default)]
pub struct Health {
    failures: u32,
    trials: u32,
    ejected: Option<Ejection>,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    /// Its length without chance.
    pause: Duration,
    trial: Option<Trial>,
}

impl Health {
    /// Tells where the target stands.
    pub fn standing(&self, now: Instant) -> Standing {
        match &self.ejected {
            None => Standing::InService,
            Some(ejection) if ejection.until <= now && ejection.trial.is_none() => {
                Standing::OnTrial
            }
            Some(_) => Standing::Ejected,
        }
    }

    /// Returns how many requests in a row failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes that a request goes to the target, maybe as the trial.
    pub fn begin(&mut self, now: Instant) -> Option<Trial> {
        if self.standing(now) != Standing::OnTrial {
            return None;
        }
        self.trials = self.trials.wrapping_add(1);
        let trial = Some(Trial(self.trials));
        self.ejected.as_mut()?.trial = trial;
        trial
    }

    /// Notes an answer, whoever asked; returns whether the target is back in service by it.
    pub fn on_answer(&mut self) -> bool {
        self.failures = 0;
        self.ejected.take().is_some()
    }

    /// Notes a failure; returns for how long the target is ejected, if it is by this one.
    ///
    /// `chance`, from 0 to 1, shortens that by up to a quarter, so that not all workers try again at
    /// the same moment. Requests that were under way when the target was ejected change nothing.
    pub fn on_failure(
        &mut self,
        trial: Option<Trial>,
        now: Instant,
        limits: EjectionLimits,
        chance: f64,
    ) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let pause = match &self.ejected {
            Some(ejection) if trial.is_some() && ejection.trial == trial => {
                ejection.pause.saturating_mul(2).min(limits.max)
            }
            Some(_) => return None,
            None if limits.after == 0 || self.failures < limits.after => return None,
            None => limits.first.min(limits.max),
        };
        let shortened = pause.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0);
        self.ejected = Some(Ejection {
            until: now + shortened,
            pause,
            trial: None,
        });
        Some(shortened)
    }

    /// Notes that a request ended without telling anything of the target, such as by its client's leaving.
    pub fn on_undecided(&mut self, trial: Option<Trial>) {
        if let Some(ejection) = &mut self.ejected {
            if ejection.trial == trial {
                ejection.trial = None;
            }
        }
    }
}

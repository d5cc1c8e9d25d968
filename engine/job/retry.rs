//! When an attempt is followed by another, and how long after.

use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, OutcomeKind};

/// How often a job is tried, after which outcomes, and how far apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// Attempts that may be lost to a crash of the engine or the platform, on top of `max_attempts`, before
    /// the job fails as interrupted. Bounds the loop of a job that takes the engine down with it.
    pub max_interruptions: u32,
    /// The time between attempts.
    pub backoff: Backoff,
    /// The outcomes that are worth another attempt.
    pub on: RetryOn,
}

impl Default for RetryPolicy {
    /// One attempt, three interruptions, one second doubling up to an hour, after any outcome.
    fn default() -> Self {
        RetryPolicy { max_attempts: 1, max_interruptions: 3, backoff: Backoff::default(), on: RetryOn::Any }
    }
}

/// Exponential backoff: `initial × factor^(n-1)`, at most `max`, less a random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Milliseconds between the first attempt and the second.
    pub initial_ms: u64,
    /// Growth per attempt, in percent: 200 doubles, 100 keeps it constant.
    pub factor_percent: u32,
    /// Upper bound in milliseconds.
    pub max_ms: u64,
    /// The share of the delay that is random, in percent: 0 never varies, 100 is anything from 0 to the delay.
    pub jitter_percent: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { initial_ms: 1_000, factor_percent: 200, max_ms: 3_600_000, jitter_percent: 20 }
    }
}

impl Backoff {
    /// Milliseconds to wait after the failed attempt `attempt` (from 1). `roll` is a uniformly random number.
    pub fn delay_ms(&self, attempt: u32, roll: u32) -> u64 {
        let full = self.full_delay_ms(attempt);
        let random_part = u128::from(full) * u128::from(self.jitter_percent.min(100)) / 100;
        let taken_off = random_part * u128::from(roll) / u128::from(u32::MAX);
        full.saturating_sub(taken_off as u64)
    }

    /// Counts in fractions of a millisecond, or a short delay with a small factor would never grow.
    fn full_delay_ms(&self, attempt: u32) -> u64 {
        let max = u128::from(self.max_ms) << FRACTION_BITS;
        let mut delay = u128::from(self.initial_ms) << FRACTION_BITS;
        for _ in 1..attempt {
            let next = delay * u128::from(self.factor_percent) / 100;
            if next == delay || next >= max {
                delay = next;
                break;
            }
            delay = next;
        }
        (delay.min(max) >> FRACTION_BITS) as u64
    }
}

/// 64 bits of a delay, 32 of the factor and these fit into 128.
const FRACTION_BITS: u32 = 20;

/// The outcomes that are worth another attempt. An outcome that the executor calls permanent never is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryOn {
    /// Every one.
    #[default]
    Any,
    /// Those of a listed kind, and programs that end with a listed exit code.
    Only {
        /// Kinds of outcome; not [`OutcomeKind::Interrupted`]: a crash is decided by `on_crash` and
        /// `max_interruptions`.
        kinds: Vec<OutcomeKind>,
        /// Exit codes.
        exit_codes: Vec<i32>,
    },
}

impl RetryOn {
    /// Whether it names this kind.
    pub(crate) fn lists(&self, kind: OutcomeKind) -> bool {
        matches!(self, RetryOn::Only { kinds, .. } if kinds.contains(&kind))
    }

    fn includes(&self, kind: OutcomeKind, outcome: &Outcome) -> bool {
        match self {
            RetryOn::Any => true,
            RetryOn::Only { exit_codes, .. } => {
                self.lists(kind) || matches!(outcome, Outcome::Exit { code } if exit_codes.contains(code))
            }
        }
    }
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this many milliseconds.
    RetryAfter(u64),
    /// Do not try again.
    GiveUp,
}

impl RetryPolicy {
    /// Decides after attempt `attempt` (from 1; `uncounted` of them were lost to crashes or handed back, this one
    /// was not).
    pub fn decide(&self, attempt: u32, uncounted: u32, kind: OutcomeKind, outcome: &Outcome, roll: u32) -> Decision {
        let counted = attempt.saturating_sub(uncounted);
        if counted >= self.max_attempts || outcome.is_permanent() || !self.on.includes(kind, outcome) {
            return Decision::GiveUp;
        }
        Decision::RetryAfter(self.backoff.delay_ms(counted, roll))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum() {
        let backoff = Backoff { initial_ms: 100, factor_percent: 200, max_ms: 1_000, jitter_percent: 0 };
        let delays: Vec<u64> = (1..7).map(|attempt| backoff.delay_ms(attempt, u32::MAX)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn a_short_delay_grows_by_a_small_factor() {
        let backoff = Backoff { initial_ms: 5, factor_percent: 110, max_ms: 1_000, jitter_percent: 0 };
        let delays = [1, 2, 3, 4, 11].map(|attempt| backoff.delay_ms(attempt, 0));
        assert_eq!(delays, [5, 5, 6, 6, 12]);
    }

    #[test]
    fn jitter_takes_off_at_most_its_share() {
        let backoff = Backoff { initial_ms: 1_000, factor_percent: 100, max_ms: 1_000, jitter_percent: 20 };
        assert_eq!(backoff.delay_ms(1, 0), 1_000);
        assert_eq!(backoff.delay_ms(1, u32::MAX), 800);
    }

    #[test]
    fn a_huge_attempt_number_is_no_loop() {
        let backoff = Backoff { initial_ms: 1, factor_percent: 101, max_ms: u64::MAX, jitter_percent: 0 };
        assert_eq!(backoff.delay_ms(u32::MAX, 0), u64::MAX);
        let frozen = Backoff { initial_ms: 0, factor_percent: 200, max_ms: 5, jitter_percent: 0 };
        assert_eq!(frozen.delay_ms(u32::MAX, 0), 0);
    }

    #[test]
    fn chosen_outcomes_only() {
        let policy = RetryPolicy {
            max_attempts: 3,
            on: RetryOn::Only { kinds: vec![OutcomeKind::Signal], exit_codes: vec![75] },
            ..RetryPolicy::default()
        };
        let decide = |outcome: Outcome| policy.decide(1, 0, outcome.kind().unwrap(), &outcome, 0);
        assert_eq!(decide(Outcome::Exit { code: 75 }), Decision::RetryAfter(1_000));
        assert_eq!(decide(Outcome::Exit { code: 1 }), Decision::GiveUp);
        assert_eq!(decide(Outcome::Signal { signal: 9 }), Decision::RetryAfter(1_000));
    }
}

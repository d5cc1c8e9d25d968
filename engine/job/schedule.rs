//! What a schedule does at the times of its calendar: how it meets fires that overlap, that were missed, or that
//! come while it is paused.
//!
//! A fire is a schedule and a nominal time, the time that the calendar says. Each nominal time after the creation of a
//! schedule is decided exactly once: it fires, or it is skipped for a reason that is told. Before it fires it may
//! have to wait.

mod due;
mod spec;
mod state;
mod status;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod stories;

use serde::{Deserialize, Serialize};

pub use due::due;
pub use spec::{OwnSchedule, Owner, ScheduleSpec, Target};
pub use state::{Decision, Fire, Look, Pause, ScheduleState, SkipReason, Skipped};
pub use status::{ScheduleStatus, Trouble, UnderWay};

use super::calendar::Calendar;
use super::limits::ScheduleLimits;
use super::time::Timestamp;
use crate::error::Problem;

/// How a schedule meets what its calendar does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What happens at a nominal time while an earlier fire is still under way.
    pub overlap: Overlap,
    /// What happens to nominal times that were missed.
    pub catch_up: CatchUp,
    /// A fire that is at most so late is on time, and not missed.
    pub on_time_ms: u64,
    /// Fires are put off by up to this, so that not all schedules fire at once: by always the same for a schedule
    /// and a nominal time, and never up to the next nominal time.
    pub jitter_ms: u64,
}

impl Default for Policy {
    /// Fires may overlap, missed ones are not made up for, a minute late is on time, no jitter.
    fn default() -> Self {
        Policy { overlap: Overlap::default(), catch_up: CatchUp::default(), on_time_ms: 60_000, jitter_ms: 0 }
    }
}

/// What happens at a nominal time while an earlier fire is still under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It fires all the same.
    #[default]
    Allow,
    /// It is skipped.
    Skip,
    /// The first waits until nothing is under way; those that come while it waits are skipped.
    BufferOne,
    /// It waits for its turn; those that come while so many wait are skipped.
    BufferAll {
        /// How many may wait.
        most: u32,
    },
    /// It fires, and what is under way is cancelled. Of several that are due at once only the last fires.
    CancelOther,
}

/// What happens to nominal times that were missed: because the engine was not there, or the clock was set forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are skipped.
    #[default]
    None,
    /// The last one fires, the others are skipped.
    One,
    /// Those that are not older than this fire.
    Window {
        /// Milliseconds since it was due.
        ms: u64,
    },
    /// The last ones fire.
    Most {
        /// How many.
        count: u32,
    },
}

impl Policy {
    /// Checks it, and that the calendar does not fire too often.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check(&self, calendar: &Calendar, limits: &ScheduleLimits) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let least = limits.least_interval_ms;
        let interval = calendar.least_interval_ms().unwrap_or(u64::MAX);
        if interval < least {
            problems.push(Problem {
                field: "calendar".to_owned(),
                problem: format!("it fires again after {interval} ms"),
                allowed: format!("at least {least} ms between two fires"),
            });
        }
        problems.extend(self.problems(limits));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Everything that is wrong whatever the calendar says.
    pub(crate) fn problems(&self, limits: &ScheduleLimits) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: String, allowed: String| {
            if !holds {
                problems.push(Problem { field: field.to_owned(), problem, allowed });
            }
        };
        if let Overlap::BufferAll { most } = self.overlap {
            let allowed = format!("1 to {}", limits.waiting);
            require((1..=limits.waiting).contains(&most), "overlap.most", format!("{most} is out of range"), allowed);
        }
        if let CatchUp::Most { count } = self.catch_up {
            let allowed = format!("1 to {}", limits.catch_up);
            let holds = (1..=limits.catch_up).contains(&count);
            require(holds, "catch_up.count", format!("{count} is out of range"), allowed);
        }
        if let CatchUp::Window { ms } = self.catch_up {
            let allowed = format!("more than on_time, {} ms, up to {} ms", self.on_time_ms, limits.window_ms);
            require(ms > self.on_time_ms && ms <= limits.window_ms, "catch_up.ms", format!("{ms} ms"), allowed);
        }
        for (field, ms) in [("on_time_ms", self.on_time_ms), ("jitter_ms", self.jitter_ms)] {
            let most = limits.put_off_ms;
            require(ms <= most, field, format!("{ms} ms"), format!("at most {most} ms"));
        }
        problems
    }
}

/// The nominal times of a range, `until` not among them, to be fired whatever the policy says. Those that a schedule has
/// fired already are among them: whoever stores fires knows them by schedule and nominal time.
///
/// # Errors
/// When there are too many.
pub fn backfill(
    calendar: &Calendar,
    from: Timestamp,
    until: Timestamp,
    limits: &ScheduleLimits,
) -> Result<Vec<Timestamp>, Problem> {
    let most = limits.backfill;
    let fires: Vec<Timestamp> = calendar.fires(from, until).take(most.saturating_add(1)).collect();
    if fires.len() <= most {
        return Ok(fires);
    }
    let problem = format!("there are more than {most} fires from {from} until {until}");
    Err(Problem { field: "until".into(), problem, allowed: format!("a range with at most {most} fires") })
}

//! What is known of a schedule between two looks at it, and what a look finds.

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::job::id::Seq;
use crate::job::limits::ScheduleLimits;
use crate::job::time::Timestamp;

/// What is known of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// Its number, which is never another's.
    pub seq: Seq,
    /// Every nominal time up to this one is decided. At first the time at which it was made; it never goes back.
    pub decided: Timestamp,
    /// It is paused.
    pub pause: Option<Pause>,
    /// The nominal times that wait to fire, the first before the others.
    pub waiting: Vec<Timestamp>,
    /// Its fires that are under way.
    pub running: u32,
}

impl ScheduleState {
    /// A schedule that was made at this time: nothing before it counts as missed.
    pub fn new(seq: Seq, created_at: Timestamp) -> Self {
        ScheduleState { seq, decided: created_at, pause: None, waiting: Vec::new(), running: 0 }
    }

    /// What is known of it when what a look found is stored.
    #[must_use]
    pub fn after(self, look: &Look) -> Self {
        let fires = look.decisions.iter().filter(|it| matches!(it, Decision::Fire(_))).count();
        let running = self.running.saturating_add(u32::try_from(fires).unwrap_or(u32::MAX));
        ScheduleState { decided: look.decided, waiting: look.waiting.clone(), running, ..self }
    }
}

/// Why and since when a schedule is paused. Look at it once more before it is paused and before it goes on: what
/// came due before the change is decided as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// What whoever paused it has to say.
    pub note: String,
    /// Since when.
    pub since: Timestamp,
}

impl Pause {
    /// A pause with a note, which may be empty.
    ///
    /// # Errors
    /// When the note is too long.
    pub fn new(note: impl Into<String>, since: Timestamp, limits: &ScheduleLimits) -> Result<Pause, Problem> {
        let (note, most) = (note.into(), limits.note_chars);
        let count = note.chars().count();
        if count <= most {
            return Ok(Pause { note, since });
        }
        let (field, allowed) = ("note".to_owned(), format!("at most {most} characters"));
        Err(Problem { field, problem: format!("it has {count} characters"), allowed })
    }
}

/// What a look at a schedule finds. It has to be stored whole or not at all, fires included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What becomes of nominal times, those that waited first, the others in order.
    pub decisions: Vec<Decision>,
    /// Every nominal time up to this one is decided now.
    pub decided: Timestamp,
    /// Those that wait now.
    pub waiting: Vec<Timestamp>,
    /// When to look again: this very time when there is more to decide than one look may. `None` when no time will
    /// make a difference. When a fire ends while others wait, it is worth a look too.
    pub again: Option<Timestamp>,
}

/// What becomes of a nominal time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It fires now.
    Fire(Fire),
    /// It fires later, when nothing is under way.
    Wait(Timestamp),
    /// It will not fire, and the same holds for others beside it.
    Skip(Skipped),
}

/// A fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The time that the calendar says; with the schedule it is the fire's key.
    pub nominal: Timestamp,
    /// The same with the jitter.
    pub due: Timestamp,
    /// It was missed and is made up for.
    pub made_up: bool,
    /// What is under way of this schedule is to be cancelled.
    pub cancels_others: bool,
}

/// Nominal times that follow each other and will not fire for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many they are.
    pub count: u64,
    /// Why.
    pub reason: SkipReason,
}

/// Why a nominal time does not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It was missed, and is not made up for.
    Missed,
    /// An earlier fire was under way.
    Overlap,
    /// As many as may were waiting already.
    BufferFull,
    /// A later one was due at the same moment, and would have cancelled it.
    Superseded,
    /// The schedule was paused.
    Paused,
    /// What was to run could not be submitted.
    Refused,
}

impl SkipReason {
    /// The word used in the API and on screen.
    pub fn word(self) -> &'static str {
        match self {
            SkipReason::Missed => "missed",
            SkipReason::Overlap => "overlap",
            SkipReason::BufferFull => "buffer_full",
            SkipReason::Superseded => "superseded",
            SkipReason::Paused => "paused",
            SkipReason::Refused => "refused",
        }
    }
}

//! Where a job is: the mutable part of a job.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::after::{Before, Unmet};
use super::id::{ChainId, JobId, Seq};
use super::items::ItemCounts;
use super::outcome::{Deadline, Reason};
use super::spec::JobSpec;
use super::time::Timestamp;

/// A job: what was asked for and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its public id.
    pub id: JobId,
    /// The chain it belongs to.
    pub chain: Option<ChainId>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What was asked for.
    pub spec: Arc<JobSpec>,
    /// Where it is.
    pub status: Status,
}

impl Job {
    /// The key of its records.
    pub fn seq(&self) -> Seq {
        self.id.seq()
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.status.state
    }

    /// A new job as it is stored first: queued, or waiting for what its spec names. `after` are the jobs of
    /// the same submission that it comes after.
    pub fn accept(id: JobId, chain: Option<ChainId>, spec: Arc<JobSpec>, after: Vec<Before>, now: Timestamp) -> Job {
        let waits = Waits {
            items_open: spec.open_items,
            held: spec.hold,
            unmet: spec.node.as_ref().and_then(|node| node.unmet).filter(|_| !after.is_empty()),
            after,
            until: spec.start_at.filter(|start| *start > now),
            retry: false,
        };
        let state = if waits.is_over() { State::Queued } else { State::Waiting };
        let given = spec.items.as_ref().and_then(|items| ItemCounts::default().add(items.count));
        let items = given.unwrap_or_default();
        let status = Status { waits, state, ready_at: now, items, ..Status::default() };
        Job { id, chain, created_at: now, spec, status }
    }
}

/// The eight states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Not ready to run; [`Status::wait`] says why.
    #[default]
    Waiting,
    /// Ready, waits for a slot.
    Queued,
    /// An attempt is under way; [`Status::step`] says how far.
    Running,
    /// The attempt is being stopped.
    Cancelling,
    /// Final: it did its work.
    Succeeded,
    /// Final: it did not, [`Status::reason`] says why.
    Failed,
    /// Final: somebody cancelled it.
    Cancelled,
    /// Final: a deadline passed.
    TimedOut,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [State; 8] = [
        State::Waiting,
        State::Queued,
        State::Running,
        State::Cancelling,
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::TimedOut,
    ];

    /// Whether it is one of the four that are never left.
    pub fn is_final(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Cancelled | State::TimedOut)
    }

    /// The word used in the API, in job files and on screen.
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Queued => "queued",
            State::Running => "running",
            State::Cancelling => "cancelling",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::TimedOut => "timed_out",
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl From<State> for u8 {
    /// The number that stands for it in records: its place in [`State::ALL`]. Never renumbered.
    fn from(state: State) -> u8 {
        state as u8
    }
}

impl TryFrom<u8> for State {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<State, &'static str> {
        State::ALL.get(usize::from(number)).copied().ok_or("no such state")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The axes of a job's condition. Everything the engine does next follows from it and the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Revision: 0 when accepted, one more with every change.
    pub rev: u32,
    /// The state.
    pub state: State,
    /// What it still waits for.
    pub waits: Waits,
    /// How far the attempt is, while running.
    pub step: Option<Step>,
    /// Attempts begun; the number of the current one while running.
    pub attempt: u32,
    /// Those of them that were lost to a crash.
    pub interruptions: u32,
    /// When it last entered the queue.
    pub ready_at: Timestamp,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// When the latest attempt began.
    pub attempt_started_at: Option<Timestamp>,
    /// When it reached its final state.
    pub finished_at: Option<Timestamp>,
    /// Why and since when it is being stopped, while cancelling.
    pub stopping: Option<Stopping>,
    /// Since when its executor cannot be reached. Never final: it is found again, or given up.
    pub lost_since: Option<Timestamp>,
    /// Why it is in its state.
    pub reason: Option<Reason>,
    /// Counters of its items.
    pub items: ItemCounts,
    /// What the executor needs to find the run again.
    pub handle: Option<RunHandle>,
    /// Attempts that the engine handed back to the queue at its own shutdown.
    #[serde(default)]
    pub handed_back: u32,
}

impl Status {
    /// Attempts that do not count against `max_attempts`: lost to a crash or handed back.
    pub fn uncounted(&self) -> u32 {
        self.interruptions + self.handed_back
    }

    /// What a waiting job waits for now: the first of its waits.
    pub fn wait(&self) -> Option<Wait> {
        if self.state == State::Waiting { self.waits.first() } else { None }
    }
}

/// What a job waits for before it may be queued; it is queued when nothing is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Items may still be added.
    pub items_open: bool,
    /// Nobody has released it.
    pub held: bool,
    /// Jobs that are not over yet.
    pub after: Vec<Before>,
    /// Not before this time.
    pub until: Option<Timestamp>,
    /// `until` is the time of the next attempt.
    pub retry: bool,
    /// It is to be skipped when no job is left in `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<Unmet>,
}

impl Waits {
    /// Whether nothing is left to wait for.
    pub fn is_over(&self) -> bool {
        self.first().is_none()
    }

    fn first(&self) -> Option<Wait> {
        if self.items_open {
            Some(Wait::Items)
        } else if self.held {
            Some(Wait::Release)
        } else if !self.after.is_empty() {
            Some(Wait::After)
        } else {
            self.until.map(|at| if self.retry { Wait::Retry(at) } else { Wait::Until(at) })
        }
    }
}

/// The kinds of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Items are still being added.
    Items,
    /// Somebody must release it.
    Release,
    /// Other jobs must end first.
    After,
    /// Its start time has not come.
    Until(Timestamp),
    /// The next attempt begins then.
    Retry(Timestamp),
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// Options are opened, inputs fetched, the run is started.
    Preparing,
    /// The work runs.
    Executing,
    /// Outputs are collected.
    Finalizing,
}

/// Why and since when an attempt is being stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// Why.
    pub cause: StopCause,
    /// Since when.
    pub since: Timestamp,
}

/// Who wants an attempt stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCause {
    /// Somebody cancelled the job.
    Cancel {
        /// Who, as given by the caller.
        by: String,
    },
    /// A deadline passed.
    Deadline(Deadline),
}

/// Opaque bytes of an executor, enough to find a run again; versioned by the executor itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHandle(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunHandle({} bytes)", self.0.len())
    }
}

//! What can happen to a job, and what is told about it afterwards.

use serde::{Deserialize, Serialize};

use super::after::End;
use super::id::{JobId, Seq};
use super::outcome::{Outcome, Reason};
use super::status::{Job, RunHandle, State, Step};
use super::time::Timestamp;

/// Something that happens to a job: the only input of [`apply`](super::apply) beside the job and the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody releases a held job.
    Release,
    /// More items are added while they are still open.
    ItemsAdded(u32),
    /// No more items will come.
    ItemsClosed,
    /// A job that this one waits for has ended.
    Predecessor {
        /// Which.
        id: JobId,
        /// How.
        end: End,
    },
    /// Time has passed: waits that are over and deadlines that have gone by take effect.
    Tick,
    /// A slot was given to it; the next attempt begins. Illegal once a deadline of the job has passed: the
    /// tick that is due ends it.
    Claim,
    /// An attempt got to a step.
    Step {
        /// Which attempt.
        attempt: u32,
        /// The step.
        step: Step,
    },
    /// The executor gave a handle to find the run of an attempt again.
    Checkpoint {
        /// Which attempt.
        attempt: u32,
        /// The handle.
        handle: RunHandle,
    },
    /// An item of an attempt began.
    ItemBegan {
        /// Which attempt.
        attempt: u32,
    },
    /// An item of an attempt ended.
    ItemEnded {
        /// Which attempt.
        attempt: u32,
        /// Whether it ended well.
        succeeded: bool,
    },
    /// Somebody wants it cancelled.
    Cancel {
        /// Who.
        by: String,
    },
    /// An attempt ended.
    Ended {
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// A uniformly random number for the jitter of the next attempt.
        roll: u32,
    },
    /// The executor of an attempt cannot be reached.
    ContactLost {
        /// Which attempt.
        attempt: u32,
    },
    /// It can be reached again.
    ContactFound {
        /// Which attempt.
        attempt: u32,
    },
    /// Somebody gives up an attempt that is out of contact: it counts as lost to a crash, and whatever it reports later
    /// changes nothing. Illegal while its executor can be reached.
    GiveUp {
        /// Which attempt.
        attempt: u32,
        /// Who.
        by: String,
    },
}

impl Event {
    /// The attempt that reports it, or that it is about. What an attempt reports after another has begun, or after
    /// its own end, is late and changes nothing.
    pub fn attempt(&self) -> Option<u32> {
        match self {
            Event::Step { attempt, .. }
            | Event::Checkpoint { attempt, .. }
            | Event::ItemBegan { attempt }
            | Event::ItemEnded { attempt, .. }
            | Event::Ended { attempt, .. }
            | Event::ContactLost { attempt }
            | Event::ContactFound { attempt }
            | Event::GiveUp { attempt, .. } => Some(*attempt),
            Event::Release
            | Event::ItemsAdded(_)
            | Event::ItemsClosed
            | Event::Predecessor { .. }
            | Event::Tick
            | Event::Claim
            | Event::Cancel { .. } => None,
        }
    }

    /// Its kind, as the transition table names it.
    pub fn kind(&self) -> EventKind {
        match self {
            Event::Release => EventKind::Release,
            Event::ItemsAdded(_) => EventKind::ItemsAdded,
            Event::ItemsClosed => EventKind::ItemsClosed,
            Event::Predecessor { .. } => EventKind::Predecessor,
            Event::Tick => EventKind::Tick,
            Event::Claim => EventKind::Claim,
            Event::Step { .. } => EventKind::Step,
            Event::Checkpoint { .. } => EventKind::Checkpoint,
            Event::ItemBegan { .. } => EventKind::ItemBegan,
            Event::ItemEnded { .. } => EventKind::ItemEnded,
            Event::Cancel { .. } => EventKind::Cancel,
            Event::Ended { .. } => EventKind::Ended,
            Event::ContactLost { .. } => EventKind::ContactLost,
            Event::ContactFound { .. } => EventKind::ContactFound,
            Event::GiveUp { .. } => EventKind::GiveUp,
        }
    }
}

/// [`Event`] without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is documented at the event of the same name")]
pub enum EventKind {
    Release,
    ItemsAdded,
    ItemsClosed,
    Predecessor,
    Tick,
    Claim,
    Step,
    Checkpoint,
    ItemBegan,
    ItemEnded,
    Cancel,
    Ended,
    ContactLost,
    ContactFound,
    GiveUp,
}

/// A fact about a job, published after it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEvent {
    /// The job.
    pub id: JobId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: JobFact,
}

/// What a [`JobEvent`] tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobFact {
    /// It was accepted.
    Submitted,
    /// It is ready to run.
    Queued,
    /// An attempt began.
    Started {
        /// Which, from 1.
        attempt: u32,
    },
    /// An attempt ended and another follows.
    AttemptFailed {
        /// Which.
        attempt: u32,
        /// Why.
        reason: Reason,
        /// When the next one begins; `None`: as soon as there is a slot.
        retry_at: Option<Timestamp>,
    },
    /// The attempt is being stopped.
    Stopping {
        /// Why.
        reason: Reason,
    },
    /// The executor cannot be reached.
    ContactLost,
    /// It can be reached again.
    ContactFound,
    /// An attempt that no longer counts has reported; nothing changed.
    LateOutcome {
        /// Which attempt.
        attempt: u32,
        /// What it reported.
        outcome: Outcome,
    },
    /// It reached its final state.
    Finished {
        /// Which.
        state: State,
        /// Why.
        reason: Option<Reason>,
    },
    /// What it left as an output record is none.
    OutputRefused {
        /// The name of the file.
        file: String,
        /// What is wrong with it. Holds nothing of the value.
        why: String,
    },
    /// The function says how far it is. Not stored.
    Progress {
        /// 0 to 100.
        percent: u8,
        /// A word on what it does.
        message: String,
    },
}

/// What is to be told about a change. Facts that the records of a job carry themselves (accepted,
/// first start, end) are told to subscribers but not stored a second time: see [`is_stored`].
pub fn fact_of(before: &Job, after: &Job) -> Option<JobFact> {
    let (old, new) = (&before.status, &after.status);
    if new.state.is_final() {
        return Some(JobFact::Finished { state: new.state, reason: new.reason.clone() });
    }
    if has_attempt(old.state) && !has_attempt(new.state) {
        let reason = new.reason.clone().unwrap_or(Reason::Interrupted);
        return Some(JobFact::AttemptFailed { attempt: old.attempt, reason, retry_at: new.waits.until });
    }
    match (old.state, new.state) {
        (State::Waiting, State::Queued) => Some(JobFact::Queued),
        (State::Queued, State::Running) => Some(JobFact::Started { attempt: new.attempt }),
        (State::Running, State::Cancelling) => {
            Some(JobFact::Stopping { reason: new.reason.clone().unwrap_or(Reason::Interrupted) })
        }
        _ if old.lost_since.is_none() && new.lost_since.is_some() => Some(JobFact::ContactLost),
        _ if old.lost_since.is_some() && new.lost_since.is_none() => Some(JobFact::ContactFound),
        _ => None,
    }
}

fn has_attempt(state: State) -> bool {
    matches!(state, State::Running | State::Cancelling)
}

/// Whether a fact is kept as a row of its own. The others can be told again from the job's records.
pub fn is_stored(fact: &JobFact) -> bool {
    match fact {
        JobFact::AttemptFailed { .. }
        | JobFact::Stopping { .. }
        | JobFact::ContactLost
        | JobFact::ContactFound
        | JobFact::LateOutcome { .. }
        | JobFact::OutputRefused { .. } => true,
        JobFact::Started { attempt } => *attempt > 1,
        JobFact::Submitted | JobFact::Queued | JobFact::Finished { .. } | JobFact::Progress { .. } => false,
    }
}

/// The facts that the records of a job carry: accepted, first start, end.
pub fn facts_in_records(job: &Job) -> Vec<JobEvent> {
    let at = |at: Timestamp, fact: JobFact| JobEvent { id: job.id, at, fact };
    let mut events = vec![at(job.created_at, JobFact::Submitted)];
    if let Some(started) = job.status.started_at {
        events.push(at(started, JobFact::Started { attempt: 1 }));
    }
    if let (Some(finished), true) = (job.status.finished_at, job.status.state.is_final()) {
        let (state, reason) = (job.status.state, job.status.reason.clone());
        events.push(at(finished, JobFact::Finished { state, reason }));
    }
    events
}

/// The keys of the jobs that a job waits for, as the store indexes them.
pub fn waits_for(job: &Job) -> Vec<Seq> {
    let is_waiting = job.status.state == State::Waiting;
    job.status.waits.after.iter().filter(|_| is_waiting).map(|before| before.seq).collect()
}

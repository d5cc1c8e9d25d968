//! What comes after what: edges between jobs of one submission, and how a job must end so that another one runs.

use serde::{Deserialize, Serialize};

use super::id::{JobId, Seq};
use super::outcome::Reason;
use super::status::{State, Status};

/// That a job comes after another one of the same submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The name of the other.
    pub job: String,
    /// How the other must end; the job is skipped when it ends otherwise, and not before all that it comes after are over.
    /// `None`: it must succeed, and a failure or a cancellation ends the job at once, with the same word.
    pub on: Option<On>,
}

impl After {
    /// After the end of a job that must be like this.
    pub fn on(job: impl Into<String>, on: On) -> Self {
        After { job: job.into(), on: Some(on) }
    }
}

impl<S: Into<String>> From<S> for After {
    /// After the success of a job, as in a chain.
    fn from(job: S) -> Self {
        After { job: job.into(), on: None }
    }
}

/// How a job or a node must end so that one that comes after it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// It succeeds.
    #[default]
    Success,
    /// It fails or passes a deadline; not when it is cancelled or skipped.
    Failure,
    /// In any way: it may also be cancelled or skipped.
    Always,
}

impl On {
    /// All, in the order in which they are told.
    pub const ALL: [On; 3] = [On::Success, On::Failure, On::Always];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            On::Success => "success",
            On::Failure => "failure",
            On::Always => "always",
        }
    }

    /// Whether an end is the one that is waited for.
    pub fn holds(self, end: End) -> bool {
        match self {
            On::Success => end == End::Succeeded,
            On::Failure => matches!(end, End::Failed | End::TimedOut),
            On::Always => true,
        }
    }

    /// Both of two conditions; `None` when they cannot both hold.
    pub(super) fn and(self, other: On) -> Option<On> {
        match (self, other) {
            (On::Always, it) | (it, On::Always) => Some(it),
            (one, other) => (one == other).then_some(one),
        }
    }

    /// What was waited for and what came, as in `it comes after the success of NAME, which was a failure`.
    pub fn text(self, name: &str, end: End) -> String {
        let wanted = match self {
            On::Success => "success",
            On::Failure => "failure",
            On::Always => "end",
        };
        format!("it comes after the {wanted} of {name}, which {}", end.told())
    }
}

/// How a job is over, as those see it that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed,
    /// A deadline passed.
    TimedOut,
    /// Somebody cancelled it, or one that it comes after.
    Cancelled,
    /// It did not run, because of how others ended.
    Skipped,
}

impl End {
    /// How a job is over; `None` while it is not.
    pub fn of(status: &Status) -> Option<End> {
        match status.state {
            State::Succeeded => Some(End::Succeeded),
            State::Failed => Some(End::Failed),
            State::TimedOut => Some(End::TimedOut),
            State::Cancelled if matches!(status.reason, Some(Reason::Skipped { .. })) => Some(End::Skipped),
            State::Cancelled => Some(End::Cancelled),
            State::Waiting | State::Queued | State::Running | State::Cancelling => None,
        }
    }

    /// The state of a job that is over like this.
    pub fn state(self) -> State {
        match self {
            End::Succeeded => State::Succeeded,
            End::Failed => State::Failed,
            End::TimedOut => State::TimedOut,
            End::Cancelled | End::Skipped => State::Cancelled,
        }
    }

    fn told(self) -> &'static str {
        match self {
            End::Succeeded => "was a success",
            End::Failed => "was a failure",
            End::TimedOut => "passed a deadline",
            End::Cancelled => "was cancelled",
            End::Skipped => "was skipped",
        }
    }
}

/// A job that another one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Which.
    pub seq: Seq,
    /// How it must end; see [`After::on`].
    pub on: Option<On>,
}

/// A condition that does not hold: the job is skipped when all that it comes after are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmet {
    /// The job that ended otherwise.
    pub job: JobId,
    /// How it had to end.
    pub on: On,
    /// How it ended.
    pub end: End,
}

impl Unmet {
    /// Of two the one whose job came first, so that it does not matter which of them was faster.
    pub(crate) fn first(self, other: Option<Unmet>) -> Unmet {
        match other {
            Some(other) if other.job.seq() < self.job.seq() => other,
            _ => self,
        }
    }

    /// Why the job is skipped.
    pub fn reason(self) -> Reason {
        Reason::Skipped { job: self.job, on: self.on, end: self.end }
    }
}

//! How an attempt ended, and why a job is where it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::after::{End, On};
use super::id::JobId;
use super::status::State;

/// How one attempt ended, as an executor reports it. The core decides what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It did its work.
    Succeeded,
    /// A program ended with a code other than 0.
    Exit {
        /// The exit code.
        code: i32,
    },
    /// A program was ended by a signal that the engine did not send.
    Signal {
        /// The signal number.
        signal: i32,
    },
    /// It asked for more memory than it may have.
    OutOfMemory,
    /// A function panicked.
    Panicked {
        /// The panic message.
        message: String,
    },
    /// The work reported an error.
    Error {
        /// What it said.
        message: String,
        /// Whether trying again is pointless.
        permanent: bool,
    },
    /// The executor could not start it.
    NotStarted {
        /// Why.
        message: String,
        /// Whether trying again is pointless.
        permanent: bool,
    },
    /// The engine stopped it, as the job's state had asked for.
    Stopped,
    /// The engine or the platform went away under it; nobody knows how far it came.
    Interrupted,
    /// The engine stopped it at its own shutdown; it goes back to the queue.
    HandedBack,
}

impl Outcome {
    /// The kind, for retry rules; `None` for a success, a stop and a job handed back.
    pub fn kind(&self) -> Option<OutcomeKind> {
        Some(match self {
            Outcome::Succeeded | Outcome::Stopped | Outcome::HandedBack => return None,
            Outcome::Exit { .. } => OutcomeKind::Exit,
            Outcome::Signal { .. } => OutcomeKind::Signal,
            Outcome::OutOfMemory => OutcomeKind::OutOfMemory,
            Outcome::Panicked { .. } => OutcomeKind::Panic,
            Outcome::Error { .. } => OutcomeKind::Error,
            Outcome::NotStarted { .. } => OutcomeKind::NotStarted,
            Outcome::Interrupted => OutcomeKind::Interrupted,
        })
    }

    /// Whether the executor says that trying again is pointless.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Outcome::Error { permanent: true, .. } | Outcome::NotStarted { permanent: true, .. })
    }

    /// The reason that a job carries when this outcome decides it.
    pub fn reason(&self) -> Option<Reason> {
        Some(match self {
            Outcome::Succeeded | Outcome::Stopped => return None,
            Outcome::Exit { code } => Reason::ExitCode(*code),
            Outcome::Signal { signal } => Reason::Signal(*signal),
            Outcome::OutOfMemory => Reason::OutOfMemory,
            Outcome::Panicked { message } => Reason::Panic(message.clone()),
            Outcome::Error { message, .. } => Reason::Error(message.clone()),
            Outcome::NotStarted { message, .. } => Reason::NotStarted(message.clone()),
            Outcome::Interrupted | Outcome::HandedBack => Reason::Interrupted,
        })
    }
}

/// What retry rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutcomeKind {
    /// Exit code other than 0.
    Exit,
    /// Ended by a signal.
    Signal,
    /// Out of memory.
    OutOfMemory,
    /// A panic in a function.
    Panic,
    /// An error that the work reported.
    Error,
    /// Could not be started.
    NotStarted,
    /// The attempt deadline passed.
    TimedOut,
    /// The engine or the platform went away.
    Interrupted,
}

impl OutcomeKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [OutcomeKind; 8] = [
        OutcomeKind::Exit,
        OutcomeKind::Signal,
        OutcomeKind::OutOfMemory,
        OutcomeKind::Panic,
        OutcomeKind::Error,
        OutcomeKind::NotStarted,
        OutcomeKind::TimedOut,
        OutcomeKind::Interrupted,
    ];

    /// The word used in job files and on screen.
    pub fn word(self) -> &'static str {
        match self {
            OutcomeKind::Exit => "exit",
            OutcomeKind::Signal => "signal",
            OutcomeKind::OutOfMemory => "out_of_memory",
            OutcomeKind::Panic => "panic",
            OutcomeKind::Error => "error",
            OutcomeKind::NotStarted => "not_started",
            OutcomeKind::TimedOut => "timed_out",
            OutcomeKind::Interrupted => "interrupted",
        }
    }
}

/// Which limit of time was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deadline {
    /// Time in the queue.
    Queue,
    /// Time of one attempt.
    Attempt,
    /// Time from submission to the end.
    Total,
    /// Time out of contact with an attempt.
    Lost,
}

/// Why a job is in its state; kept beside the state so that two ways into it stay apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Exit code other than 0.
    ExitCode(i32),
    /// Ended by this signal.
    Signal(i32),
    /// Out of memory.
    OutOfMemory,
    /// A function panicked with this message.
    Panic(String),
    /// The work reported this error.
    Error(String),
    /// The executor could not start it, for this reason.
    NotStarted(String),
    /// A deadline passed.
    Deadline(Deadline),
    /// Somebody cancelled it.
    CancelledBy(String),
    /// A job it had to wait for ended in this state.
    PreviousJob(JobId, State),
    /// It does not run: a job that it comes after did not end as it had to.
    Skipped {
        /// The job that it comes after.
        job: JobId,
        /// How that had to end.
        on: On,
        /// How it ended.
        end: End,
    },
    /// The engine or the platform went away under it.
    Interrupted,
    /// Its attempt was out of contact, and somebody gave it up.
    GivenUpBy(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::ExitCode(code) => write!(f, "exit code {code}"),
            Reason::Signal(signal) => write!(f, "ended by signal {signal}"),
            Reason::OutOfMemory => f.write_str("out of memory"),
            Reason::Panic(message) => write!(f, "panicked: {message}"),
            Reason::Error(message) => f.write_str(message),
            Reason::NotStarted(message) => write!(f, "could not be started: {message}"),
            Reason::Deadline(Deadline::Queue) => f.write_str("waited in the queue for longer than its deadline"),
            Reason::Deadline(Deadline::Attempt) => f.write_str("the attempt ran for longer than its deadline"),
            Reason::Deadline(Deadline::Total) => f.write_str("was not finished by its total deadline"),
            Reason::Deadline(Deadline::Lost) => f.write_str("was out of contact for longer than its deadline"),
            Reason::CancelledBy(who) => write!(f, "cancelled by {who}"),
            Reason::PreviousJob(id, state) => write!(f, "previous job {id} {}", state.word()),
            Reason::Skipped { job, on, end } => f.write_str(&on.text(&format!("job {job}"), *end)),
            Reason::Interrupted => f.write_str("interrupted: the engine went away while it ran"),
            Reason::GivenUpBy(who) => write!(f, "out of contact, and given up by {who}"),
        }
    }
}

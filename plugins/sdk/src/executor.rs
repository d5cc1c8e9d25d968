//! Plugins that run jobs.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::bindings::imports::windlass::plugin::logs;
use crate::descriptor::{Attempt, Descriptor};
use crate::error::{Error, Problem, Result};
use crate::handle::Handle;

mod export;
#[cfg(test)]
mod tests;

pub use export::Export;
pub use logs::Channel;

/// Runs jobs on a platform that goes on while the engine is down.
///
/// Every call gets an instance of its own and may be cut off at any point and made again: nothing is kept between calls
/// but the handle, and a second `submit` of the same attempt must find what the first one made.
pub trait Executor {
    /// What a user writes for a job, read from JSON. Derive `Deserialize` with `deny_unknown_fields`.
    type Options: DeserializeOwned;
    /// What is needed to find a run again.
    type Handle: Handle;

    /// Who it is.
    fn describe() -> Descriptor;

    /// Whether the platform can be reached and lets this engine in.
    fn check() -> Result<()> {
        Ok(())
    }

    /// What the platform can run; a page from the cursor on.
    fn definitions(cursor: Option<&str>) -> Result<Page<Definition>> {
        let _ = cursor;
        Ok(Page::default())
    }

    /// Checks what the types of the options cannot. Must not ask the platform.
    fn validate(options: &Self::Options) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Finds the run of this attempt, or makes and starts it.
    fn submit(task: &Task<Self::Options>) -> Result<Self::Handle>;

    /// What became of these runs: one answer each, in their order. May wait up to `wait` for a change in any of them.
    /// Without a version of its own each is asked about with `observe_one`.
    fn observe(runs: &[Run<Self::Handle>], wait: Duration) -> Result<Vec<Observation<Self::Handle>>> {
        let _ = wait;
        Ok(runs.iter().map(|run| Self::observe_one(run).unwrap_or_else(Observation::Unknown)).collect())
    }

    /// What became of one run; for plugins without an `observe` of their own.
    fn observe_one(run: &Run<Self::Handle>) -> Result<Observation<Self::Handle>> {
        Err(Error::unsupported(format!("{} cannot be observed", run.attempt)))
    }

    /// Pushes what a run has printed since the cursor and waits up to `wait` for more. True when the run is over and all
    /// it ever printed has been pushed.
    fn logs(run: &Run<Self::Handle>, cursor: Option<&str>, wait: Duration, to: &mut LogSink<'_>) -> Result<bool> {
        let _ = (run, cursor, wait, to);
        Ok(true)
    }

    /// Asks a run to stop, and has it ended when it still runs after `grace`; does not wait for that. A run that is over or
    /// not there is fine. What it returns replaces the handle.
    fn stop(run: &Run<Self::Handle>, grace: Duration) -> Result<Option<Self::Handle>>;

    /// Brings what a run has left in its `/work/output` into the engine's.
    fn collect(run: &Run<Self::Handle>) -> Result<()> {
        let _ = run;
        Ok(())
    }

    /// Removes what is left of a run on the platform. Not there is fine.
    fn remove(run: &Run<Self::Handle>) -> Result<()>;

    /// The runs on the platform that bear the mark of this engine; a page from the cursor on.
    fn owned(cursor: Option<&str>) -> Result<Page<Run<Self::Handle>>> {
        let _ = cursor;
        Ok(Page::default())
    }
}

/// Everything about one attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Task<O> {
    /// Its name: no other attempt of any engine bears it.
    pub attempt: Attempt,
    /// What the user calls the job.
    pub name: Option<String>,
    /// The job that stands for the chain it belongs to.
    pub chain: Option<String>,
    /// What is to run.
    pub options: O,
    /// The run options of the job, and what the engine adds to them.
    pub environment: Vec<Variable>,
    /// Between the polite stop and the forced one, where the platform wants to know that in advance.
    pub grace: Duration,
    /// When the attempt is to be stopped at the latest; the engine does that itself.
    pub deadline: Option<SystemTime>,
}

/// One environment variable. `Debug` does not show its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The user called it a secret: it belongs where the platform keeps secrets.
    pub secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// A run that is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<H> {
    /// The attempt it belongs to.
    pub attempt: Attempt,
    /// The latest handle; none where the engine went away before it had one. The run may be there all the same.
    pub handle: Option<H>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It did its work.
    Succeeded,
    /// It ended with this code, other than 0.
    Exited(i32),
    /// A signal ended it that nobody had asked for.
    Signalled(i32),
    /// It wanted more memory than it may have.
    OutOfMemory,
    /// The platform could not start it.
    NotStarted(Error),
    /// It failed in another way.
    Failed(Error),
    /// It ended because `stop` was called.
    Stopped,
    /// The platform has lost it.
    Lost,
}

impl Outcome {
    /// `Succeeded` for 0.
    pub fn of_code(code: i32) -> Outcome {
        if code == 0 { Outcome::Succeeded } else { Outcome::Exited(code) }
    }
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// The platform has it and has not started it; a word on why.
    Pending(Option<String>),
    /// It runs.
    Running,
    /// It is over and stays so.
    Ended(Outcome),
}

/// What the platform knows of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Status<H> {
    /// How far it is.
    pub phase: Phase,
    /// Replaces the stored handle.
    pub handle: Option<H>,
    /// The engine asks again no sooner than after this.
    pub ask_after: Option<Duration>,
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation<H> {
    /// What is known.
    Known(Status<H>),
    /// The platform has no run of this attempt, and never will unless it is submitted again.
    Gone,
    /// It could not be told for this run.
    Unknown(Error),
}

impl<H> Observation<H> {
    /// It waits for the platform, with a word on why.
    pub fn pending(reason: impl Into<String>) -> Self {
        Phase::Pending(Some(reason.into())).into()
    }

    /// It runs.
    pub fn running() -> Self {
        Phase::Running.into()
    }

    /// It is over.
    pub fn ended(outcome: Outcome) -> Self {
        Phase::Ended(outcome).into()
    }

    /// The same, not to be asked again sooner than after this.
    pub fn ask_after(self, wait: Duration) -> Self {
        match self {
            Observation::Known(status) => Observation::Known(Status { ask_after: Some(wait), ..status }),
            other => other,
        }
    }

    /// The same with a handle that replaces the stored one.
    pub fn with_handle(self, handle: H) -> Self {
        match self {
            Observation::Known(status) => Observation::Known(Status { handle: Some(handle), ..status }),
            other => other,
        }
    }
}

impl<H> From<Phase> for Observation<H> {
    fn from(phase: Phase) -> Self {
        Observation::Known(Status { phase, handle: None, ask_after: None })
    }
}

/// Something that can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// The options of a task that runs it.
    pub options: serde_json::Value,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// Where the next page goes on; none after the last.
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Page { entries: Vec::new(), next: None }
    }
}

/// Takes the log of one attempt.
pub struct LogSink<'a> {
    write: &'a mut dyn FnMut(Channel, &[u8], &str) -> bool,
}

impl<'a> LogSink<'a> {
    pub(crate) fn new(write: &'a mut dyn FnMut(Channel, &[u8], &str) -> bool) -> LogSink<'a> {
        LogSink { write }
    }

    /// Appends some bytes. `cursor` is where the log goes on after them, at most 512 bytes; see [`crate::cursor`]. Waits
    /// where the engine is slower than the platform. False when the engine wants no more.
    pub fn write(&mut self, channel: Channel, bytes: &[u8], cursor: impl fmt::Display) -> bool {
        (self.write)(channel, bytes, &cursor.to_string())
    }
}

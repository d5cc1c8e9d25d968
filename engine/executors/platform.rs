//! Platforms: executors whose runs are somewhere else, found by name, and asked after many at once.

use std::path::PathBuf;
use std::sync::Arc;

use super::{AttemptName, AttemptOrder, BoxFuture, ContactError, StartError};
use crate::error::Problem;
use crate::files::AttemptLog;
use crate::job::{Outcome, RunHandle, Task};

/// Runs jobs on a platform that goes on while the engine is down, and does not call back.
///
/// Every call may be made twice and must mean the same the second time: an attempt is named by its job and its number, and
/// what was started under that name is found again. The engine asks after all runs of a platform in one call. A call that
/// panics is one that answered with an error.
pub trait Platform: Send + Sync + 'static {
    /// Whether the platform can be reached and lets this engine in.
    fn check(&self) -> BoxFuture<'_, Result<(), ContactError>>;

    /// What the platform can run, a page from the cursor on.
    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Result<DefinitionPage, ContactError>>;

    /// Checks a task before its job is accepted.
    fn validate<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), Vec<Problem>>>;

    /// Starts an attempt, or finds it when it was started before, also when it is over meanwhile. The handle is stored.
    ///
    /// It is called again with the same attempt when nobody knows what came of the first call, also for work that must not run
    /// twice. So what was started is to be found by its name until [`Platform::remove`] is called.
    fn submit<'a>(
        &'a self,
        order: &'a AttemptOrder,
        journal: Arc<dyn Journal>,
    ) -> BoxFuture<'a, Result<RunHandle, SubmitError>>;

    /// What became of these runs: one answer each, in their order.
    fn observe<'a>(&'a self, runs: &'a [Run]) -> BoxFuture<'a, Result<Vec<Sighting>, ObserveError>>;

    /// Writes what a run has printed since the log's cursor and waits up to `wait_ms` for more. True when the run is over
    /// and all it printed is in the log, or when the platform has no logs.
    fn follow<'a>(
        &'a self,
        run: &'a Run,
        log: &'a Arc<AttemptLog>,
        wait_ms: u64,
    ) -> BoxFuture<'a, Result<bool, ContactError>>;

    /// Asks a run to stop, and has it ended after the grace time. Returns at once; [`Platform::observe`] tells of the end.
    /// A run that is over, or not there, is fine. The handle that is returned replaces the stored one.
    fn stop<'a>(&'a self, run: &'a Run, grace_ms: u64) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>>;

    /// Brings what a run has left as its output into the work tree of its attempt.
    fn collect<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), SubmitError>>;

    /// That work tree. `None` where there is none: then a job leaves no output and writes no files.
    fn work(&self, _attempt: AttemptName) -> Option<PathBuf> {
        None
    }

    /// Removes what is left of a run, here and there. Not there is fine. `succeeded` is what the core made of it.
    fn remove<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>>;

    /// Removes what is left there of a run that no job here owns. Nothing here is touched: it may have any name.
    fn remove_orphan<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), ContactError>> {
        self.remove(run, false)
    }

    /// Removes what is left of an attempt that was over in an earlier life of the engine. It is called at every opening while
    /// something of the attempt is kept here, so nothing there needs to be removed that [`Platform::owned`] tells of.
    fn remove_left<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        self.remove(run, succeeded)
    }

    /// The runs on the platform that this engine has started, a page from the cursor on, and where the next page begins.
    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Result<OwnedRuns, ContactError>>;
}

/// A run that the engine asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its attempt.
    pub name: AttemptName,
    /// The latest handle; `None` where the engine went away before it had one. The run may be there all the same.
    pub handle: Option<RunHandle>,
}

/// A page of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedRuns {
    /// The runs.
    pub runs: Vec<Run>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Something that a platform can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// The parameters of a [`NamedTask`](crate::job::NamedTask) that runs it: a JSON object.
    pub options: String,
}

/// A page of definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinitionPage {
    /// The definitions.
    pub definitions: Vec<Definition>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What became of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What was seen.
    pub seen: Seen,
    /// Replaces the stored handle.
    pub handle: Option<RunHandle>,
    /// The engine asks again no sooner than after this many milliseconds.
    pub ask_after_ms: Option<u64>,
}

/// What was seen of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The platform has it and has not started it.
    Pending,
    /// It runs.
    Running,
    /// It is over and stays so.
    Ended(Outcome),
    /// The platform has no run of this attempt, and never will unless it is submitted again.
    Gone,
    /// It could not be told.
    Unknown(ContactError),
}

/// Nothing could be told about any of the runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ObserveError {
    /// Why. Never holds a secret.
    pub message: String,
    /// It may be the fault of one of the runs: the others are asked after again, without it.
    pub may_be_one: bool,
}

/// Makes what a platform learns durable while it submits.
pub trait Journal: Send + Sync {
    /// Stores the handle of a run; returns when it is on disk.
    fn checkpoint(&self, handle: RunHandle) -> BoxFuture<'_, Result<(), String>>;
}

/// A call that was to change something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// It cannot be done, or not now; this attempt is over.
    #[error("{0}")]
    Refused(StartError),
    /// Nobody knows what came of it. The same call is made again, after as many milliseconds where that is known.
    #[error("{0}")]
    OutOfContact(ContactError, Option<u64>),
}

//! Plugins that run jobs; see `wit/executor.wit`.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Answer, Attempt, Handle, Page, Plugin, PluginError, Variable};
use crate::executors::BoxFuture;
use crate::files::LogStream;

/// Everything about one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginTask {
    /// Its name.
    pub attempt: Attempt,
    /// What the user calls the job.
    pub name: Option<String>,
    /// The job that stands for the chain it belongs to.
    pub chain: Option<String>,
    /// What is to run, as the user wrote it: a JSON object.
    pub options: String,
    /// The run options of the job, and what the engine adds to them.
    pub environment: Vec<Variable>,
    /// Between the polite stop and the forced one.
    pub grace_ms: u64,
    /// When the attempt is to be stopped at the latest.
    pub deadline_at_ms: Option<u64>,
}

/// A run that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The name of the attempt.
    pub attempt: Attempt,
    /// The latest handle; none where the engine went away before it had one.
    pub handle: Option<Handle>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// It did its work.
    Succeeded,
    /// It ended with this code, other than 0.
    Exited(i32),
    /// A signal ended it that nobody had asked for.
    Signalled(i32),
    /// It wanted more memory than it may have.
    OutOfMemory,
    /// The platform could not start it.
    NotStarted(PluginError),
    /// It failed in another way.
    Failed(PluginError),
    /// It ended because `stop` was called.
    Stopped,
    /// The platform has lost it.
    Lost,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The platform has it and has not started it; a word on why.
    Pending(Option<String>),
    /// It runs.
    Running,
    /// It is over and stays so.
    Ended(RunOutcome),
}

/// What the platform knows of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// How far it is.
    pub phase: Phase,
    /// Replaces the stored handle.
    pub handle: Option<Handle>,
    /// The engine asks again no sooner than after this many milliseconds.
    pub ask_after_ms: Option<u64>,
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observation {
    /// The platform has it.
    Known(RunStatus),
    /// The platform has no run of this attempt, and never will unless it is submitted again.
    Gone,
    /// It could not be told for this run.
    Unknown(PluginError),
}

/// Something that can be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// The options of a task that runs it: a JSON object.
    pub options: String,
}

/// What a call of `submit` may ask of the engine while it is under way.
pub trait Checkpoints: Send + Sync {
    /// Makes a handle durable.
    fn checkpoint(&self, handle: Handle) -> BoxFuture<'_, Answer<()>>;
}

/// Where a call of `logs` pushes to.
pub trait LogSink: Send + Sync {
    /// Appends some bytes, after which the log goes on at `cursor`. False when no more is wanted.
    fn write<'a>(&'a self, stream: LogStream, bytes: &'a [u8], cursor: &'a str) -> BoxFuture<'a, bool>;
}

/// A plugin that runs jobs.
pub trait ExecutorPlugin: Plugin {
    /// What the platform can run; a page from the cursor on.
    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Definition>>>;
    /// Finds the run of this attempt, or makes and starts it. `work` is the work tree of the attempt.
    fn submit(
        &self,
        task: PluginTask,
        work: Option<PathBuf>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> BoxFuture<'_, Answer<Handle>>;
    /// What became of these runs: as many answers as there are runs, in their order.
    fn observe(&self, runs: Vec<Run>, wait_ms: u64) -> BoxFuture<'_, Answer<Vec<Observation>>>;
    /// Pushes what a run has printed since the cursor and waits up to `wait_ms` for more. True when that was the last of it.
    fn logs(
        &self,
        run: Run,
        cursor: Option<String>,
        wait_ms: u64,
        sink: Arc<dyn LogSink>,
    ) -> BoxFuture<'_, Answer<bool>>;
    /// Asks a run to stop, and has it ended when it still runs after `grace_ms`. What it returns replaces the stored handle.
    fn stop(&self, run: Run, grace_ms: u64) -> BoxFuture<'_, Answer<Option<Handle>>>;
    /// Brings what a run has left in its outputs into the engine's.
    fn collect(&self, run: Run, work: Option<PathBuf>) -> BoxFuture<'_, Answer<()>>;
    /// Removes what is left of a run on the platform. Not there is fine.
    fn remove(&self, run: Run) -> BoxFuture<'_, Answer<()>>;
    /// The runs on the platform that bear the mark of this engine; a page from the cursor on.
    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Run>>>;
}

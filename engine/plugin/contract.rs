//! The contract between the engine and a plugin that runs jobs, whatever the plugin is made of. The words and their meaning
//! are those of `wit/executor.wit`; this is the same for Rust.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::executors::BoxFuture;
use crate::files::LogStream;

/// The most bytes that a handle may have.
pub const MOST_HANDLE_BYTES: usize = 8_192;
/// The most bytes that a cursor of a log may have.
pub const MOST_CURSOR_BYTES: usize = 512;
/// The most bytes of a message that are kept.
pub const MOST_MESSAGE_BYTES: usize = crate::error::MOST_MESSAGE_BYTES;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// What was asked for is wrong in itself.
    Invalid,
    /// The platform does not know who asks.
    Unauthenticated,
    /// The platform knows who asks and refuses.
    Denied,
    /// What was named does not exist.
    NotFound,
    /// Something of that name is there and is something else.
    Conflict,
    /// A quota or a limit is used up.
    Exhausted,
    /// The platform cannot be reached or is out of order.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The caller wanted it to end.
    Cancelled,
    /// The plugin or the platform cannot do it at all.
    Unsupported,
    /// Anything else.
    Internal,
}

/// Whether it is worth to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// The same call would meet the same error for ever.
    Never,
    /// Another call may go well; the engine waits longer each time.
    Backoff,
    /// Not before as many milliseconds have passed.
    After(u64),
}

/// A call that went wrong: the plugin said so, or it did not keep to its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}{}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
pub struct PluginError {
    /// What kind of thing.
    pub kind: ErrorKind,
    /// What the plugin knows about another try.
    pub retry: Retry,
    /// One sentence for the person who runs the job. Never holds a secret of the engine's.
    pub message: String,
    /// The platform's own code.
    pub code: Option<String>,
    /// More, by name.
    pub details: Vec<(String, String)>,
}

impl PluginError {
    /// An error without a code.
    pub fn new(kind: ErrorKind, retry: Retry, message: impl Into<String>) -> PluginError {
        PluginError { kind, retry, message: message.into(), code: None, details: Vec::new() }
    }
}

/// The result of a call.
pub type Answer<T> = Result<T, PluginError>;

/// What a plugin needs to find something again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// The version of the encoding, the plugin's own.
    pub schema: u32,
    /// What the plugin made of it; at most [`MOST_HANDLE_BYTES`].
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle(schema {}, {} bytes)", self.schema, self.data.len())
    }
}

/// The name of an attempt, as plugins see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// The id of the job.
    pub job: String,
    /// Which attempt, from 1.
    pub number: u32,
}

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line for people.
    pub summary: String,
    /// The JSON Schema of the options of a job; empty for none.
    pub options_schema: String,
    /// What it can do beyond the minimum: `definitions`, `logs`, `collect`, `owned`.
    pub features: Vec<String>,
}

/// One environment variable.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The user called it a secret.
    pub secret: bool,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

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

/// One page of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// Where the next page goes on.
    pub next: Option<String>,
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

/// A plugin that runs jobs, called over whatever there is between it and the engine. Every call ends within its limits.
pub trait ExecutorPlugin: Send + Sync + 'static {
    /// Who it is.
    fn describe(&self) -> BoxFuture<'_, Answer<Descriptor>>;
    /// Whether the platform can be reached and lets this engine in.
    fn check(&self) -> BoxFuture<'_, Answer<()>>;
    /// What the platform can run; a page from the cursor on.
    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Definition>>>;
    /// Checks the options of a task before its job is accepted.
    fn validate(&self, options: String) -> BoxFuture<'_, Answer<Vec<Problem>>>;
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

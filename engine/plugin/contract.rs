//! The contract between the engine and a plugin that runs jobs, whatever the plugin is made of. The words and their meaning
//! are those of `wit/executor.wit`; this is the same for Rust.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::executors::BoxFuture;
use crate::files::LogStream;

/// The most bytes that a handle may have.
pub(crate) const MOST_HANDLE_BYTES: usize = 8_192;
/// The most bytes that a cursor of a log may have.
pub(crate) const MOST_CURSOR_BYTES: usize = 512;
/// The most bytes of a message that are kept.
pub(crate) const MOST_MESSAGE_BYTES: usize = 4_096;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ErrorKind {
    Invalid,
    Unauthenticated,
    Denied,
    NotFound,
    Conflict,
    Exhausted,
    Unavailable,
    Timeout,
    Cancelled,
    Unsupported,
    Internal,
}

/// Whether it is worth to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Retry {
    Never,
    Backoff,
    /// Not before as many milliseconds have passed.
    After(u64),
}

/// A call that went wrong: the plugin said so, or it did not keep to its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}{}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
pub(crate) struct PluginError {
    pub(crate) kind: ErrorKind,
    pub(crate) retry: Retry,
    /// Never holds a secret of the engine's.
    pub(crate) message: String,
    /// The platform's own code.
    pub(crate) code: Option<String>,
    pub(crate) details: Vec<(String, String)>,
}

impl PluginError {
    /// An error without a code.
    pub(crate) fn new(kind: ErrorKind, retry: Retry, message: impl Into<String>) -> PluginError {
        PluginError { kind, retry, message: message.into(), code: None, details: Vec::new() }
    }
}

/// The result of a call.
pub(crate) type Answer<T> = Result<T, PluginError>;

/// What a plugin needs to find something again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handle {
    pub(crate) schema: u32,
    #[serde(with = "serde_bytes")]
    pub(crate) data: Vec<u8>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle(schema {}, {} bytes)", self.schema, self.data.len())
    }
}

/// The name of an attempt, as plugins see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) job: String,
    pub(crate) number: u32,
}

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Descriptor {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) options_schema: String,
    pub(crate) features: Vec<String>,
}

/// One environment variable.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// Everything about one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginTask {
    pub(crate) attempt: Attempt,
    pub(crate) name: Option<String>,
    pub(crate) chain: Option<String>,
    /// A JSON object.
    pub(crate) options: String,
    pub(crate) environment: Vec<Variable>,
    pub(crate) grace_ms: u64,
    pub(crate) deadline_at_ms: Option<u64>,
}

/// A run that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) attempt: Attempt,
    pub(crate) handle: Option<Handle>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RunOutcome {
    Succeeded,
    Exited(i32),
    Signalled(i32),
    OutOfMemory,
    NotStarted(PluginError),
    Failed(PluginError),
    Stopped,
    Lost,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    Pending(Option<String>),
    Running,
    Ended(RunOutcome),
}

/// What the platform knows of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunStatus {
    pub(crate) phase: Phase,
    pub(crate) handle: Option<Handle>,
    pub(crate) ask_after_ms: Option<u64>,
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Observation {
    Known(RunStatus),
    Gone,
    Unknown(PluginError),
}

/// Something that can be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) summary: Option<String>,
    /// A JSON object.
    pub(crate) options: String,
}

/// One page of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<String>,
}

/// What a call of `submit` may ask of the engine while it is under way.
pub(crate) trait Checkpoints: Send + Sync {
    /// Makes a handle durable.
    fn checkpoint(&self, handle: Handle) -> BoxFuture<'_, Answer<()>>;
}

/// Where a call of `logs` pushes to.
pub(crate) trait LogSink: Send + Sync {
    /// Appends some bytes, after which the log goes on at `cursor`. False when no more is wanted.
    fn write<'a>(&'a self, stream: LogStream, bytes: &'a [u8], cursor: &'a str) -> BoxFuture<'a, bool>;
}

/// A plugin that runs jobs, called over whatever there is between it and the engine. Every call ends within its limits.
pub(crate) trait ExecutorPlugin: Send + Sync + 'static {
    fn describe(&self) -> BoxFuture<'_, Answer<Descriptor>>;
    fn check(&self) -> BoxFuture<'_, Answer<()>>;
    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Definition>>>;
    fn validate(&self, options: String) -> BoxFuture<'_, Answer<Vec<Problem>>>;
    /// `work` is the work tree of the attempt.
    fn submit(
        &self,
        task: PluginTask,
        work: Option<PathBuf>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> BoxFuture<'_, Answer<Handle>>;
    /// As many answers as there are runs, in their order.
    fn observe(&self, runs: Vec<Run>, wait_ms: u64) -> BoxFuture<'_, Answer<Vec<Observation>>>;
    fn logs(
        &self,
        run: Run,
        cursor: Option<String>,
        wait_ms: u64,
        sink: Arc<dyn LogSink>,
    ) -> BoxFuture<'_, Answer<bool>>;
    /// What it returns replaces the stored handle.
    fn stop(&self, run: Run, grace_ms: u64) -> BoxFuture<'_, Answer<Option<Handle>>>;
    fn collect(&self, run: Run, work: Option<PathBuf>) -> BoxFuture<'_, Answer<()>>;
    fn remove(&self, run: Run) -> BoxFuture<'_, Answer<()>>;
    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Run>>>;
}

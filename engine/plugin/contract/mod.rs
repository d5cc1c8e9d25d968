//! The contract between the engine and its plugins, whatever they are made of. The words and their meaning are those of
//! `wit/`; this is the same for Rust.

mod executor;
mod fetcher;
mod sink;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::executors::BoxFuture;

pub use executor::{
    Checkpoints, Definition, ExecutorPlugin, LogSink, Observation, Phase, PluginTask, Run, RunOutcome, RunStatus,
};
pub use fetcher::{FetchItem, FetchRequest, Fetched, FetcherPlugin};
pub use sink::{SinkPlugin, StoreRequest, Stored};

/// The most bytes that the reference of an item may have.
pub const MOST_REFERENCE_BYTES: usize = 8_192;

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
    /// The JSON Schema of the options of a job, a fetch or a store; empty for none.
    pub options_schema: String,
    /// What it can do beyond the minimum; an executor: `definitions`, `logs`, `collect`, `owned`.
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

/// One page of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// Where the next page goes on.
    pub next: Option<String>,
}

/// What every plugin answers, called over whatever there is between it and the engine. Every call ends within its limits.
pub trait Plugin: Send + Sync + 'static {
    /// Who it is.
    fn describe(&self) -> BoxFuture<'_, Answer<Descriptor>>;
    /// Whether what it stands for can be reached and lets this engine in.
    fn check(&self) -> BoxFuture<'_, Answer<()>>;
    /// Checks what a user has written for it before a job is accepted.
    fn validate(&self, options: String) -> BoxFuture<'_, Answer<Vec<Problem>>>;
}

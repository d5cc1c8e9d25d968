//! Plugins that take outputs out; see `wit/sink.wit`.

use std::path::PathBuf;

use super::{Answer, Attempt, Handle, Plugin, Variable};
use crate::executors::BoxFuture;

/// Where outputs go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRequest {
    /// The attempt whose outputs they are.
    pub attempt: Attempt,
    /// What the user wrote: a JSON object.
    pub options: String,
    /// The run options of the job. The plugin never sees them: endpoints that sign with the key of a job find it here.
    pub keys: Vec<Variable>,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it is, for people and programs.
    pub location: String,
    /// Its bytes.
    pub bytes: u64,
    /// What changes when its content does.
    pub version: Option<String>,
}

/// A plugin that takes outputs out: all that was staged appears, or nothing does.
pub trait SinkPlugin: Plugin {
    /// Begins, or finds what was begun for this attempt.
    fn begin(&self, request: StoreRequest) -> BoxFuture<'_, Answer<Handle>>;
    /// Stages the file at this path of the work tree under a name.
    fn put(
        &self,
        request: StoreRequest,
        begun: Handle,
        path: String,
        name: String,
        work: PathBuf,
    ) -> BoxFuture<'_, Answer<Handle>>;
    /// Has everything that was staged appear.
    fn commit(&self, request: StoreRequest, begun: Handle) -> BoxFuture<'_, Answer<Vec<Stored>>>;
    /// Removes everything that was staged. Not there is fine.
    fn abort(&self, request: StoreRequest, begun: Handle) -> BoxFuture<'_, Answer<()>>;
}

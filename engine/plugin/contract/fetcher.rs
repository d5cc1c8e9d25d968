//! Plugins that bring inputs in; see `wit/fetcher.wit`.

use std::path::PathBuf;

use super::{Answer, Page, Plugin, Variable};
use crate::executors::BoxFuture;

/// What is to be brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// What the user wrote: a JSON object.
    pub options: String,
    /// The directory under `/work` it goes to: a relative path that never leads out of it.
    pub destination: String,
    /// The run options of the job. The plugin never sees them: endpoints that sign with the key of a job find it here.
    pub keys: Vec<Variable>,
}

/// One unit of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchItem {
    /// Its name, unique within one request.
    pub name: String,
    /// Its bytes, where that is known.
    pub size: Option<u64>,
    /// What changes when its content does.
    pub version: Option<String>,
    /// What the plugin needs to find it; at most [`MOST_REFERENCE_BYTES`](super::MOST_REFERENCE_BYTES).
    pub reference: Vec<u8>,
}

/// What was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The file, relative to the destination.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// What changes when its content does.
    pub version: Option<String>,
}

/// A plugin that brings inputs in.
pub trait FetcherPlugin: Plugin {
    /// What there is; a page from the cursor on.
    fn items(&self, request: FetchRequest, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<FetchItem>>>;
    /// Brings one item into the work tree. What the plugin says of the file is true: it is there, beneath the destination,
    /// is a regular file and has as many bytes.
    fn fetch(&self, request: FetchRequest, item: FetchItem, work: PathBuf) -> BoxFuture<'_, Answer<Fetched>>;
}

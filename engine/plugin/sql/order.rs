//! What the engine and a process with a JVM say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plugin::contract::PluginError;

/// Bytes of lines that are sent at once, unless one row has more.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// Bytes of a message beside the lines in it.
pub(super) const SLACK_BYTES: usize = 1 << 20;

/// The only one that a process gets. It holds a password, so it is never shown.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) jvm: Jvm,
    pub(super) task: Task,
}

/// The JVM that the task needs.
#[derive(Serialize, Deserialize)]
pub(super) struct Jvm {
    pub(super) library: PathBuf,
    pub(super) jars: Vec<PathBuf>,
    /// Where native libraries of drivers are; nowhere else is looked.
    pub(super) folder: PathBuf,
    pub(super) heap_bytes: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Task {
    Drivers,
    Query(Box<Question>),
}

/// A query, with all of its limits.
#[derive(Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) driver: String,
    pub(super) url: String,
    /// User and password among them.
    pub(super) properties: Vec<(String, String)>,
    pub(super) statement: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) row_bytes: u64,
    pub(super) time_ms: u64,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlColumn {
    /// Its label, which is the key in the rows.
    pub name: String,
    /// The database's own word for its type.
    pub database_type: String,
    /// Whether it may be without a value, where that is known.
    pub nullable: Option<bool>,
}

/// What a process tells.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The JVM runs.
    Started,
    /// The answer to `Task::Drivers`.
    Drivers(Vec<String>),
    /// The first answer to `Task::Query`.
    Columns(Vec<SqlColumn>),
    /// Whole lines.
    Rows(#[serde(with = "serde_bytes")] Vec<u8>),
    /// There are no more rows.
    Ended,
    Failed(PluginError),
}

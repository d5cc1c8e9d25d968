//! What a supervisor writes down, and tells its launcher.

use serde::{Deserialize, Serialize};

use super::leftovers::ProcessIdentity;
use crate::files::LogTotals;

/// How a run ended, with its measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// How it ended.
    pub outcome: ExitOutcome,
    /// When the job was started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// When its end was seen.
    pub ended_ms: u64,
    /// Time spent in user mode by the job and those of its descendants that have been waited for (to 10 ms).
    pub user_cpu_ms: u64,
    /// The same in the kernel.
    pub system_cpu_ms: u64,
    /// What its log amounts to.
    pub log: LogTotals,
    /// Output that could not be written to the log (the disk was full).
    pub log_lost_bytes: u64,
    /// The kernel killed something for lack of memory while this job ran, and this job was killed by somebody.
    pub out_of_memory: bool,
    /// A stop had been asked for.
    pub stopped: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ExitOutcome {
    /// It ended by itself.
    Exited {
        /// With this exit code.
        code: i32,
    },
    /// A signal ended it. SIGXCPU and SIGXFSZ tell of the limits of time and file size.
    Signalled {
        /// The number of the signal.
        signal: i32,
        /// Whether the kernel wrote a core file.
        core_dumped: bool,
    },
    /// It never ran.
    NotStarted {
        /// Why.
        message: String,
    },
}

/// A line of the file `lock` after the first one, which names the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Started(Started),
    Ended(ExitRecord),
}

/// The job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    /// The job: the leader of its own process group.
    pub(super) job: ProcessIdentity,
    pub(super) started_ms: u64,
}

/// What a supervisor tells its launcher of a run, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    Started(Started),
    /// The run has ended. A reusable supervisor waits for its next order.
    Ended {
        record: ExitRecord,
        reusable: bool,
    },
    /// The run directory was claimed by another supervisor before. This one waits for its next order.
    Busy,
    /// Nothing was started, and this supervisor ends.
    Failed {
        message: String,
    },
}

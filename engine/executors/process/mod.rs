//! Runs jobs as processes that outlive the engine.
//!
//! Each attempt gets a small supervisor process (this program again, started with a hidden argument) which starts the job,
//! captures its output and writes down how it ended. The engine may be killed at any time: what it needs to find the run
//! again is in the run directory.
//!
//! | file in the run directory | written | meaning |
//! |---|---|---|
//! | `lock` | once, atomically, already locked | the run was claimed by this supervisor; locked = it lives |
//! | `started.json` | when the job runs | who supervises, which process is the job |
//! | `stop.json` | by the engine, before it signals | how much grace a stop gives |
//! | `exit.json` | last | how it ended; without it and without a locked `lock` the run is lost |

use std::io;
use std::path::{Path, PathBuf};

mod attach;
mod capture;
mod executor;
mod job;
mod launch;
mod leftovers;
mod limits;
mod order;
mod pool;
mod record;
mod run_dir;
mod running;
mod supervision;
mod supervisor;

pub use crate::job::ProcessLimits;
pub use attach::{Attached, attach, remove};
pub(crate) use executor::ProcessExecutor;
pub use launch::Supervisor;
pub use leftovers::ProcessIdentity;
pub use order::LaunchOrder;
pub use record::{ExitOutcome, ExitRecord};
pub use running::RunningProcess;
pub use supervisor::supervise_if_asked;

/// Why a process could not be launched, found or waited for. How a job itself ended is an [`ExitRecord`], not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A file of the run directory could not be read or written, or a process not be reached.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The supervisor program could not be started.
    #[error("cannot start the supervisor {program}: {source}")]
    Spawn {
        /// The program that was to supervise.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The supervisor gave up before the job was started.
    #[error("the supervisor failed before it started the job: {message}")]
    Supervisor {
        /// What it said, if anything.
        message: String,
    },
    /// The supervisor died without a record: how the job ended is not known. What was left of the job has been killed.
    #[error("the supervisor of {run_dir} is gone and left no record of the end")]
    Lost {
        /// The run directory.
        run_dir: PathBuf,
    },
    /// The run directory of a living run is not removed.
    #[error("the run in {run_dir} has not ended")]
    StillRunning {
        /// The run directory.
        run_dir: PathBuf,
    },
}

impl ProcessError {
    /// For `map_err`: the failure to do `action` with `path`.
    fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

//! Runs jobs as processes that outlive the engine.
//!
//! A small supervisor process (this program again, started with a hidden argument) starts the job, captures its output and
//! writes down how it ended. The engine may be killed at any time: what it needs to find the run again is in the run
//! directory. A supervisor has one run at a time. When that has ended, nothing of it lives and all is written, it waits for
//! its next order, and ends when none comes for two seconds or the engine is gone.
//!
//! | file in the run directory | written | meaning |
//! |---|---|---|
//! | `lock` | atomically with its first line, already locked | the run was claimed; locked = its supervisor works on it |
//! | – first line | with the claim | which process supervises |
//! | – `started` | when the job runs | which process is the job |
//! | – `ended` | last, before the lock is let go | how it ended; without it and without the lock the run is lost |
//! | `stop.json` | by the engine, before it signals | how much grace a stop gives; a signal without it means nothing |
//!
//! Whoever finds a run again waits for the end of its supervisor, and holds a shared lock on the run directory meanwhile: a
//! supervisor that finds one there after its run ends instead of taking another.
//!
//! A job over its limit of memory cannot allocate any more. What the user sees is up to the program: most end with an exit
//! code of their own and a message, some by SIGABRT or SIGSEGV. `out_of_memory` is told only of a job that the kernel killed
//! because the machine, or the control group around the engine, had no memory left.

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
pub(crate) use supervisor::supervise_if_asked;

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

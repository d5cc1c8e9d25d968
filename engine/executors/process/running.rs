//! A run that was launched or found: wait for it, stop it.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

use super::ProcessError;
use super::attach::after_end;
use super::leftovers::ProcessIdentity;
use super::pool::{Line, Pool};
use super::record::{ExitRecord, Report};
use super::run_dir::{RunDir, StopOrder};

/// A run under supervision. Dropping it changes nothing for the run.
#[derive(Debug)]
pub struct RunningProcess {
    run_dir: RunDir,
    job: Option<ProcessIdentity>,
    supervision: Supervision,
}

#[derive(Debug)]
enum Supervision {
    /// The run has ended.
    Ended(Box<ExitRecord>),
    /// Launched by this process, which hears of the end from the supervisor itself.
    Launched { process: Arc<OwnedFd>, progress: Box<Mutex<Progress>> },
    /// Found again: the end of the supervisor is waited for.
    Attached {
        process: OwnedFd,
        /// Has the supervisor end with this run.
        _watch: File,
    },
}

/// What became of a run that was launched.
#[derive(Debug)]
enum Progress {
    Running {
        line: Line,
        pool: Arc<Pool>,
    },
    Ended(Box<ExitRecord>),
    /// The supervisor is gone, and the files tell.
    Gone,
}

impl RunningProcess {
    pub(super) fn ended(run_dir: RunDir, record: ExitRecord) -> Self {
        Self { run_dir, job: None, supervision: Supervision::Ended(Box::new(record)) }
    }

    pub(super) fn launched(run_dir: RunDir, job: ProcessIdentity, line: Line, pool: Arc<Pool>) -> Self {
        let process = line.process.clone();
        let progress = Box::new(Mutex::new(Progress::Running { line, pool }));
        Self { run_dir, job: Some(job), supervision: Supervision::Launched { process, progress } }
    }

    pub(super) fn attached(run_dir: RunDir, job: Option<ProcessIdentity>, process: OwnedFd, watch: File) -> Self {
        Self { run_dir, job, supervision: Supervision::Attached { process, _watch: watch } }
    }

    /// The process of the job, which leads its own process group. Not known of a run that has ended, and of one found in
    /// the instant before it was started.
    pub fn job(&self) -> Option<ProcessIdentity> {
        self.job
    }

    /// Waits for the end of the run, without polling. May be called again, and dropped half way. [`ProcessError::Lost`] when
    /// the supervisor was killed: then what was left of the job is dead when this returns.
    pub async fn wait(&self) -> Result<ExitRecord, ProcessError> {
        match &self.supervision {
            Supervision::Ended(record) => return Ok((**record).clone()),
            Supervision::Attached { process, .. } => self.until_gone(process.as_fd()).await?,
            Supervision::Launched { process, progress } => {
                if let Some(record) = progress.lock().await.until_ended().await {
                    return Ok(record);
                }
                self.until_gone(process.as_fd()).await?;
            }
        }
        let lost = || ProcessError::Lost { run_dir: self.run_dir.path().to_owned() };
        after_end(&self.run_dir)?.ok_or_else(lost)
    }

    /// Asks the job to end (SIGTERM to its process group) and has it killed after `grace_ms`. Returns at once; may be called
    /// again, where a shorter grace counts, and after the end.
    pub fn stop(&self, grace_ms: u64) -> Result<(), ProcessError> {
        let process = match &self.supervision {
            Supervision::Ended(_) => return Ok(()),
            Supervision::Attached { process, .. } => process,
            Supervision::Launched { process, .. } => process,
        };
        match self.run_dir.write_stop(&StopOrder { grace_ms }) {
            // Removed: it had ended.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            written => written.map_err(ProcessError::io("write the stop order of", self.run_dir.path()))?,
        }
        // Should the supervisor have another run by now, it finds no stop order there and goes on.
        match pidfd_send_signal(process, Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(ProcessError::io("stop", self.run_dir.path())(error)),
        }
    }

    async fn until_gone(&self, supervisor: BorrowedFd<'_>) -> Result<(), ProcessError> {
        let handle = supervisor.try_clone_to_owned().and_then(watch_handle);
        let handle = handle.map_err(ProcessError::io("watch the supervisor of", self.run_dir.path()))?;
        let gone = handle.readable().await.map(drop);
        gone.map_err(ProcessError::io("wait for the supervisor of", self.run_dir.path()))
    }
}

impl Progress {
    /// Waits for the report of the end; `None` when the supervisor has ended without one. It is free for its next run when
    /// this returns.
    async fn until_ended(&mut self) -> Option<ExitRecord> {
        let reported = match self {
            Self::Running { line, .. } => line.next_report().await,
            Self::Ended(record) => return Some((**record).clone()),
            Self::Gone => None,
        };
        let Some(Report::Ended { record, reusable }) = reported else {
            *self = Self::Gone;
            return None;
        };
        let before = std::mem::replace(self, Self::Ended(Box::new(record.clone())));
        if let (Self::Running { line, pool }, true) = (before, reusable) {
            pool.give_back(line);
        }
        Some(record)
    }
}

/// Registers a process handle, which becomes readable when the process ends.
#[allow(deprecated, reason = "its successor is unsafe, for types that change their descriptor; an OwnedFd does not")]
fn watch_handle(handle: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(handle, Interest::READABLE)
}

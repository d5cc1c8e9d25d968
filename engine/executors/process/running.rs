//! A run that was launched or found: wait for it, stop it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader, Interest};
use tokio::process::{Child, ChildStdout};
use tokio::sync::Mutex;

use super::ProcessError;
use super::attach::after_end;
use super::leftovers::ProcessIdentity;
use super::record::{ExitRecord, Report};
use super::run_dir::{RunDir, StopOrder};

/// A run under supervision. Dropping it changes nothing for the run.
#[derive(Debug)]
pub struct RunningProcess {
    run_dir: RunDir,
    job: Option<ProcessIdentity>,
    supervisor: Handle,
}

#[derive(Debug)]
enum Handle {
    /// The run has ended.
    Ended(Box<ExitRecord>),
    /// Launched by this process, which hears of the end from the supervisor itself.
    Launched { pid: Option<Pid>, launched: Box<Mutex<Launched>> },
    /// Found again.
    Attached(OwnedFd),
}

/// A supervisor that is a child of this process.
#[derive(Debug)]
pub(super) struct Launched {
    /// Not reaped while this lives, so that its pid stays its own; tokio reaps it afterwards.
    pub(super) child: Child,
    pub(super) replies: Replies,
}

/// The reports of a supervisor, line by line.
#[derive(Debug)]
pub(super) struct Replies {
    reader: BufReader<ChildStdout>,
    /// The line as far as it was read, kept when a caller gives up waiting.
    line: Vec<u8>,
}

impl Replies {
    pub(super) fn new(reader: BufReader<ChildStdout>) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// The next report; `None` when the supervisor is gone.
    pub(super) async fn next(&mut self) -> Option<Report> {
        self.reader.read_until(b'\n', &mut self.line).await.ok()?;
        let report = serde_json::from_slice(&self.line).ok();
        self.line.clear();
        report
    }
}

impl RunningProcess {
    pub(super) fn ended(run_dir: RunDir, record: ExitRecord) -> Self {
        Self { run_dir, job: None, supervisor: Handle::Ended(Box::new(record)) }
    }

    pub(super) fn launched(run_dir: RunDir, job: ProcessIdentity, launched: Launched) -> Self {
        let pid = launched.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let supervisor = Handle::Launched { pid, launched: Box::new(Mutex::new(launched)) };
        Self { run_dir, job: Some(job), supervisor }
    }

    pub(super) fn attached(run_dir: RunDir, job: Option<ProcessIdentity>, supervisor: OwnedFd) -> Self {
        Self { run_dir, job, supervisor: Handle::Attached(supervisor) }
    }

    /// The process of the job, which leads its own process group. Not known of a run that has ended, and of one found in
    /// the instant before it was started.
    pub fn job(&self) -> Option<ProcessIdentity> {
        self.job
    }

    /// Waits for the end of the run, without polling. May be called again, and dropped half way. [`ProcessError::Lost`] when
    /// the supervisor was killed: then what was left of the job is dead when this returns.
    pub async fn wait(&self) -> Result<ExitRecord, ProcessError> {
        match &self.supervisor {
            Handle::Ended(record) => return Ok((**record).clone()),
            Handle::Attached(handle) => self.until_gone(handle.as_fd()).await?,
            Handle::Launched { pid, launched } => {
                // A second call finds the pipe at its end and goes on to the files.
                if let Some(Report::Ended(record)) = launched.lock().await.replies.next().await {
                    return Ok(record);
                }
                if let Some(handle) = self.open_child(*pid)? {
                    self.until_gone(handle.as_fd()).await?;
                }
            }
        }
        let lost = || ProcessError::Lost { run_dir: self.run_dir.path().to_owned() };
        after_end(&self.run_dir)?.ok_or_else(lost)
    }

    /// Asks the job to end (SIGTERM to its process group) and has it killed after `grace_ms`. Returns at once; may be called
    /// again, where a shorter grace counts, and after the end.
    pub fn stop(&self, grace_ms: u64) -> Result<(), ProcessError> {
        let opened;
        let handle = match &self.supervisor {
            Handle::Ended(_) => return Ok(()),
            Handle::Attached(handle) => handle,
            Handle::Launched { pid, .. } => match self.open_child(*pid)? {
                None => return Ok(()),
                Some(handle) => {
                    opened = handle;
                    &opened
                }
            },
        };
        match self.run_dir.write_stop(&StopOrder { grace_ms }) {
            // Removed: it had ended.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            written => written.map_err(ProcessError::io("write the stop order of", self.run_dir.path()))?,
        }
        match pidfd_send_signal(handle, Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(ProcessError::io("stop", self.run_dir.path())(error)),
        }
    }

    /// A handle on our own child, whose pid cannot be used again before it is reaped.
    fn open_child(&self, pid: Option<Pid>) -> Result<Option<OwnedFd>, ProcessError> {
        match pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
            Some(Ok(handle)) => Ok(Some(handle)),
            None | Some(Err(Errno::SRCH)) => Ok(None),
            Some(Err(error)) => Err(ProcessError::io("reach the supervisor of", self.run_dir.path())(error)),
        }
    }

    async fn until_gone(&self, supervisor: BorrowedFd<'_>) -> Result<(), ProcessError> {
        let handle = supervisor.try_clone_to_owned().and_then(watch_handle);
        let handle = handle.map_err(ProcessError::io("watch the supervisor of", self.run_dir.path()))?;
        let gone = handle.readable().await.map(drop);
        gone.map_err(ProcessError::io("wait for the supervisor of", self.run_dir.path()))
    }
}

/// Registers a process handle, which becomes readable when the process ends.
#[allow(deprecated, reason = "its successor is unsafe, for types that change their descriptor; an OwnedFd does not")]
fn watch_handle(handle: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(handle, Interest::READABLE)
}

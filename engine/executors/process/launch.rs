//! The engine's side of a launch.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::process::Command;

use super::ProcessError;
use super::attach::{Attached, attach};
use super::job::THIS_PROGRAM;
use super::order::LaunchOrder;
use super::pool::{Line, Pool};
use super::record::Report;
use super::run_dir::RunDir;
use super::running::RunningProcess;
use super::supervisor::SUPERVISE_ARG;

/// Launches jobs, each under a supervisor that has no other at the time. Supervisors are used again, and end when they
/// were without a job for two seconds, or when this value is dropped and their job has ended.
#[derive(Debug)]
pub struct Supervisor {
    program: PathBuf,
    pool: Arc<Pool>,
}

/// A clone starts supervisors of its own: the pipes of one that waits belong to the tokio runtime which has started it.
impl Clone for Supervisor {
    fn clone(&self) -> Self {
        Self::new(self.program.clone())
    }
}

impl Supervisor {
    /// Supervisors which are run by `program`, whose `main` calls [`supervise_if_asked`](crate::supervise_if_asked) first.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), pool: Arc::default() }
    }

    /// Supervisors which are run by this very program, also after its file was replaced.
    pub fn current_exe() -> Self {
        Self::new(THIS_PROGRAM)
    }

    /// Starts the job of `order`, or finds the run that an earlier launch with the same run directory has started: of two
    /// launches at the same time one starts it. A job that cannot be started is not an error here, its record says so.
    pub async fn launch(&self, order: &LaunchOrder) -> Result<RunningProcess, ProcessError> {
        let run_dir = RunDir::new(&order.run_dir);
        let is_new = make_run_dir(&order.run_dir).map_err(ProcessError::io("create", &order.run_dir))?;
        if !is_new && let Some(earlier) = find_earlier(&run_dir)? {
            return Ok(earlier);
        }
        let bytes = order.to_bytes().map_err(|source| self.failed(source))?;
        while let Some(line) = self.pool.take() {
            if let Some(running) = self.send(&run_dir, line, &bytes).await? {
                return Ok(running);
            }
        }
        let line = self.start().map_err(|source| self.failed(source))?;
        let silent = || ProcessError::Supervisor { message: "it ended without a word".to_owned() };
        self.send(&run_dir, line, &bytes).await?.ok_or_else(silent)
    }

    /// Gives an order to a supervisor. `None` when it has ended without starting anything.
    async fn send(
        &self,
        run_dir: &RunDir,
        mut line: Line,
        order: &[u8],
    ) -> Result<Option<RunningProcess>, ProcessError> {
        line.send(order).await;
        match line.next_report().await {
            Some(Report::Started(started)) => {
                Ok(Some(RunningProcess::launched(run_dir.clone(), started.job, line, self.pool.clone())))
            }
            Some(Report::Ended { record, reusable }) => {
                if reusable {
                    self.pool.give_back(line);
                }
                Ok(Some(RunningProcess::ended(run_dir.clone(), record)))
            }
            Some(Report::Failed { message }) => Err(ProcessError::Supervisor { message }),
            // Another launch was faster.
            Some(Report::Busy) => {
                self.pool.give_back(line);
                find_earlier(run_dir)?.map(Some).ok_or_else(removed_meanwhile)
            }
            // It was gone already, or is now. It may have come to the claim, even to the end.
            None => find_earlier(run_dir),
        }
    }

    fn start(&self) -> io::Result<Line> {
        let mut command = Command::new(&self.program);
        command.arg(SUPERVISE_ARG).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Nothing of the engine's environment, which may hold its key. The loader's path may be needed to start at all.
        command.env_clear().envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)));
        let mut child = command.spawn()?;
        // Not reaped yet, so the pid is still its own. When the child is dropped tokio reaps it in time.
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        match (pid, child.stdin.take(), child.stdout.take()) {
            (Some(pid), Some(orders), Some(reports)) => {
                Ok(Line::new(pidfd_open(pid, PidfdFlags::empty())?, orders, reports))
            }
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    fn failed(&self, source: io::Error) -> ProcessError {
        ProcessError::Spawn { program: self.program.clone(), source }
    }
}

/// Whether it is new: then there is no earlier run in it.
fn make_run_dir(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(_) => fs::create_dir_all(path).map(|()| false),
    }
}

fn removed_meanwhile() -> ProcessError {
    ProcessError::Supervisor { message: "the run directory was removed meanwhile".to_owned() }
}

/// The run of an earlier launch.
fn find_earlier(run_dir: &RunDir) -> Result<Option<RunningProcess>, ProcessError> {
    match attach(run_dir.path())? {
        Attached::NeverStarted => Ok(None),
        Attached::Running(running) => Ok(Some(running)),
        Attached::Ended(record) => Ok(Some(RunningProcess::ended(run_dir.clone(), record))),
        Attached::Lost => Err(ProcessError::Lost { run_dir: run_dir.path().to_owned() }),
    }
}

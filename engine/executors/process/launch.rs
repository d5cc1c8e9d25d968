//! The engine's side of a launch.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::ProcessError;
use super::attach::{Attached, attach};
use super::job::THIS_PROGRAM;
use super::order::LaunchOrder;
use super::record::Report;
use super::run_dir::RunDir;
use super::running::{Launched, Replies, RunningProcess};
use super::supervisor::SUPERVISE_ARG;

/// Launches supervisors.
#[derive(Debug, Clone)]
pub struct Supervisor {
    program: PathBuf,
}

impl Supervisor {
    /// Supervisors which are run by `program`, whose `main` calls [`super::supervise_if_asked`] first.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// Supervisors which are run by this very program, also after its file was replaced.
    pub fn current_exe() -> Self {
        Self::new(THIS_PROGRAM)
    }

    /// Starts the job of `order` under a supervisor of its own, or finds the run that an earlier launch with the same run
    /// directory has started: of two launches at the same time one starts it. A job that cannot be started is not an error
    /// here, its record says so.
    pub async fn launch(&self, order: &LaunchOrder) -> Result<RunningProcess, ProcessError> {
        let run_dir = RunDir::new(&order.run_dir);
        fs::create_dir_all(&order.run_dir).map_err(ProcessError::io("create", &order.run_dir))?;
        if let Some(earlier) = find_earlier(&run_dir)? {
            return Ok(earlier);
        }
        let mut launched = self.spawn(order).await?;
        match launched.replies.next().await {
            Some(Report::Started(started)) => Ok(RunningProcess::launched(run_dir, started.job, launched)),
            Some(Report::Ended(record)) => Ok(RunningProcess::ended(run_dir, record)),
            Some(Report::Failed { message }) => Err(ProcessError::Supervisor { message }),
            // Another launch was faster.
            Some(Report::Busy) => find_earlier(&run_dir)?.ok_or_else(removed_meanwhile),
            None => find_earlier(&run_dir)?
                .ok_or_else(|| ProcessError::Supervisor { message: "it ended without a word".to_owned() }),
        }
    }

    async fn spawn(&self, order: &LaunchOrder) -> Result<Launched, ProcessError> {
        let failed = |source| ProcessError::Spawn { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.arg(SUPERVISE_ARG).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Nothing of the engine's environment, which may hold its key. The loader's path may be needed to start at all.
        command.env_clear().envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)));
        let bytes = order.to_bytes().map_err(failed)?;
        let mut child = command.spawn().map_err(failed)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ProcessError::Supervisor { message: "it has no pipes".to_owned() });
        };
        // A supervisor that dies while it is told is noticed by its silence.
        let _ = stdin.write_all(&bytes).await;
        Ok(Launched { child, replies: Replies::new(BufReader::new(stdout)) })
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

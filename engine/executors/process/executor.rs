//! The `process` executor: the contract of executors over supervised processes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::{Attached, ExitOutcome, ExitRecord, LaunchOrder, ProcessError, RunningProcess, Supervisor, attach, remove};
use crate::config::KeepWork;
use crate::error::Problem;
use crate::executors::{AttemptName, AttemptOrder, BoxFuture, ContactError, Executor, StartError};
use crate::files::{Layout, LogLimits, WORK_TREE, create_work_tree};
use crate::job::{Outcome, RunHandle, RunOptions, Task};

/// Where programs are looked up when the job does not set `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A supervisor whose engine died right after it had sent the order needs a moment to claim its directory.
const ORPHAN_WAIT: Duration = Duration::from_millis(250);
const ORPHAN_LOOK: Duration = Duration::from_millis(10);

/// Runs jobs as processes of this machine.
pub(crate) struct ProcessExecutor {
    supervisor: Supervisor,
    layout: Layout,
    log_limits: LogLimits,
    keep_work: KeepWork,
    /// What was launched in this life of the engine and is not known to be over. The rest is found by its directory.
    launched: Mutex<HashMap<AttemptName, Arc<RunningProcess>>>,
}

impl ProcessExecutor {
    pub(crate) fn new(supervisor: Supervisor, layout: Layout, log_limits: LogLimits, keep_work: KeepWork) -> Self {
        Self { supervisor, layout, log_limits, keep_work, launched: Mutex::default() }
    }

    /// The data is valid after every step, so a panic elsewhere does not poison it.
    fn launched(&self) -> MutexGuard<'_, HashMap<AttemptName, Arc<RunningProcess>>> {
        self.launched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&self, attempt: AttemptName) -> Result<Found, ContactError> {
        if let Some(running) = self.launched().get(&attempt) {
            return Ok(Found::Running(running.clone()));
        }
        Ok(match attach(&self.run_dir(attempt)).map_err(contact)? {
            Attached::Running(running) => Found::Running(Arc::new(running)),
            Attached::Ended(record) => Found::Over(outcome_of(&record)),
            Attached::Lost => Found::Over(Outcome::Interrupted),
            Attached::NeverStarted => Found::Nothing,
        })
    }

    /// Whether the attempt was started; when it was not it never will be.
    fn was_started(&self, attempt: AttemptName) -> Result<bool, ContactError> {
        if !matches!(self.attach(attempt)?, Found::Nothing) {
            return Ok(true);
        }
        // A supervisor that is just about to claim the directory fails once it is gone.
        remove(&self.run_dir(attempt)).map_err(contact)?;
        Ok(false)
    }

    fn run_dir(&self, name: AttemptName) -> PathBuf {
        self.layout.of_attempt(name.job, name.attempt)
    }

    async fn launch_order(&self, order: &AttemptOrder) -> Result<LaunchOrder, StartError> {
        let Task::Process(task) = &order.task else {
            let message = "the task is not for the process executor".to_owned();
            return Err(StartError { message, permanent: true });
        };
        let AttemptName { job, attempt } = order.name;
        let work_dir = self.layout.work(job, attempt);
        let chain_dir = order.chain.map(|chain| self.layout.chain(chain));
        let made = make_job_dir(&self.layout.of_attempt(job, attempt))
            .and_then(|()| create_work_tree(&work_dir, &WORK_TREE))
            .and_then(|()| chain_dir.as_deref().map_or(Ok(()), fs::create_dir_all));
        made.map_err(|error| StartError { message: format!("no work tree: {error}"), permanent: false })?;
        order.place_inputs(&work_dir).await?;
        Ok(LaunchOrder {
            run_dir: self.run_dir(order.name),
            log_dir: self.layout.log(job, attempt),
            program: task.program.clone(),
            args: task.args.clone(),
            env: environment(order, &work_dir, chain_dir.as_deref()),
            secrets: order.options.secrets().map(str::to_owned).collect(),
            log_limits: self.log_limits,
            limits: task.limits,
            work_dir,
        })
    }
}

/// Makes the directory of the job, which holds that of the attempt.
fn make_job_dir(attempt_dir: &Path) -> io::Result<()> {
    let Some(job_dir) = attempt_dir.parent() else { return Ok(()) };
    match fs::create_dir(job_dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let shard = job_dir.parent().unwrap_or(job_dir);
            fs::create_dir_all(shard)?;
            spread(shard);
            fs::create_dir_all(job_dir)
        }
        made => made,
    }
}

/// Has ext4 spread what is made in `dir` over the disk. It takes no inode that was freed in the last minutes if it can, and
/// looks at all of those in a part of the disk each time: where directories come and go in one place that is most of the
/// cost of a short job. Other file systems need no such hint and refuse it.
fn spread(dir: &Path) {
    let Ok(dir) = File::open(dir) else { return };
    if let Ok(flags) = ioctl_getflags(&dir) {
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
}

/// What there is of an attempt.
enum Found {
    Running(Arc<RunningProcess>),
    Over(Outcome),
    Nothing,
}

/// The whole environment of a job.
fn environment(order: &AttemptOrder, work_dir: &Path, chain_dir: Option<&Path>) -> Vec<(String, String)> {
    let mut minimum = RunOptions::new();
    minimum.set("PATH", DEFAULT_PATH);
    order.environment(minimum, &work_dir.to_string_lossy(), chain_dir.map(Path::to_string_lossy).as_deref())
}

impl Executor for ProcessExecutor {
    fn validate(&self, task: &Task) -> Result<(), Vec<Problem>> {
        match task {
            Task::Process(_) => Ok(()),
            _ => Err(vec![Problem {
                field: "executor".into(),
                problem: "the process executor runs programs only".into(),
                allowed: "a command".into(),
            }]),
        }
    }

    fn start<'a>(&'a self, order: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>> {
        Box::pin(async move {
            let launch = self.launch_order(order).await?;
            match self.supervisor.launch(&launch).await {
                // A program that could not be started has ended: its end tells why.
                Ok(running) => drop(self.launched().insert(order.name, Arc::new(running))),
                Err(error) => {
                    // It may have come further than we heard. Where that cannot be told either, the wait for it will.
                    if let Ok(false) = self.was_started(order.name) {
                        return Err(StartError { message: error.to_string(), permanent: false });
                    }
                }
            }
            Ok(RunHandle(Vec::new()))
        })
    }

    fn find<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async move {
            let since = Instant::now();
            let may_be_claimed =
                || Ok(matches!(self.attach(attempt)?, Found::Nothing) && self.run_dir(attempt).exists());
            while since.elapsed() < ORPHAN_WAIT && may_be_claimed()? {
                tokio::time::sleep(ORPHAN_LOOK).await;
            }
            Ok(self.was_started(attempt)?.then(|| RunHandle(Vec::new())))
        })
    }

    fn wait<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Outcome, ContactError>> {
        Box::pin(async move {
            let running = match self.attach(attempt)? {
                Found::Running(running) => running,
                Found::Over(outcome) => return Ok(outcome),
                Found::Nothing => return Ok(Outcome::Interrupted),
            };
            let ended = running.wait().await;
            // The directory tells the same from now on.
            self.launched().remove(&attempt);
            match ended {
                Ok(record) => Ok(outcome_of(&record)),
                Err(ProcessError::Lost { .. }) => Ok(Outcome::Interrupted),
                Err(error) => Err(contact(error)),
            }
        })
    }

    fn stop<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: &'a RunHandle,
        grace_ms: u64,
    ) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move {
            match self.attach(attempt)? {
                Found::Running(running) => running.stop(grace_ms).map_err(contact),
                Found::Over(_) | Found::Nothing => Ok(()),
            }
        })
    }

    fn work(&self, attempt: AttemptName) -> Option<PathBuf> {
        Some(self.layout.work(attempt.job, attempt.attempt))
    }

    fn remove(&self, attempt: AttemptName, succeeded: bool) -> BoxFuture<'_, Result<(), ContactError>> {
        Box::pin(async move {
            if self.keep_work.keeps(succeeded) {
                return Ok(());
            }
            let run_dir = self.run_dir(attempt);
            remove(&run_dir).map_err(contact)?;
            // Stays while there are other attempts, or a directory of the chain.
            let _ = run_dir.parent().map(fs::remove_dir);
            Ok(())
        })
    }
}

fn contact(error: ProcessError) -> ContactError {
    ContactError { message: error.to_string() }
}

fn outcome_of(record: &ExitRecord) -> Outcome {
    match &record.outcome {
        // What ended after a stop was asked for was stopped, however it ended.
        _ if record.stopped => Outcome::Stopped,
        _ if record.out_of_memory => Outcome::OutOfMemory,
        ExitOutcome::Exited { code: 0 } => Outcome::Succeeded,
        ExitOutcome::Exited { code } => Outcome::Exit { code: *code },
        ExitOutcome::Signalled { signal, .. } => Outcome::Signal { signal: *signal },
        ExitOutcome::NotStarted { message } => Outcome::NotStarted { message: message.clone(), permanent: true },
    }
}

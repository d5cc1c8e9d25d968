//! The `wasm` executor: the contract of executors over runs in the sandbox. A run is part of this process and ends with
//! it; the next life of the engine finds nothing of it and decides.
//!
//! That life must know that the attempt had begun. So starting an attempt only makes it ready; it begins when it is first
//! waited for, and by then its handle is on disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::code::Program;
use super::command::{CHAIN, Command, WORK};
use super::machine::Machine;
use super::sandbox::Sandbox;
use super::scratch::{Scratch, Tree};
use super::task::WasmTask;
use crate::clock::Clock;
use crate::config::KeepWork;
use crate::error::Problem;
use crate::executors::{AttemptName, AttemptOrder, BoxFuture, ContactError, Executor, StartError};
use crate::files::{AttemptLog, Layout, LogLimits};
use crate::job::{Outcome, RunHandle, RunOptions, Task};

/// What the executor is told of the engine.
pub(crate) struct WasmSetting {
    pub(crate) machine: Arc<Machine>,
    pub(crate) layout: Layout,
    pub(crate) log_limits: LogLimits,
    pub(crate) keep_work: KeepWork,
    pub(crate) clock: Clock,
}

/// Runs jobs as WebAssembly programs in this process.
pub(crate) struct WasmExecutor {
    scratch: Scratch,
    setting: WasmSetting,
    runs: Mutex<HashMap<AttemptName, Run>>,
}

/// What every run is known by: there is nothing to say but that it was made ready.
const HANDLE: &[u8] = b"ready";

/// A run that is ready or under way, or over and not yet removed.
struct Run {
    ended: watch::Receiver<Option<Ended>>,
    tree: Tree,
    stop: Arc<Notify>,
    /// Until it begins.
    ready: Option<Box<Ready>>,
    /// From then on.
    task: Option<AbortHandle>,
}

/// How a run ended.
#[derive(Clone)]
struct Ended {
    outcome: Outcome,
    /// It ended by itself and has left its work tree as it was.
    left_fresh: bool,
}

/// Everything a run needs to begin.
struct Ready {
    command: Command,
    program: Arc<Program>,
    sandbox: Arc<Sandbox>,
    threads: Handle,
    tell: watch::Sender<Option<Ended>>,
    stop: Arc<Notify>,
}

impl Ready {
    fn begin(self) -> AbortHandle {
        let Ready { command, program, sandbox, threads, tell, stop } = self;
        let run = threads.spawn(async move {
            let (log, tree) = (command.log.clone(), Tree { path: command.work_dir.clone() });
            let outcome = tokio::select! {
                // A stop that came first is a stop before the start.
                biased;
                () = stop.notified() => Outcome::Stopped,
                outcome = command.run(&sandbox, &program) => outcome,
            };
            // What a stopped run had printed is kept to its last byte too.
            log.finish();
            // A call of a guest that was stopped may still be on its way to the disk: nobody else may find what it makes.
            // And a tree that cannot be looked at is one that cannot be used again.
            let left_fresh = outcome != Outcome::Stopped && tree.is_fresh().unwrap_or(false);
            tell.send_replace(Some(Ended { outcome, left_fresh }));
        });
        run.abort_handle()
    }
}

impl Run {
    /// Begins it unless it has begun; where its end is told.
    fn begun(&mut self) -> watch::Receiver<Option<Ended>> {
        if let Some(ready) = self.ready.take() {
            self.task = Some(ready.begin());
        }
        self.ended.clone()
    }
}

impl WasmExecutor {
    pub(crate) fn new(setting: WasmSetting) -> WasmExecutor {
        let scratch = Scratch::new(setting.layout.scratch());
        WasmExecutor { scratch, setting, runs: Mutex::default() }
    }

    /// The data is valid after every step, so a panic elsewhere does not poison it.
    fn runs(&self) -> MutexGuard<'_, HashMap<AttemptName, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, order: &AttemptOrder, task: WasmTask, tree: &Tree) -> Result<Command, StartError> {
        let AttemptName { job, attempt } = order.name;
        let layout = &self.setting.layout;
        let chain_dir = order.chain.map(|chain| layout.chain(chain));
        let secrets: Vec<String> = order.options.secrets().map(str::to_owned).collect();
        let (limits, clock) = (self.setting.log_limits, self.setting.clock.clone());
        let made = chain_dir
            .as_deref()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| AttemptLog::open(layout.log(job, attempt), limits, &secrets, clock));
        let log = made.map_err(no_work_tree)?;
        let name = task.module.file_stem().map(|name| name.to_string_lossy().into_owned());
        Ok(Command {
            args: [name.unwrap_or_default()].into_iter().chain(task.args).collect(),
            env: order.environment(RunOptions::new(), WORK, chain_dir.is_some().then_some(CHAIN)),
            work_dir: tree.path.clone(),
            chain_dir,
            memory_bytes: task.memory_bytes.unwrap_or(self.setting.machine.config.memory_bytes),
            handles: self.setting.machine.config.handles,
            log,
        })
    }

    async fn make_ready(&self, order: &AttemptOrder) -> Result<(), StartError> {
        if self.runs().contains_key(&order.name) {
            return Ok(());
        }
        let task = WasmTask::of(&order.task).map_err(|problems| StartError {
            message: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            permanent: true,
        })?;
        let machine = &self.setting.machine;
        let sandbox = machine.sandbox().map_err(|message| StartError { message, permanent: false })?;
        let program = machine.programs.get(&sandbox, &task.module, task.sha256.as_deref()).await;
        let program =
            program.map_err(|error| StartError { message: error.to_string(), permanent: error.is_permanent() })?;
        let threads = sandbox.threads().map_err(|error| StartError { message: error.to_string(), permanent: false })?;
        let threads = threads.handle().clone();
        let tree = self.scratch.take().map_err(no_work_tree)?;
        let placed = order.place_inputs(&tree.path).await;
        let command = match placed.and_then(|()| self.command(order, task, &tree)) {
            Ok(command) => command,
            Err(error) => {
                // What it may hold by now is not for another job.
                let _ = Scratch::remove(&tree);
                return Err(error);
            }
        };
        let (tell, ended) = watch::channel(None);
        let stop = Arc::new(Notify::new());
        let ready = Ready { command, program, sandbox, threads, tell, stop: stop.clone() };
        self.runs().insert(order.name, Run { ended, tree, stop, ready: Some(Box::new(ready)), task: None });
        Ok(())
    }
}

fn no_work_tree(error: io::Error) -> StartError {
    StartError { message: format!("no work tree: {error}"), permanent: false }
}

fn contact(error: io::Error) -> ContactError {
    ContactError { message: error.to_string() }
}

impl Executor for WasmExecutor {
    fn validate(&self, task: &Task) -> Result<(), Vec<Problem>> {
        WasmTask::of(task).map(drop)
    }

    fn start<'a>(&'a self, order: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>> {
        Box::pin(async move { self.make_ready(order).await.map(|()| RunHandle(HANDLE.to_vec())) })
    }

    fn find<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        let found = self.runs().contains_key(&attempt);
        Box::pin(async move { Ok(found.then(|| RunHandle(HANDLE.to_vec()))) })
    }

    fn wait<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Outcome, ContactError>> {
        let ended = self.runs().get_mut(&attempt).map(Run::begun);
        Box::pin(async move {
            let Some(mut ended) = ended else { return Ok(Outcome::Interrupted) };
            // Without a sender the run was dropped, or the host has panicked in it.
            let ended = ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
            Ok(ended.map_or(Outcome::Interrupted, |ended| ended.outcome))
        })
    }

    fn stop<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: &'a RunHandle,
        _grace_ms: u64,
    ) -> BoxFuture<'a, Result<(), ContactError>> {
        if let Some(run) = self.runs().get(&attempt) {
            run.stop.notify_one();
        }
        Box::pin(async { Ok(()) })
    }

    fn work(&self, attempt: AttemptName) -> Option<PathBuf> {
        self.runs().get(&attempt).map(|run| run.tree.path.clone())
    }

    fn remove(&self, attempt: AttemptName, succeeded: bool) -> BoxFuture<'_, Result<(), ContactError>> {
        let run = self.runs().remove(&attempt);
        let keep = self.setting.keep_work.keeps(succeeded);
        Box::pin(async move {
            let Some(Run { tree, ended, .. }) = run else { return Ok(()) };
            if keep {
                let kept = self.setting.layout.work(attempt.job, attempt.attempt);
                return Scratch::keep(&tree, &kept).map_err(contact);
            }
            if ended.borrow().as_ref().is_some_and(|ended| ended.left_fresh) {
                self.scratch.give_back(tree);
                return Ok(());
            }
            let removed = tokio::task::spawn_blocking(move || Scratch::remove(&tree)).await;
            removed.map_err(io::Error::other).and_then(|removed| removed).map_err(contact)
        })
    }

    fn release(&self) {
        // What is only ready goes without having begun.
        for (_, run) in self.runs().drain() {
            run.task.inspect(AbortHandle::abort);
        }
    }
}

//! An executor that the test steers. Its platform goes on while the engine is down, as a real one does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::Problem;
use crate::executors::{AttemptName, AttemptOrder, BoxFuture, ContactError, Executor, StartError};
use crate::job::{Outcome, RunHandle, Task};

/// The executor and its platform. Clones are the same platform; register one under a name with
/// [`Builder::executor`](crate::Builder::executor).
#[derive(Clone, Default)]
pub struct FakeExecutor(Arc<Mutex<Platform>>);

#[derive(Default)]
struct Platform {
    runs: HashMap<AttemptName, Run>,
    starts: Vec<AttemptName>,
    refuse_starts: Option<StartError>,
    unreachable: bool,
    ignore_stops: bool,
}

struct Run {
    order: AttemptOrder,
    end: watch::Sender<Option<Outcome>>,
}

impl FakeExecutor {
    /// A platform with nothing on it.
    pub fn new() -> FakeExecutor {
        FakeExecutor::default()
    }

    fn platform(&self) -> MutexGuard<'_, Platform> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a run; `false` when there is none, or it has ended.
    pub fn end(&self, attempt: AttemptName, outcome: Outcome) -> bool {
        let platform = self.platform();
        let Some(run) = platform.runs.get(&attempt) else { return false };
        run.end.send_if_modified(|end| {
            let open = end.is_none();
            if open {
                *end = Some(outcome);
            }
            open
        })
    }

    /// The runs that have not ended, in the order of their start.
    pub fn running(&self) -> Vec<AttemptName> {
        let platform = self.platform();
        let open = |name: &&AttemptName| platform.runs.get(name).is_some_and(|run| run.end.borrow().is_none());
        platform.starts.iter().filter(open).copied().collect()
    }

    /// Every start that had an effect: an attempt that is asked for twice is started once.
    pub fn starts(&self) -> Vec<AttemptName> {
        self.platform().starts.clone()
    }

    /// What the engine asked for when it started an attempt that is still known.
    pub fn order(&self, attempt: AttemptName) -> Option<AttemptOrder> {
        self.platform().runs.get(&attempt).map(|run| run.order.clone())
    }

    /// Runs that have been removed by the engine are gone from here.
    pub fn known(&self) -> usize {
        self.platform().runs.len()
    }

    /// Loses a run without a trace, as a platform may.
    pub fn lose(&self, attempt: AttemptName) {
        self.platform().runs.remove(&attempt);
    }

    /// Refuses every start from now on, or no longer.
    pub fn refuse_starts(&self, error: Option<StartError>) {
        self.platform().refuse_starts = error;
    }

    /// Answers nothing but errors from now on, or no longer.
    pub fn unreachable(&self, unreachable: bool) {
        self.platform().unreachable = unreachable;
    }

    /// Goes on running what is asked to stop, or no longer.
    pub fn ignore_stops(&self, ignore: bool) {
        self.platform().ignore_stops = ignore;
    }

    fn reach(&self) -> Result<MutexGuard<'_, Platform>, ContactError> {
        let platform = self.platform();
        if platform.unreachable {
            return Err(ContactError { message: "the test has cut the line".into() });
        }
        Ok(platform)
    }
}

impl Executor for FakeExecutor {
    fn validate(&self, _task: &Task) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    fn start<'a>(&'a self, order: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>> {
        Box::pin(async move {
            let mut platform = self.platform();
            if let Some(error) = &platform.refuse_starts {
                return Err(error.clone());
            }
            if !platform.runs.contains_key(&order.name) {
                platform.starts.push(order.name);
                let run = Run { order: order.clone(), end: watch::Sender::new(None) };
                platform.runs.insert(order.name, run);
            }
            Ok(RunHandle(order.name.to_string().into_bytes()))
        })
    }

    fn find<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async move {
            let known = self.reach()?.runs.contains_key(&attempt);
            Ok(known.then(|| RunHandle(attempt.to_string().into_bytes())))
        })
    }

    fn wait<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Outcome, ContactError>> {
        Box::pin(async move {
            let end = self.reach()?.runs.get(&attempt).map(|run| run.end.subscribe());
            let Some(mut end) = end else { return Ok(Outcome::Interrupted) };
            // The sender is dropped when the platform loses the run.
            let ended = end.wait_for(Option::is_some).await.map(|end| end.clone());
            Ok(ended.ok().flatten().unwrap_or(Outcome::Interrupted))
        })
    }

    fn stop<'a>(
        &'a self,
        attempt: AttemptName,
        _handle: &'a RunHandle,
        _grace_ms: u64,
    ) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move {
            let ignored = self.reach()?.ignore_stops;
            if !ignored {
                self.end(attempt, Outcome::Stopped);
            }
            Ok(())
        })
    }

    fn remove(&self, attempt: AttemptName, _succeeded: bool) -> BoxFuture<'_, Result<(), ContactError>> {
        Box::pin(async move {
            self.reach()?.runs.remove(&attempt);
            Ok(())
        })
    }
}

//! An executor that the test steers. Its platform goes on while the engine is down, as a real one does. It can be registered
//! as an executor that tells when a run ends, or as a platform that is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::Problem;
use crate::executors::{
    AttemptName, AttemptOrder, BoxFuture, ContactError, DefinitionPage, Executor, Journal, ObserveError, OwnedRuns,
    Platform, Run, Seen, Sighting, StartError, SubmitError,
};
use crate::files::{AttemptLog, LogStream};
use crate::job::{Outcome, RunHandle, Task};

/// The executor and its platform. Clones are the same platform; register one under a name with
/// [`Builder::executor`](crate::Builder::executor) or [`Builder::platform`](crate::Builder::platform).
#[derive(Clone, Default)]
pub struct FakeExecutor(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    runs: HashMap<AttemptName, FakeRun>,
    starts: Vec<AttemptName>,
    refuse_starts: Option<StartError>,
    unreachable: bool,
    ignore_stops: bool,
    collected: Vec<AttemptName>,
    refuse_collect: Option<SubmitError>,
    questions: u64,
    breaks_over: Option<AttemptName>,
    refuse_removes: bool,
}

struct FakeRun {
    order: AttemptOrder,
    /// What it has printed.
    printed: Vec<u8>,
    end: watch::Sender<Option<Outcome>>,
}

impl State {
    fn start(&mut self, order: &AttemptOrder) -> Result<RunHandle, StartError> {
        if let Some(error) = &self.refuse_starts {
            return Err(error.clone());
        }
        if !self.runs.contains_key(&order.name) {
            self.starts.push(order.name);
            let run = FakeRun { order: order.clone(), printed: Vec::new(), end: watch::Sender::new(None) };
            self.runs.insert(order.name, run);
        }
        Ok(RunHandle(order.name.to_string().into_bytes()))
    }

    fn seen(&self, name: AttemptName) -> Seen {
        let Some(run) = self.runs.get(&name) else { return Seen::Gone };
        run.end.borrow().clone().map_or(Seen::Running, Seen::Ended)
    }
}

impl FakeExecutor {
    /// A platform with nothing on it.
    pub fn new() -> FakeExecutor {
        FakeExecutor::default()
    }

    fn platform(&self) -> MutexGuard<'_, State> {
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

    /// Has a run print something; only a platform has logs.
    pub fn print(&self, attempt: AttemptName, bytes: &[u8]) {
        if let Some(run) = self.platform().runs.get_mut(&attempt) {
            run.printed.extend_from_slice(bytes);
        }
    }

    /// The attempts whose outputs were brought in, each time they were.
    pub fn collected(&self) -> Vec<AttemptName> {
        self.platform().collected.clone()
    }

    /// Answers every wish for outputs with this error from now on, or no longer.
    pub fn refuse_collect(&self, error: Option<SubmitError>) {
        self.platform().refuse_collect = error;
    }

    /// Breaks down whenever it is asked after this run, among others or alone, or no longer.
    pub fn break_over(&self, attempt: Option<AttemptName>) {
        self.platform().breaks_over = attempt;
    }

    /// Refuses to remove runs from now on, or no longer; only a platform does.
    pub fn refuse_removes(&self, refuse: bool) {
        self.platform().refuse_removes = refuse;
    }

    /// Puts a run on the platform that the engine knows nothing of.
    pub fn plant(&self, order: AttemptOrder) {
        let _ = self.platform().start(&order);
    }

    /// How often the platform was asked after runs, however many each time.
    pub fn questions(&self) -> u64 {
        self.platform().questions
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>, ContactError> {
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
        Box::pin(async move { self.platform().start(order) })
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

impl Platform for FakeExecutor {
    fn check(&self) -> BoxFuture<'_, Result<(), ContactError>> {
        Box::pin(async { self.reach().map(drop) })
    }

    fn definitions(&self, _cursor: Option<String>) -> BoxFuture<'_, Result<DefinitionPage, ContactError>> {
        Box::pin(async { self.reach().map(|_| DefinitionPage::default()) })
    }

    fn validate<'a>(&'a self, _task: &'a Task) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async { Ok(()) })
    }

    fn submit<'a>(
        &'a self,
        order: &'a AttemptOrder,
        journal: Arc<dyn Journal>,
    ) -> BoxFuture<'a, Result<RunHandle, SubmitError>> {
        Box::pin(async move {
            let begun = self.reach().map_err(|error| SubmitError::OutOfContact(error, None))?.start(order);
            let handle = begun.map_err(SubmitError::Refused)?;
            let stored = journal.checkpoint(handle.clone()).await;
            stored.map_err(|message| SubmitError::Refused(StartError { message, permanent: false }))?;
            Ok(handle)
        })
    }

    fn observe<'a>(&'a self, runs: &'a [Run]) -> BoxFuture<'a, Result<Vec<Sighting>, ObserveError>> {
        Box::pin(async move {
            let unreachable = |error: ContactError| ObserveError { message: error.message, may_be_one: false };
            let mut platform = self.reach().map_err(unreachable)?;
            if let Some(bad) = platform.breaks_over
                && runs.iter().any(|run| run.name == bad)
            {
                platform.questions += 1;
                return Err(ObserveError { message: "it broke down".into(), may_be_one: true });
            }
            platform.questions += 1;
            let sighting = |run: &Run| Sighting { seen: platform.seen(run.name), handle: None, ask_after_ms: None };
            Ok(runs.iter().map(sighting).collect())
        })
    }

    fn follow<'a>(
        &'a self,
        run: &'a Run,
        log: &'a Arc<AttemptLog>,
        _wait_ms: u64,
    ) -> BoxFuture<'a, Result<bool, ContactError>> {
        Box::pin(async move {
            let platform = self.reach()?;
            let Some(known) = platform.runs.get(&run.name) else { return Ok(true) };
            let from = log.cursor().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
            if let Some(news) = known.printed.get(from..).filter(|news| !news.is_empty()) {
                log.write(LogStream::Stdout, news);
                log.mark(&known.printed.len().to_string());
                log.save_mark();
            }
            let over = known.end.borrow().is_some();
            Ok(over)
        })
    }

    fn stop<'a>(&'a self, run: &'a Run, _grace_ms: u64) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async move {
            let ignored = self.reach()?.ignore_stops;
            if !ignored {
                self.end(run.name, Outcome::Stopped);
            }
            Ok(None)
        })
    }

    fn collect<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), SubmitError>> {
        Box::pin(async move {
            let mut platform = self.reach().map_err(|error| SubmitError::OutOfContact(error, None))?;
            if let Some(error) = &platform.refuse_collect {
                return Err(error.clone());
            }
            platform.collected.push(run.name);
            Ok(())
        })
    }

    fn remove<'a>(&'a self, run: &'a Run, _succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move {
            let mut platform = self.reach()?;
            if platform.refuse_removes {
                return Err(ContactError { message: "the test wants it to stay".into() });
            }
            platform.runs.remove(&run.name);
            Ok(())
        })
    }

    fn owned(&self, _cursor: Option<String>) -> BoxFuture<'_, Result<OwnedRuns, ContactError>> {
        Box::pin(async move {
            let platform = self.reach()?;
            let runs = platform.runs.keys().map(|name| Run { name: *name, handle: None }).collect();
            Ok(OwnedRuns { runs, next: None })
        })
    }
}

//! What the checks have in common: the plugin, the runs that they make on it, and how these are got rid of again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::found::{Ended, failed, good, skipped, told};
use super::super::scene::Scene;
use super::super::subject::{Subject, fresh_id};
use super::cases::ExecutorCases;
use super::tape::{Piece, Tape};
use crate::executors::BoxFuture;
use crate::files::create_work_tree;
use crate::plugin::WorkAccess;
use crate::plugin::contract::{
    Answer, Attempt, Checkpoints, ExecutorPlugin, Handle, Observation, Page, Phase, PluginTask, Run, RunOutcome,
    RunStatus,
};

/// How long one question may wait for an answer.
const WAIT_MS: u64 = 300;
/// The grace of a stop.
const GRACE_MS: u64 = 2_000;
/// Before a question is put again that was answered at once.
const PAUSE: Duration = Duration::from_millis(20);
/// What a platform may ask to be left alone for, at most.
const MOST_PAUSE: Duration = Duration::from_secs(1);
/// Pages of one list.
const MOST_PAGES: usize = 10_000;

/// A run that the suite has made or may have made, with the handle that an engine would have stored.
#[derive(Clone)]
pub(super) struct Made(Arc<Mutex<Run>>);

impl Made {
    fn lock(&self) -> MutexGuard<'_, Run> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn run(&self) -> Run {
        self.lock().clone()
    }

    pub(super) fn attempt(&self) -> Attempt {
        self.lock().attempt.clone()
    }

    /// The same without what the plugin has said.
    pub(super) fn without_handle(&self) -> Run {
        Run { attempt: self.attempt(), handle: None }
    }

    /// Stores a newer handle, if there is one.
    pub(super) fn keep(&self, handle: Option<Handle>) {
        if let Some(handle) = handle {
            self.lock().handle = Some(handle);
        }
    }

    pub(super) fn forget_handle(&self) {
        self.lock().handle = None;
    }
}

impl Checkpoints for Made {
    fn checkpoint(&self, handle: Handle) -> BoxFuture<'_, Answer<()>> {
        self.keep(Some(handle));
        Box::pin(async { Ok(()) })
    }
}

/// Where the checks take place.
pub(super) struct Stage<'s> {
    pub(super) subject: &'s Subject<dyn ExecutorPlugin>,
    pub(super) cases: &'s ExecutorCases,
    runs: Mutex<Vec<Made>>,
    /// Runs that could not be removed, and why.
    left: Mutex<Vec<String>>,
}

impl<'s> Stage<'s> {
    pub(super) fn new(subject: &'s Subject<dyn ExecutorPlugin>, cases: &'s ExecutorCases) -> Stage<'s> {
        Stage { subject, cases, runs: Mutex::default(), left: Mutex::default() }
    }

    pub(super) fn plugin(&self) -> &Arc<dyn ExecutorPlugin> {
        self.subject.first()
    }

    pub(super) async fn has(&self, feature: &str) -> Result<bool, Ended> {
        Ok(self.subject.descriptor().await?.features.iter().any(|it| it == feature))
    }

    /// Skips a check that needs a feature.
    pub(super) async fn needs(&self, feature: &str) -> Result<(), Ended> {
        if self.has(feature).await? { Ok(()) } else { skipped(format!("the plugin has no feature `{feature}`")) }
    }

    /// Whether runs are somewhere outside of the plugin.
    pub(super) fn has_platform(&self) -> bool {
        self.subject.facts.has_platform.or(self.cases.platform).unwrap_or(true)
    }

    /// Skips a check that needs runs to be somewhere outside of the plugin.
    pub(super) fn needs_platform(&self) -> Result<(), Ended> {
        if self.has_platform() {
            return Ok(());
        }
        skipped("the plugin has no platform: all there is of a run is its handle")
    }

    /// An attempt that the plugin has not heard of.
    pub(super) fn attempt(&self) -> Made {
        let attempt = Attempt { job: fresh_id(), number: 1 };
        let made = Made(Arc::new(Mutex::new(Run { attempt, handle: None })));
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(made.clone());
        made
    }

    /// The work tree of an attempt, where the plugin may see it.
    pub(super) fn work(&self, made: &Made) -> Result<Option<PathBuf>, Ended> {
        if self.subject.facts.work == WorkAccess::None {
            return Ok(None);
        }
        let dir = self.subject.works().join(made.attempt().job);
        match create_work_tree(&dir, &["input", "output", "tmp"]) {
            Ok(()) => Ok(Some(dir)),
            Err(error) => failed(format!("no work tree for the suite: {}: {error}", dir.display())),
        }
    }

    pub(super) fn task(&self, made: &Made, options: &str) -> PluginTask {
        PluginTask {
            attempt: made.attempt(),
            name: Some("conformance".to_owned()),
            chain: None,
            options: options.to_owned(),
            environment: Vec::new(),
            grace_ms: GRACE_MS,
            deadline_at_ms: None,
        }
    }

    /// Submits to `plugin`; the handle is stored. What the plugin answers is returned.
    pub(super) async fn submit_to(
        &self,
        plugin: &Arc<dyn ExecutorPlugin>,
        made: &Made,
        options: &str,
    ) -> Result<Answer<()>, Ended> {
        let work = self.work(made)?;
        let answer = plugin.submit(self.task(made, options), work, Arc::new(made.clone())).await;
        Ok(answer.map(|handle| made.keep(Some(handle))))
    }

    pub(super) async fn submit(&self, made: &Made, options: &str) -> Result<(), Ended> {
        good("submit", self.submit_to(self.plugin(), made, options).await?)
    }

    /// A run that goes on until it is stopped.
    pub(super) async fn long(&self) -> Result<Made, Ended> {
        let made = self.attempt();
        self.submit(&made, &self.cases.long).await?;
        Ok(made)
    }

    /// A run that has ended well.
    pub(super) async fn quick(&self) -> Result<Made, Ended> {
        let made = self.attempt();
        self.submit(&made, &self.cases.quick).await?;
        match self.end(&made).await? {
            RunOutcome::Succeeded => Ok(made),
            other => failed(format!("the quick run ended otherwise than well: {}", outcome(&other))),
        }
    }

    /// What `plugin` knows of one run.
    pub(super) async fn ask(
        &self,
        plugin: &Arc<dyn ExecutorPlugin>,
        run: Run,
        wait_ms: u64,
    ) -> Result<Observation, Ended> {
        let answers = good("observe", plugin.observe(vec![run], wait_ms).await)?;
        answers.into_iter().next().map_or_else(|| failed("observe: no answer to one question"), Ok)
    }

    /// What is known of a run; a newer handle is stored.
    pub(super) async fn observe(&self, made: &Made, wait_ms: u64) -> Result<Observation, Ended> {
        let observation = self.ask(self.plugin(), made.run(), wait_ms).await?;
        if let Observation::Known(status) = &observation {
            made.keep(status.handle.clone());
        }
        Ok(observation)
    }

    /// What is known of a run that is there.
    pub(super) async fn known(&self, made: &Made) -> Result<RunStatus, Ended> {
        match self.observe(made, 0).await? {
            Observation::Known(status) => Ok(status),
            other => failed(format!("observe of a run that is there: {}", observation(&other))),
        }
    }

    /// Waits for the end of a run.
    pub(super) async fn end(&self, made: &Made) -> Result<RunOutcome, Ended> {
        match self.over(made).await? {
            Some(outcome) => Ok(outcome),
            None => failed("observe: the run is gone, and nobody has removed it"),
        }
    }

    /// Waits until a run is over; `None` when it is gone.
    pub(super) async fn over(&self, made: &Made) -> Result<Option<RunOutcome>, Ended> {
        let until = Instant::now() + Duration::from_millis(self.cases.patience_ms);
        loop {
            let status = match self.observe(made, WAIT_MS).await? {
                Observation::Known(RunStatus { phase: Phase::Ended(outcome), .. }) => return Ok(Some(outcome)),
                Observation::Known(status) => status,
                Observation::Gone => return Ok(None),
                Observation::Unknown(error) => return failed(format!("observe: unknown: {}", told(&error))),
            };
            if Instant::now() >= until {
                let ms = self.cases.patience_ms;
                return failed(format!("the run is not over within {ms} ms: it is {}", phase(&status.phase)));
            }
            let asked = Duration::from_millis(status.ask_after_ms.unwrap_or_default());
            tokio::time::sleep(asked.clamp(PAUSE, MOST_PAUSE)).await;
        }
    }

    pub(super) async fn stop(&self, made: &Made) -> Result<(), Ended> {
        self.stop_on(self.plugin(), made.run(), made).await
    }

    /// Stops a run through `plugin`, which is told `run` of it.
    pub(super) async fn stop_on(&self, plugin: &Arc<dyn ExecutorPlugin>, run: Run, made: &Made) -> Result<(), Ended> {
        made.keep(good("stop", plugin.stop(run, GRACE_MS).await)?);
        Ok(())
    }

    pub(super) async fn remove(&self, made: &Made) -> Result<(), Ended> {
        good("remove", self.plugin().remove(made.run()).await)
    }

    /// How often the platform lists an attempt as this engine's; `None` where the plugin cannot tell.
    pub(super) async fn owned(&self, made: &Made) -> Result<Option<usize>, Ended> {
        if !self.has("owned").await? {
            return Ok(None);
        }
        let attempt = made.attempt();
        Ok(Some(self.all_owned().await?.iter().filter(|run| run.attempt == attempt).count()))
    }

    /// Everything that the platform lists as this engine's.
    pub(super) async fn all_owned(&self) -> Result<Vec<Run>, Ended> {
        let mut all = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let Page { entries, next } = good("owned", self.plugin().owned(cursor).await)?;
            all.extend(entries);
            cursor = next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        failed(format!("owned: more than {MOST_PAGES} pages"))
    }

    /// Reads a log from the cursor on until the plugin says that this was all.
    pub(super) async fn log(
        &self,
        plugin: &Arc<dyn ExecutorPlugin>,
        run: &Run,
        mut cursor: Option<String>,
    ) -> Result<Vec<Piece>, Ended> {
        let until = Instant::now() + Duration::from_millis(self.cases.patience_ms);
        let mut all: Vec<Piece> = Vec::new();
        loop {
            let tape = Tape::endless();
            let is_all = good("logs", plugin.logs(run.clone(), cursor.clone(), WAIT_MS, tape.clone()).await)?;
            all.extend(tape.take());
            if is_all {
                return Ok(all);
            }
            if Instant::now() >= until {
                let ms = self.cases.patience_ms;
                return failed(format!("logs: the log of a run that is over has no end within {ms} ms"));
            }
            if let Some(last) = all.last() {
                cursor = Some(last.cursor.clone());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Gets rid of every run that was made.
    pub(super) async fn remove_all(&self) {
        let runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        for made in runs {
            if let Err(Ended::Failed(why)) = self.discard(&made).await {
                let Attempt { job, number } = made.attempt();
                let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
                left.push(format!("attempt {number} of {job}: {why}"));
            }
        }
    }

    async fn discard(&self, made: &Made) -> Result<(), Ended> {
        self.stop(made).await?;
        self.over(made).await?;
        self.remove(made).await
    }

    /// The runs that could not be removed, and why.
    pub(super) fn left(&self) -> Vec<String> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Scene for Stage<'_> {
    type Plugin = dyn ExecutorPlugin;
    const FEATURES: &'static [&'static str] = &["definitions", "logs", "collect", "owned"];

    fn subject(&self) -> &Subject<dyn ExecutorPlugin> {
        self.subject
    }

    fn options(&self) -> Vec<(&'static str, &str)> {
        vec![("quick", &self.cases.quick), ("long", &self.cases.long)]
    }

    fn clear(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.remove_all())
    }
}

/// An outcome in words.
pub(super) fn outcome(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Failed(error) => format!("failed: {}", told(error)),
        RunOutcome::NotStarted(error) => format!("not started: {}", told(error)),
        other => format!("{other:?}").to_lowercase(),
    }
}

pub(super) fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Pending(None) => "pending".to_owned(),
        Phase::Pending(Some(why)) => format!("pending ({why})"),
        Phase::Running => "running".to_owned(),
        Phase::Ended(ended) => format!("ended: {}", outcome(ended)),
    }
}

/// An answer in words.
pub(super) fn observation(observation: &Observation) -> String {
    match observation {
        Observation::Known(status) => phase(&status.phase),
        Observation::Gone => "gone".to_owned(),
        Observation::Unknown(error) => format!("unknown: {}", told(error)),
    }
}

//! A plugin that runs jobs, as a platform of the engine: between the words of the contract and those of the core.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::OnceCell;

use super::contract::{
    Answer, Attempt, Checkpoints, Descriptor, ErrorKind, ExecutorPlugin, Handle, LogSink, Observation, Phase,
    PluginError, PluginTask, Retry, Run as PluginRun, RunOutcome, Variable,
};
use crate::config::KeepWork;
use crate::error::Problem;
use crate::executors::{
    AttemptName, AttemptOrder, BoxFuture, ContactError, Definition, DefinitionPage, Journal, ObserveError, OwnedRuns,
    Platform, Run, Seen, Sighting, StartError, SubmitError,
};
use crate::files::{AttemptLog, Layout, LogStream, WORK_TREE, create_work_tree, remove_tree};
use crate::job::{JobId, Outcome, RunHandle, Task};

/// The word of a plugin that lists what it can run.
const DEFINITIONS: &str = "definitions";
/// The word of a plugin that has logs.
const LOGS: &str = "logs";
/// The word of a plugin that brings outputs in.
const COLLECT: &str = "collect";
/// The word of a plugin that can find its runs.
const OWNED: &str = "owned";

/// What a platform is told of the engine.
pub(crate) struct PlatformSetting {
    /// The name that it is registered under.
    pub(crate) name: String,
    pub(crate) layout: Layout,
    pub(crate) keep_work: KeepWork,
}

/// The platform behind a plugin. The plugin may be replaced while it runs.
pub(crate) struct PluginPlatform {
    setting: PlatformSetting,
    plugin: RwLock<Arc<Loaded>>,
}

struct Loaded {
    plugin: Arc<dyn ExecutorPlugin>,
    /// Whether it may see work trees at all.
    has_work: bool,
    descriptor: OnceCell<Descriptor>,
}

impl Loaded {
    async fn descriptor(&self) -> Answer<&Descriptor> {
        self.descriptor.get_or_try_init(|| self.plugin.describe()).await
    }

    /// Whether the plugin says that it can do something.
    async fn has(&self, feature: &str) -> Answer<bool> {
        Ok(self.descriptor().await?.features.iter().any(|it| it == feature))
    }
}

impl PluginPlatform {
    /// `has_work` says whether the plugin may see work trees at all.
    pub(crate) fn new(setting: PlatformSetting, plugin: Arc<dyn ExecutorPlugin>, has_work: bool) -> PluginPlatform {
        PluginPlatform { setting, plugin: RwLock::new(Loaded::new(plugin, has_work)) }
    }

    /// Has another plugin, or another version of this one, answer from the next call on.
    pub(crate) fn replace(&self, plugin: Arc<dyn ExecutorPlugin>, has_work: bool) {
        *self.plugin.write().unwrap_or_else(PoisonError::into_inner) = Loaded::new(plugin, has_work);
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.plugin.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn work_dir(&self, name: AttemptName) -> Option<PathBuf> {
        self.loaded().has_work.then(|| self.setting.layout.work(name.job, name.attempt))
    }

    /// Removes the work tree of an attempt unless it is kept.
    async fn remove_here(&self, name: AttemptName, succeeded: bool) -> Result<(), ContactError> {
        if self.loaded().has_work && !self.setting.keep_work.keeps(succeeded) {
            let dir = self.setting.layout.of_attempt(name.job, name.attempt);
            // It may be large.
            let removed = tokio::task::spawn_blocking(move || remove_work(&dir)).await;
            let removed = removed.map_err(io::Error::other).and_then(|removed| removed);
            removed.map_err(|error| ContactError { message: error.to_string() })?;
        }
        Ok(())
    }

    fn task(&self, order: &AttemptOrder) -> Result<PluginTask, StartError> {
        let Task::Named(task) = &order.task else {
            let message = format!("the task is not for the executor {:?}", self.setting.name);
            return Err(StartError { message, permanent: true });
        };
        let variable = |(name, value): (&str, &crate::job::OptionValue)| Variable {
            name: name.to_owned(),
            value: value.value.clone(),
            secret: value.secret,
        };
        // Whatever runs it has the work tree there.
        let options = order.options.clone().overlaid(order.files.told("/work/"));
        Ok(PluginTask {
            attempt: to_attempt(order.name),
            name: order.job_name.clone(),
            chain: order.chain.map(|chain| chain.to_string()),
            options: String::from_utf8_lossy(&task.params).into_owned(),
            environment: options.iter().map(variable).collect(),
            grace_ms: order.stop_grace_ms,
            deadline_at_ms: order.deadline.map(crate::job::Timestamp::as_millis),
        })
    }
}

impl Loaded {
    fn new(plugin: Arc<dyn ExecutorPlugin>, has_work: bool) -> Arc<Loaded> {
        Arc::new(Loaded { plugin, has_work, descriptor: OnceCell::new() })
    }
}

fn to_attempt(name: AttemptName) -> Attempt {
    Attempt { job: name.job.to_string(), number: name.attempt }
}

/// A stored handle: the schema in four bytes, little-endian, then the plugin's own bytes.
pub(super) fn to_stored(handle: Handle) -> RunHandle {
    RunHandle([&handle.schema.to_le_bytes(), handle.data.as_slice()].concat())
}

pub(super) fn from_stored(handle: &RunHandle) -> Option<Handle> {
    let (schema, data) = handle.0.split_first_chunk::<4>()?;
    Some(Handle { schema: u32::from_le_bytes(*schema), data: data.to_vec() })
}

fn to_run(run: &Run) -> PluginRun {
    PluginRun { attempt: to_attempt(run.name), handle: run.handle.as_ref().and_then(from_stored) }
}

fn contact(error: PluginError) -> ContactError {
    ContactError { message: error.to_string() }
}

fn remove_work(dir: &Path) -> io::Result<()> {
    remove_tree(dir)?;
    // Stays while there are other attempts, or a directory of the chain.
    let _ = dir.parent().map(std::fs::remove_dir);
    Ok(())
}

fn no_work_tree(error: io::Error) -> SubmitError {
    SubmitError::Refused(StartError { message: format!("no work tree: {error}"), permanent: false })
}

fn no_files() -> StartError {
    let message = "the job has files and the plugin sees no work trees; allowed: a plugin that is granted `work`";
    StartError { message: message.to_owned(), permanent: true }
}

/// Whether the error says nothing of the attempt, only of the way to the platform.
fn submit_error(error: PluginError) -> SubmitError {
    let after = match error.retry {
        Retry::Never => None,
        Retry::Backoff => Some(None),
        Retry::After(millis) => Some(Some(millis)),
    };
    let of_the_way = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Exhausted);
    match after {
        Some(after) if of_the_way => SubmitError::OutOfContact(contact(error), after),
        after => SubmitError::Refused(StartError { message: error.to_string(), permanent: after.is_none() }),
    }
}

fn outcome_of(outcome: RunOutcome) -> Outcome {
    match outcome {
        RunOutcome::Succeeded | RunOutcome::Exited(0) => Outcome::Succeeded,
        RunOutcome::Exited(code) => Outcome::Exit { code },
        RunOutcome::Signalled(signal) => Outcome::Signal { signal },
        RunOutcome::OutOfMemory => Outcome::OutOfMemory,
        RunOutcome::NotStarted(error) => {
            Outcome::NotStarted { permanent: error.retry == Retry::Never, message: error.to_string() }
        }
        RunOutcome::Failed(error) => {
            Outcome::Error { permanent: error.retry == Retry::Never, message: error.to_string() }
        }
        RunOutcome::Stopped => Outcome::Stopped,
        RunOutcome::Lost => Outcome::Interrupted,
    }
}

fn sighting_of(observation: Observation) -> Sighting {
    let status = match observation {
        Observation::Known(status) => status,
        Observation::Gone => return Sighting { seen: Seen::Gone, handle: None, ask_after_ms: None },
        Observation::Unknown(error) => {
            let ask_after_ms = if let Retry::After(millis) = error.retry { Some(millis) } else { None };
            return Sighting { seen: Seen::Unknown(contact(error)), handle: None, ask_after_ms };
        }
    };
    let seen = match status.phase {
        Phase::Pending(_) => Seen::Pending,
        Phase::Running => Seen::Running,
        Phase::Ended(outcome) => Seen::Ended(outcome_of(outcome)),
    };
    Sighting { seen, handle: status.handle.map(to_stored), ask_after_ms: status.ask_after_ms }
}

/// The way from the plugin to the store.
struct ToJournal(Arc<dyn Journal>);

impl Checkpoints for ToJournal {
    fn checkpoint(&self, handle: Handle) -> BoxFuture<'_, Answer<()>> {
        Box::pin(async move {
            let stored = self.0.checkpoint(to_stored(handle)).await;
            stored.map_err(|message| PluginError::new(ErrorKind::Cancelled, Retry::Never, message))
        })
    }
}

/// The way from the plugin to the log. It is closed when nobody waits for the call any more: a guest that is on its way out
/// would write what the next call is asked for again.
#[derive(Clone)]
struct ToLog(Arc<Mutex<Option<Arc<AttemptLog>>>>);

impl ToLog {
    fn open(log: &Arc<AttemptLog>) -> ToLog {
        ToLog(Arc::new(Mutex::new(Some(log.clone()))))
    }

    fn log(&self) -> MutexGuard<'_, Option<Arc<AttemptLog>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSink for ToLog {
    fn write<'a>(&'a self, stream: LogStream, bytes: &'a [u8], cursor: &'a str) -> BoxFuture<'a, bool> {
        let log = self.log();
        if let Some(log) = &*log {
            log.write(stream, bytes);
            log.mark(cursor);
        }
        let is_wanted = log.is_some();
        Box::pin(async move { is_wanted })
    }
}

/// Closes the way to the log when it is dropped.
struct Closes(ToLog);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.log().take();
    }
}

impl Platform for PluginPlatform {
    fn check(&self) -> BoxFuture<'_, Result<(), ContactError>> {
        Box::pin(async move { self.loaded().plugin.check().await.map_err(contact) })
    }

    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Result<DefinitionPage, ContactError>> {
        Box::pin(async move {
            let loaded = self.loaded();
            if !loaded.has(DEFINITIONS).await.map_err(contact)? {
                return Ok(DefinitionPage::default());
            }
            let page = loaded.plugin.definitions(cursor).await.map_err(contact)?;
            let definition = |it: super::contract::Definition| Definition {
                name: it.name,
                version: it.version,
                summary: it.summary,
                options: it.options,
            };
            Ok(DefinitionPage { definitions: page.entries.into_iter().map(definition).collect(), next: page.next })
        })
    }

    fn validate<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move {
            let problem = |field: &str, problem: String, allowed: &str| {
                Err(vec![Problem { field: field.to_owned(), problem, allowed: allowed.to_owned() }])
            };
            let Task::Named(task) = task else {
                return problem("executor", "it runs tasks of its own only".into(), "what its plugin takes");
            };
            // Some readers take a list for a record; plugins need not know.
            if let Err(error) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&task.params) {
                return problem("with", format!("it is no JSON object: {error}"), "a JSON object");
            }
            let options = String::from_utf8_lossy(&task.params).into_owned();
            match self.loaded().plugin.validate(options).await {
                Ok(problems) if problems.is_empty() => Ok(()),
                Ok(problems) => Err(problems),
                Err(error) => problem("executor", format!("the plugin did not answer: {error}"), "a plugin that does"),
            }
        })
    }

    fn submit<'a>(
        &'a self,
        order: &'a AttemptOrder,
        journal: Arc<dyn Journal>,
    ) -> BoxFuture<'a, Result<RunHandle, SubmitError>> {
        Box::pin(async move {
            let task = self.task(order).map_err(SubmitError::Refused)?;
            let work = self.work_dir(order.name);
            match &work {
                Some(work) => {
                    create_work_tree(work, &WORK_TREE).map_err(no_work_tree)?;
                    order.place_inputs(work).await.map_err(SubmitError::Refused)?;
                }
                None if !order.files.is_empty() => return Err(SubmitError::Refused(no_files())),
                None => {}
            }
            let submitted = self.loaded().plugin.submit(task, work, Arc::new(ToJournal(journal))).await;
            submitted.map(to_stored).map_err(submit_error)
        })
    }

    fn observe<'a>(&'a self, runs: &'a [Run]) -> BoxFuture<'a, Result<Vec<Sighting>, ObserveError>> {
        Box::pin(async move {
            let observed = self.loaded().plugin.observe(runs.iter().map(to_run).collect(), 0).await;
            let observed = observed.map_err(|error| ObserveError {
                // A plugin that breaks down may do so over one of the runs.
                may_be_one: matches!(error.kind, ErrorKind::Internal | ErrorKind::Exhausted | ErrorKind::Timeout),
                message: error.to_string(),
            });
            Ok(observed?.into_iter().map(sighting_of).collect())
        })
    }

    fn follow<'a>(
        &'a self,
        run: &'a Run,
        log: &'a Arc<AttemptLog>,
        wait_ms: u64,
    ) -> BoxFuture<'a, Result<bool, ContactError>> {
        Box::pin(async move {
            let loaded = self.loaded();
            if !loaded.has(LOGS).await.map_err(contact)? {
                return Ok(true);
            }
            let sink = Closes(ToLog::open(log));
            let followed = loaded.plugin.logs(to_run(run), log.cursor(), wait_ms, Arc::new(sink.0.clone())).await;
            // What was pushed before it broke off is there.
            log.save_mark();
            followed.map_err(contact)
        })
    }

    fn stop<'a>(&'a self, run: &'a Run, grace_ms: u64) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async move {
            let stopped = self.loaded().plugin.stop(to_run(run), grace_ms).await;
            stopped.map(|handle| handle.map(to_stored)).map_err(contact)
        })
    }

    fn collect<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), SubmitError>> {
        Box::pin(async move {
            let loaded = self.loaded();
            if !loaded.has(COLLECT).await.map_err(submit_error)? {
                return Ok(());
            }
            loaded.plugin.collect(to_run(run), self.work_dir(run.name)).await.map_err(submit_error)
        })
    }

    fn work(&self, attempt: AttemptName) -> Option<PathBuf> {
        self.work_dir(attempt)
    }

    fn remove<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move {
            self.loaded().plugin.remove(to_run(run)).await.map_err(contact)?;
            self.remove_here(run.name, succeeded).await
        })
    }

    fn remove_left<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move {
            let loaded = self.loaded();
            // Otherwise the sweep finds it.
            if !loaded.has(OWNED).await.map_err(contact)? {
                loaded.plugin.remove(to_run(run)).await.map_err(contact)?;
            }
            self.remove_here(run.name, succeeded).await
        })
    }

    fn remove_orphan<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move { self.loaded().plugin.remove(to_run(run)).await.map_err(contact) })
    }

    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Result<OwnedRuns, ContactError>> {
        Box::pin(async move {
            let loaded = self.loaded();
            if !loaded.has(OWNED).await.map_err(contact)? {
                return Ok(OwnedRuns::default());
            }
            let page = loaded.plugin.owned(cursor).await.map_err(contact)?;
            let run = |it: PluginRun| {
                let Ok(job) = it.attempt.job.parse::<JobId>() else {
                    tracing::warn!(platform = self.setting.name, "it names a run after no job");
                    return None;
                };
                let name = AttemptName { job, attempt: it.attempt.number };
                Some(Run { name, handle: it.handle.map(to_stored) })
            };
            Ok(OwnedRuns { runs: page.entries.into_iter().filter_map(run).collect(), next: page.next })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_what_it_was() {
        let handle = Handle { schema: 7, data: vec![1, 2, 3] };
        assert_eq!(from_stored(&to_stored(handle.clone())), Some(handle));
        assert_eq!(from_stored(&RunHandle(vec![1, 2, 3])), None);
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_writes_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let limits = crate::files::LogLimits { head_bytes: 8 << 10, tail_bytes: 32 << 10 };
        let log = AttemptLog::resume(dir.path().to_owned(), limits, &[], crate::clock::Clock::system()).unwrap();
        let sink = Closes(ToLog::open(&log));
        let of_guest = sink.0.clone();
        assert!(of_guest.write(LogStream::Stdout, b"one", "1").await);
        drop(sink);
        assert!(!of_guest.write(LogStream::Stdout, b"two", "2").await);
        assert_eq!(log.cursor().as_deref(), Some("1"));
    }

    #[test]
    fn what_is_wrong_on_the_way_costs_no_attempt() {
        let error = |kind, retry| submit_error(PluginError::new(kind, retry, "no"));
        let lost = |after| SubmitError::OutOfContact(ContactError { message: "no".into() }, after);
        let refused = |permanent| SubmitError::Refused(StartError { message: "no".into(), permanent });
        assert_eq!(error(ErrorKind::Unavailable, Retry::Backoff), lost(None));
        assert_eq!(error(ErrorKind::Exhausted, Retry::After(7)), lost(Some(7)));
        assert_eq!(error(ErrorKind::Unavailable, Retry::Never), refused(true));
        assert_eq!(error(ErrorKind::Internal, Retry::Backoff), refused(false));
        assert_eq!(error(ErrorKind::Invalid, Retry::Never), refused(true));
    }
}

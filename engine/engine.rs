//! The engine: the only public door. Plain data in, plain data out.

mod builder;
mod child_process;
mod configs;
mod executors;
mod files;
mod items;
mod outlook;
mod output;
mod output_types;
mod outputs;
mod owned;
mod pipelines;
mod plans;
mod runs;
mod schedules;
mod submission;
mod uploads;
mod view;

use std::sync::Arc;

pub use builder::Builder;
pub use child_process::supervise_if_asked;
pub use configs::ConfigView;
pub use items::{ItemPage, ItemView};
pub use output_types::OutputTypeView;
pub use outputs::{OutputCursor, OutputPage, OutputView};
pub use pipelines::{Missing, PipelineView};
pub use plans::{Applied, Change, Plan, Prune};
pub use runs::{NodeView, RunPage, RunView};
pub use schedules::{Backfill, ScheduleView};
pub use view::{ChainView, EngineStats, JobPage, JobView, KeyRotation, Missed, Subscription};

use crate::error::Error;
use crate::files::{LogPage, read_log, read_payload, unpack_inputs};
use crate::job::chain::summarize;
use crate::job::options::request_options_for;
use crate::job::{ChainId, Cursor, Event, Filter, Job, JobEvent, JobId, JobSpec, RunOptions, State, Task};
#[cfg(feature = "wasm")]
use crate::plugin::Fleet;
use crate::runtime::Runtime;
use crate::store::{Moved, Stored, inputs_lie_beside};

/// A durable job engine over one store directory. Cheap to clone; all clones are the same engine.
///
/// Every call that changes something returns when the change is on disk. Dropping the last clone ends the
/// engine as a crash would, which the next start recovers from; [`Engine::shutdown`] is the polite way.
///
/// ```
/// use windlass::{Engine, JobSpec, State};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let engine = Engine::builder(dir.path())
///     .function("double", |_context, n: u64| async move { Ok(n * 2) })
///     .open()
///     .await?;
///
/// let id = engine.submit_function("double", &21_u64).await?;
/// let job = engine.wait(id).await?;
/// assert_eq!(job.state(), State::Succeeded);
/// assert_eq!(engine.output(id)?.as_deref(), Some(b"42".as_slice()));
/// engine.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// Ends the runtime when the last engine handle goes: the loops hold the runtime, not the engine.
struct Inner {
    runtime: Arc<Runtime>,
    /// Whether the calling thread may commit: not where it is the only one that runs tasks.
    may_lead: bool,
    /// Plugins, where they are enabled.
    #[cfg(feature = "wasm")]
    fleet: Option<Fleet>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.runtime.abandon();
        self.runtime.store.release();
    }
}

impl Engine {
    /// An engine over the store in `dir`, which is made when it is not there.
    pub fn builder(dir: impl Into<std::path::PathBuf>) -> Builder {
        Builder::new(dir.into())
    }

    pub(crate) fn new(runtime: Arc<Runtime>, may_lead: bool, #[cfg(feature = "wasm")] fleet: Option<Fleet>) -> Engine {
        let inner = Inner {
            runtime,
            may_lead,
            #[cfg(feature = "wasm")]
            fleet,
        };
        Engine { inner: Arc::new(inner) }
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.inner.runtime
    }

    /// Accepts a job; returns when it is on disk.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake, [`Error::Conflict`] for an idempotency key that stands for
    /// another job, [`Error::Full`], [`Error::Storage`].
    pub async fn submit(&self, spec: JobSpec) -> Result<JobId, Error> {
        let ids = self.accept(vec![spec], false).await?;
        ids.first().copied().ok_or(Error::Closed)
    }

    /// Accepts a call of a registered function.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_function<I: serde::Serialize>(&self, name: &str, input: &I) -> Result<JobId, Error> {
        let input = serde_json::to_vec(input)
            .map_err(|error| Error::invalid("input", error.to_string(), "a value that is JSON"))?;
        self.submit(JobSpec::function(name, input)).await
    }

    /// Accepts many jobs, all or none; where `after` joins them they are one chain. Ids in the order given.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_many(&self, specs: Vec<JobSpec>) -> Result<Vec<JobId>, Error> {
        let joined = specs.iter().any(|spec| !spec.after.is_empty());
        self.accept(specs, joined).await
    }

    /// Accepts jobs as one chain, all or none. `request` options go over those of the first job, and reach no
    /// other. Ids in the order given; the first is the id of the chain.
    ///
    /// ```
    /// use windlass::job::ChainState;
    /// use windlass::{Engine, FunctionContext, FunctionError, JobSpec};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path())
    ///     .function("day", |context: FunctionContext, (): ()| async move {
    ///         Ok::<_, FunctionError>(context.option("DAY").unwrap_or("today").to_owned())
    ///     })
    ///     .open()
    ///     .await?;
    /// let specs = vec![
    ///     JobSpec::function("day", "null").named("load").option("DAY", "any day"),
    ///     JobSpec::function("day", "null").named("report").after("load"),
    /// ];
    /// let ids = engine.submit_chain(specs, [("DAY", "monday")].into_iter().collect()).await?;
    /// engine.wait(ids[1]).await?;
    /// assert_eq!(engine.output(ids[0])?.as_deref(), Some(br#""monday""#.as_slice()));
    /// assert_eq!(engine.output(ids[1])?.as_deref(), Some(br#""today""#.as_slice()));
    /// assert_eq!(engine.chain(ids[0])?.summary.state, ChainState::Succeeded);
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_chain(&self, mut specs: Vec<JobSpec>, request: RunOptions) -> Result<Vec<JobId>, Error> {
        for (position, spec) in specs.iter_mut().enumerate() {
            let own = std::mem::take(&mut spec.options);
            spec.options = own.overlaid(request_options_for(position, &request));
        }
        self.accept(specs, true).await
    }

    /// The job.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn get(&self, id: JobId) -> Result<JobView, Error> {
        self.find(id).map(|stored| self.view(stored))
    }

    fn find(&self, id: JobId) -> Result<Stored, Error> {
        self.runtime().store.find(id)?.ok_or_else(|| Error::NotFound(id.to_string()))
    }

    fn view(&self, stored: Stored) -> JobView {
        self.view_of(stored.job)
    }

    fn view_of(&self, job: Job) -> JobView {
        let progress = if job.status.state == State::Running { self.runtime().hub.progress(job.seq()) } else { None };
        JobView { job, progress }
    }

    /// The jobs that match, from the cursor on, at most `limit` and [`EngineConfig::page_jobs`]. The list
    /// stays whole while jobs come and go: no job that is there all the while is shown twice or left out.
    ///
    /// [`EngineConfig::page_jobs`]: crate::EngineConfig::page_jobs
    ///
    /// # Errors
    /// [`Error::Invalid`] for a cursor of a list in the other order or a limit of 0, [`Error::Storage`].
    pub fn list(&self, filter: &Filter, cursor: Option<Cursor>, limit: usize) -> Result<JobPage, Error> {
        let runtime = self.runtime();
        if limit == 0 {
            return Err(Error::invalid("limit", "it is 0", format!("1 to {}", runtime.config.page_jobs)));
        }
        if cursor.is_some_and(|cursor| cursor.order != filter.order) {
            return Err(Error::invalid("cursor", "it belongs to a list in the other order", "a cursor of this list"));
        }
        let page = runtime.store.list(filter, cursor, limit.min(runtime.config.page_jobs))?;
        let jobs = page.jobs.into_iter().map(|stored| self.view(stored)).collect();
        Ok(JobPage { jobs, next: page.next })
    }

    /// A chain and its jobs.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a job that is no first job of a chain, [`Error::Storage`].
    pub fn chain(&self, id: ChainId) -> Result<ChainView, Error> {
        if self.find(id)?.job.chain != Some(id) {
            return Err(Error::NotFound(id.to_string()));
        }
        let jobs: Vec<JobView> = self.members(id)?.into_iter().map(|job| self.view_of(job)).collect();
        let summary = summarize(jobs.iter().map(|view| &view.job.status));
        Ok(ChainView { summary, jobs })
    }

    /// Cancels a job: at once when it has not begun, else it is asked to stop and, after its grace time, made
    /// to. Returns when that is on disk, so the job ends as cancelled whatever happens. Cancelling twice, or
    /// after the end, changes nothing. `by` says who; it is kept with the job.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn cancel(&self, id: JobId, by: &str) -> Result<JobView, Error> {
        self.apply(id, Event::Cancel { by: by.chars().take(256).collect() }).await
    }

    /// Gives up an attempt whose executor cannot be reached, for good as far as anybody knows: it counts as lost to a
    /// crash, so [`OnCrash`](crate::job::OnCrash) decides what becomes of the job, and one that was being stopped ends as
    /// it would have. Whatever the run does later changes nothing. Where it turns out to be there still it is stopped and
    /// removed, if its platform can list its runs; until then it may go on. `by` says who.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] for a job that is not out of contact, [`Error::Storage`].
    pub async fn give_up(&self, id: JobId, by: &str) -> Result<JobView, Error> {
        let by = by.chars().take(256).collect();
        match self.runtime().give_up(self.find(id)?.job, by).await? {
            Moved::Changed(job) => Ok(self.view_of(job)),
            Moved::Unchanged(job) | Moved::Late(job) | Moved::Illegal(_, job) => Err(Error::Conflict(format!(
                "job {id} is {} and not out of contact; only an attempt whose executor cannot be reached is given up",
                job.status.state
            ))),
        }
    }

    /// Releases a job that is held.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] when it is over, [`Error::Storage`].
    pub async fn release(&self, id: JobId) -> Result<JobView, Error> {
        self.apply(id, Event::Release).await
    }

    /// Counts more items of a job that was submitted with `open_items` and knows itself what they are. Items with inputs are
    /// added by [`Engine::upload`].
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] over the limit of items, [`Error::Conflict`] when they are
    /// closed, [`Error::Storage`].
    pub async fn add_items(&self, id: JobId, count: u32) -> Result<JobView, Error> {
        let most = self.runtime().config.job_limits.items;
        let have = self.find(id)?.job.status.items.total;
        if have.checked_add(count).is_none_or(|total| total > most) {
            return Err(Error::invalid("items", format!("{have} and {count} more"), format!("at most {most} in all")));
        }
        self.apply(id, Event::ItemsAdded(count)).await
    }

    /// Closes the items of a job: no more will come, it may run.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] when it is over, [`Error::Storage`].
    pub async fn close_items(&self, id: JobId) -> Result<JobView, Error> {
        let runtime = self.runtime();
        let no_more = runtime.end_uploads(id).await;
        let closed = self.apply(id, Event::ItemsClosed).await;
        drop(no_more);
        runtime.forget_uploads(id).await;
        closed
    }

    async fn apply(&self, id: JobId, event: Event) -> Result<JobView, Error> {
        let runtime = self.runtime();
        let job = self.find(id)?.job;
        match runtime.store.change(&job, &[event], None, runtime.clock.now()).await? {
            Moved::Changed(job) | Moved::Unchanged(job) | Moved::Late(job) => Ok(self.view_of(job)),
            Moved::Illegal(illegal, _) => Err(Error::Conflict(illegal.to_string())),
        }
    }

    /// Submits a new job with the same spec as one that is over, without its place in a chain, its start time
    /// and its idempotency key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] when it is not over, else as [`Engine::submit`].
    pub async fn retry(&self, id: JobId) -> Result<JobId, Error> {
        let runtime = self.runtime();
        let stored = self.find(id)?;
        let state = stored.job.status.state;
        if !state.is_final() {
            return Err(Error::Conflict(format!("job {id} is {state}; only a job that is over is submitted again")));
        }
        if stored.job.spec.items.as_ref().is_some_and(|items| items.count > 0) {
            let text = format!("job {id} was given its items with its submission; each of them can be submitted again");
            return Err(Error::Conflict(text));
        }
        let mut spec = (*stored.job.spec).clone();
        runtime.store.open_private(id.seq(), stored.private.as_ref())?.put(&mut spec);
        runtime.put_late_together(&stored.job, &mut spec.options)?;
        (spec.node, spec.item) = (None, None);
        (spec.after, spec.hold, spec.open_items) = (Vec::new(), false, false);
        (spec.start_at, spec.idempotency_key) = (None, None);
        if let (true, Task::Function(task)) = (stored.large_input.is_some(), &mut spec.task) {
            let path = runtime.layout.input(id.seq());
            task.input = read_payload(&path).map_err(|error| Error::io(path.display(), &error))?;
        }
        if stored.large_input.is_some() && inputs_lie_beside(&spec) {
            let path = runtime.layout.input(id.seq());
            let inputs = read_payload(&path).and_then(|packed| unpack_inputs(&packed));
            spec.inputs = inputs.map_err(|error| Error::io(path.display(), &error))?;
        }
        let ids = self.accept_known(vec![spec], false).await?;
        ids.first().copied().ok_or(Error::Closed)
    }

    /// Waits until the job is over.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`], [`Error::Closed`] when the engine ends first.
    pub async fn wait(&self, id: JobId) -> Result<JobView, Error> {
        let hub = &self.runtime().hub;
        let over = hub.when_over(id.seq());
        let found = self.find(id);
        if found.as_ref().is_ok_and(|stored| !stored.job.status.state.is_final()) {
            return match over.await {
                Ok(job) => Ok(self.view_of(job)),
                Err(_) => Err(self.runtime().store.failure().map_or(Error::Closed, Error::Storage)),
            };
        }
        drop(over);
        hub.forget_waiters(id.seq());
        found.map(|stored| self.view(stored))
    }

    /// Everything that happens from now on.
    ///
    /// ```
    /// use windlass::job::JobFact;
    /// # use windlass::{Engine, FunctionError};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::builder(dir.path())
    /// #     .function("greet", |_, name: String| async move { Ok::<_, FunctionError>(format!("hello {name}")) })
    /// #     .open()
    /// #     .await?;
    /// let mut events = engine.subscribe();
    /// let id = engine.submit_function("greet", &"you").await?;
    /// // An error is a number of events that were missed; what became of the jobs is in their list.
    /// while let Some(event) = events.next().await {
    ///     let event = event?;
    ///     if matches!(event.fact, JobFact::Finished { .. }) {
    ///         assert_eq!(event.id, id);
    ///         break;
    ///     }
    /// }
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self) -> Subscription {
        let runtime = self.runtime();
        Subscription::new(runtime.hub.subscribe(runtime.config.event_backlog))
    }

    /// What has happened to a job, in order.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn events(&self, id: JobId) -> Result<Vec<JobEvent>, Error> {
        let job = self.find(id)?.job;
        self.runtime().store.events(&job)
    }

    /// A page of the log of an attempt (of the latest one when none is named), from the offset on, at most
    /// `max_bytes` and [`EngineConfig::page_log_bytes`]. An attempt without output has an empty log.
    ///
    /// [`EngineConfig::page_log_bytes`]: crate::EngineConfig::page_log_bytes
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn logs(&self, id: JobId, attempt: Option<u32>, from: u64, max_bytes: usize) -> Result<LogPage, Error> {
        let runtime = self.runtime();
        let latest = self.find(id)?.job.status.attempt;
        let attempt = attempt.unwrap_or(latest);
        if attempt > latest || (attempt == 0 && latest > 0) {
            return Err(Error::NotFound(format!("{id}, attempt {attempt}")));
        }
        let dir = runtime.layout.log(id, attempt);
        let page = read_log(&dir, from, max_bytes.min(runtime.config.page_log_bytes));
        page.map_err(|error| Error::io(dir.display(), &error))
    }

    /// Makes a new key and seals all run options with it, while jobs come and go. Where the keys come from the
    /// environment, the first one there is the new key.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Storage`].
    pub async fn rotate_key(&self) -> Result<KeyRotation, Error> {
        let rotation = self.runtime().store.rotate_key().await?;
        Ok(KeyRotation { resealed: rotation.resealed, active: rotation.active.to_string() })
    }

    /// Figures of this engine.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn stats(&self) -> Result<EngineStats, Error> {
        let store = &self.runtime().store;
        Ok(EngineStats { live: store.live(), finished: store.finished_count()?, disk: store.disk_use() })
    }

    /// Why the engine acknowledges nothing any more; `None` while it is ready.
    pub fn failure(&self) -> Option<String> {
        self.runtime().store.failure()
    }

    /// Stops claiming jobs, lets functions finish within [`EngineConfig::shutdown_grace_ms`], puts those that
    /// do not back into their queue, leaves processes running for the next start, and closes the store.
    /// Calls on other clones fail with [`Error::Closed`] from then on.
    ///
    /// [`EngineConfig::shutdown_grace_ms`]: crate::EngineConfig::shutdown_grace_ms
    pub async fn shutdown(&self) {
        self.runtime().shutdown().await;
    }
}

//! What is outside of the engine and outlives it: the platform that runs external jobs, and the memory of
//! everything that was asked for, acknowledged and done. Each fact carries the step of the disk at which it was
//! known, so a power cut before any step has its own past.

use std::sync::{Arc, Mutex};

use windlass::executors::{AttemptName, AttemptOrder, BoxFuture, ContactError, Executor, StartError};
use windlass::job::{JobSpec, Outcome, Reason, RunHandle, Task};
use windlass::testing::{CrashDisk, FakeExecutor};
use windlass::{Builder, FunctionContext, FunctionError, JobId, Problem, State};

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A submission is on its way.
    Asked(Arc<Vec<JobSpec>>),
    /// It was acknowledged.
    Accepted { ids: Vec<JobId>, specs: Arc<Vec<JobSpec>> },
    /// A cancel was acknowledged for a job that was not over.
    Cancelled(JobId),
    /// The end of a job was told.
    Ended { id: JobId, state: State, reason: Option<Reason> },
    /// The work of an attempt began.
    Began { attempt: AttemptName, life: u32 },
    /// It ended.
    Returned { attempt: AttemptName, outcome: Outcome },
    /// The platform was given this.
    Started(Box<AttemptOrder>),
    /// The platform has forgotten the run.
    Removed(AttemptName),
    /// The text of the key file from here on.
    Keys(String),
}

impl Fact {
    /// Whether it tells of an attempt of this job.
    pub(crate) fn is_of(&self, job: JobId) -> bool {
        match self {
            Fact::Cancelled(id) | Fact::Ended { id, .. } => *id == job,
            Fact::Began { attempt, .. } | Fact::Returned { attempt, .. } | Fact::Removed(attempt) => attempt.job == job,
            Fact::Started(order) => order.name.job == job,
            Fact::Asked(_) | Fact::Accepted { .. } | Fact::Keys(_) => false,
        }
    }
}

/// The world around one life of the engine. Clones are the same.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    disk: Arc<CrashDisk>,
    life: u32,
    facts: Mutex<Vec<(u64, Fact)>>,
    platform: FakeExecutor,
    broken: Mutex<Vec<String>>,
}

/// What a function is to do; also the parameters of a run on the platform.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Work {
    pub(crate) label: String,
    /// Attempts that fail before one succeeds.
    pub(crate) fails: u32,
    pub(crate) sleep_ms: u64,
    pub(crate) output_bytes: usize,
    pub(crate) padding: String,
}

impl Work {
    pub(crate) fn of(spec: &JobSpec) -> Option<Work> {
        let json = match &spec.task {
            Task::Function(task) => &task.input,
            Task::Named(task) => &task.params,
            Task::Process(_) => return None,
        };
        serde_json::from_slice(json).ok()
    }

    /// What the function returns, as JSON text.
    pub(crate) fn output(&self) -> Vec<u8> {
        serde_json::to_vec(&text(&self.label, self.output_bytes)).unwrap()
    }
}

pub(crate) fn text(label: &str, bytes: usize) -> String {
    label.chars().cycle().take(bytes.max(label.len())).collect()
}

pub(crate) fn token(label: &str) -> String {
    format!("token-of-{label}")
}

impl World {
    pub(crate) fn new(disk: Arc<CrashDisk>) -> World {
        World::with(disk, 1, Vec::new())
    }

    fn with(disk: Arc<CrashDisk>, life: u32, facts: Vec<(u64, Fact)>) -> World {
        let platform = FakeExecutor::new();
        World(Arc::new(Inner { disk, life, facts: Mutex::new(facts), platform, broken: Mutex::default() }))
    }

    /// The world as it was when the power failed before `step`, for a next life on `disk`.
    pub(crate) async fn before(&self, step: u64, disk: Arc<CrashDisk>) -> World {
        let past = self.facts().into_iter().filter(|(at, _)| *at <= step).map(|(_, fact)| (0, fact));
        let world = World::with(disk, self.0.life + 1, past.collect());
        for (_, fact) in world.facts() {
            match fact {
                Fact::Started(order) => drop(world.0.platform.start(&order).await),
                Fact::Returned { attempt, outcome } => drop(world.0.platform.end(attempt, outcome)),
                Fact::Removed(attempt) => drop(world.0.platform.remove(attempt, true).await),
                _ => {}
            }
        }
        world
    }

    pub(crate) fn note(&self, fact: Fact) {
        self.note_together([fact]);
    }

    /// Notes what happens at once: no power cut comes between.
    fn note_together<const N: usize>(&self, together: [Fact; N]) {
        let mut facts = self.0.facts.lock().unwrap();
        let step = self.0.disk.steps();
        facts.extend(together.map(|fact| (step, fact)));
    }

    /// Notes what was so since an earlier step.
    pub(crate) fn note_since(&self, step: u64, fact: Fact) {
        self.0.facts.lock().unwrap().push((step, fact));
    }

    pub(crate) fn steps(&self) -> u64 {
        self.0.disk.steps()
    }

    pub(crate) fn facts(&self) -> Vec<(u64, Fact)> {
        self.0.facts.lock().unwrap().clone()
    }

    pub(crate) fn platform(&self) -> &FakeExecutor {
        &self.0.platform
    }

    /// Ends a run on the platform.
    pub(crate) fn end(&self, attempt: AttemptName, outcome: Outcome) {
        self.note(Fact::Returned { attempt, outcome: outcome.clone() });
        self.0.platform.end(attempt, outcome);
    }

    /// The text of the key file, unless the engine has not made it yet.
    pub(crate) fn keys(&self) -> Option<String> {
        self.facts().into_iter().rev().find_map(|(_, fact)| match fact {
            Fact::Keys(text) => Some(text),
            _ => None,
        })
    }

    pub(crate) fn broken(&self) -> Vec<String> {
        self.0.broken.lock().unwrap().clone()
    }

    fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.broken.lock().unwrap().push(what());
        }
    }

    /// Registers the functions and the platform.
    pub(crate) fn install(&self, builder: Builder) -> Builder {
        let (free, limited) = (self.clone(), self.clone());
        builder
            .function("work", move |context, work| free.clone().work(context, work))
            .limited_function("one-by-one", 1, move |context, work| limited.clone().work(context, work))
            .executor("fake", Arc::new(Platform(self.clone())))
    }

    async fn work(self, context: FunctionContext, work: Work) -> Result<String, FunctionError> {
        let attempt = context.attempt();
        self.note(Fact::Began { attempt, life: self.0.life });
        let options =
            [("OWNER", work.label.clone()), ("TOKEN", token(&work.label)), ("jobId", attempt.job.to_string())];
        for (name, value) in options {
            let found = context.option(name);
            self.expect(found == Some(&value), || format!("{attempt} sees {name} as {found:?}, not {value}"));
        }
        if work.sleep_ms > 0 {
            tokio::select! {
                () = context.sleep(work.sleep_ms) => {}
                () = context.cancelled() => {
                    self.note(Fact::Returned { attempt, outcome: Outcome::Stopped });
                    return Err(FunctionError::new("stopped"));
                }
            }
        }
        if attempt.attempt <= work.fails {
            let outcome = Outcome::Error { message: "not yet".into(), permanent: false };
            self.note(Fact::Returned { attempt, outcome });
            return Err(FunctionError::new("not yet"));
        }
        self.note(Fact::Returned { attempt, outcome: Outcome::Succeeded });
        Ok(text(&work.label, work.output_bytes))
    }
}

/// The platform as the engine reaches it: everything that has an effect is noted.
struct Platform(World);

impl Executor for Platform {
    fn validate(&self, task: &Task) -> Result<(), Vec<Problem>> {
        self.0.0.platform.validate(task)
    }

    fn start<'a>(&'a self, order: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>> {
        Box::pin(async move {
            let World(inner) = &self.0;
            if inner.platform.order(order.name).is_none() {
                let began = Fact::Began { attempt: order.name, life: inner.life };
                self.0.note_together([began, Fact::Started(Box::new(order.clone()))]);
            }
            let owner = order.options.get("OWNER").map(|owner| owner.value.clone()).unwrap_or_default();
            let found = order.options.get("TOKEN").map(|token| token.value.clone());
            self.0.expect(found == Some(token(&owner)), || format!("{} was started with {found:?}", order.name));
            inner.platform.start(order).await
        })
    }

    fn find<'a>(
        &'a self,
        attempt: AttemptName,
        handle: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        self.0.0.platform.find(attempt, handle)
    }

    fn wait<'a>(&'a self, name: AttemptName, handle: &'a RunHandle) -> BoxFuture<'a, Result<Outcome, ContactError>> {
        self.0.0.platform.wait(name, handle)
    }

    fn stop<'a>(
        &'a self,
        attempt: AttemptName,
        handle: &'a RunHandle,
        grace_ms: u64,
    ) -> BoxFuture<'a, Result<(), ContactError>> {
        self.0.note(Fact::Returned { attempt, outcome: Outcome::Stopped });
        self.0.0.platform.stop(attempt, handle, grace_ms)
    }

    fn remove(&self, attempt: AttemptName, succeeded: bool) -> BoxFuture<'_, Result<(), ContactError>> {
        self.0.note(Fact::Removed(attempt));
        self.0.0.platform.remove(attempt, succeeded)
    }
}

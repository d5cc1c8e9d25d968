//! Random lives of a whole engine next to a small model of it, until every kind of operation has succeeded.
//!
//! `WINDLASS_MODEL_SEEDS` sets how many lives there are, `WINDLASS_MODEL_SEED` repeats one.

mod looks;
mod operations;
mod specs;

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass::executors::AttemptName;
use windlass::job::{Filter, JobFact, Order, State, Task};
use windlass::secret::Entropy;
use windlass::testing::{FakeExecutor, START, TestEngine};
use windlass::{
    Builder, Engine, EngineConfig, Error, FunctionContext, FunctionError, JobId, JobSpec, JobView, Subscription,
};

use crate::model::{Model, Run};

const OPERATIONS: usize = 300;
const QUEUES: [(&str, usize); 4] = [("near", 2), ("far", 5), ("stopped", 0), ("calls", 1_000)];
const QUEUE_LIMIT: u64 = 24;

pub(crate) struct World {
    engine: TestEngine,
    platform: FakeExecutor,
    model: Model,
    dice: Entropy,
    /// What was submitted with an idempotency key, by project and key.
    keyed: BTreeMap<(String, String), (JobSpec, JobId)>,
    /// Submissions of several jobs whose first one has a key.
    repeatable: Vec<(Vec<JobSpec>, Vec<JobId>)>,
    events: Subscription,
    /// The states as a subscriber knows them.
    heard: BTreeMap<JobId, State>,
    waiters: Vec<(JobId, tokio::task::JoinHandle<Result<JobView, Error>>)>,
}

fn functions(builder: Builder) -> Builder {
    type Answer<T> = Result<T, FunctionError>;
    let builder = builder
        .function("echo", |_: FunctionContext, value: serde_json::Value| async move { Answer::Ok(value) })
        .function("flaky", |context: FunctionContext, times: u32| async move {
            if context.attempt().attempt < times { Err(FunctionError::new("not yet")) } else { Ok(()) }
        })
        .function("hopeless", |_: FunctionContext, _: u64| async move {
            Answer::<()>::Err(FunctionError::permanent("never"))
        })
        .function("sleeps", |context: FunctionContext, ms: u64| async move {
            context.sleep(ms).await;
            Answer::Ok(())
        });
    builder
        .function("polite", |context: FunctionContext, ms: u64| async move {
            tokio::select! {
                () = context.cancelled() => {}
                () = context.sleep(ms) => {}
            }
            Answer::Ok(())
        })
        .function("panics", |_: FunctionContext, _: u64| async move {
            // Without the panic hook, which would fill the output of the tests.
            if true {
                std::panic::resume_unwind(Box::new("told to"));
            }
            Answer::Ok(())
        })
}

impl World {
    async fn new(seed: u64) -> World {
        let platform = FakeExecutor::new();
        let registered = platform.clone();
        let config = EngineConfig {
            queues: QUEUES.iter().map(|(name, slots)| ((*name).to_owned(), *slots)).collect(),
            queue_limit: QUEUE_LIMIT,
            shutdown_grace_ms: 0,
            ..EngineConfig::default()
        };
        let engine = TestEngine::open_seeded(seed, move |builder| {
            functions(builder).config(config.clone()).executor("fake", Arc::new(registered.clone()))
        });
        let engine = engine.await.unwrap();
        let model = Model {
            jobs: BTreeMap::new(),
            now: START,
            slots: QUEUES.into(),
            cut: false,
            refusing: false,
            ignoring_stops: false,
            ends: Default::default(),
        };
        World {
            events: engine.subscribe(),
            engine,
            platform,
            model,
            dice: Entropy::seeded(seed ^ 0x5eed),
            keyed: BTreeMap::new(),
            repeatable: Vec::new(),
            heard: BTreeMap::new(),
            waiters: Vec::new(),
        }
    }

    /// A number below `below`.
    fn roll(&self, below: u64) -> u64 {
        self.dice.next_u64() % below
    }

    fn percent(&self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    fn pick<T: Clone>(&self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { from.get(self.roll(from.len() as u64) as usize).cloned() }
    }

    fn pick_job(&self, wanted: impl Fn(&crate::model::Told) -> bool) -> Option<JobId> {
        self.pick(&self.model.ids(wanted))
    }

    /// Lets the engine do all it can, and holds it to the model.
    async fn settle(&mut self) {
        self.engine.settle().await;
        self.model.at(self.model.now);
        while self.follow() {}
        self.check_work_is_not_left();
        self.compare();
        self.hear().await;
        self.check_waiters().await;
    }

    /// Lets the model follow the engine where the engine may choose. Whether anything was left to follow.
    fn follow(&mut self) -> bool {
        if self.model.refusing {
            self.model.refuse_ready();
        }
        // A run that is found again may have ended, and its slot gone to another: those first.
        for id in self.model.ids(|job| job.lost.is_some() && !self.model.cut) {
            let seen = self.engine.get(id).unwrap().job.status;
            if seen.lost_since.is_none() || seen.state != self.model.job(id).state {
                self.model.found(id);
                self.model.at(self.model.now);
                return true;
            }
        }
        for id in self.model.ids(|_| true) {
            let told = self.model.job(id);
            let seen = self.engine.get(id).unwrap().job.status;
            if told.state == State::Queued && seen.attempt > told.attempt {
                self.model.claim(id);
                self.check_order(id);
                return true;
            }
            if told.is_retry
                && let (Some(until), Some(seen)) = (told.until, seen.waits.until)
                && until != seen
            {
                let random =
                    until.millis_since(self.model.now) * u64::from(told.spec.retry.backoff.jitter_percent) / 100;
                assert!(seen < until && until.millis_since(seen) <= random, "{until} and {seen} of {told:#?}");
                self.model.job_mut(id).until = Some(seen);
                return true;
            }
        }
        false
    }

    /// What the executor was told is what was asked for, and who asks.
    fn check_order(&self, id: JobId) {
        let told = self.model.job(id);
        let Some(Run::Far { .. }) = told.run else { return };
        let order = self.platform.order(AttemptName { job: id, attempt: told.attempt }).unwrap();
        let mut options = told.spec.options.clone();
        options.set("jobId", id.to_string());
        assert_eq!(
            order.options.iter().map(|(name, value)| (name, &value.value, value.secret)).collect::<Vec<_>>(),
            options.iter().map(|(name, value)| (name, &value.value, value.secret)).collect::<Vec<_>>(),
        );
        assert_eq!((order.chain, order.stop_grace_ms), (told.chain, told.spec.stop_grace_ms));
    }

    fn check_work_is_not_left(&self) {
        for (queue, _) in QUEUES {
            let ready = self.model.ids(|job| job.state == State::Queued && job.spec.queue == queue);
            assert!(ready.is_empty() || self.model.free_slots(queue) == 0, "{queue}: {ready:?} could run");
        }
    }

    fn compare(&self) {
        let all = all_of(&self.engine, &Filter { order: Order::OldestFirst, ..Filter::default() });
        let ids: Vec<JobId> = all.iter().map(|view| view.job.id).collect();
        assert_eq!(ids, self.model.ids(|_| true));
        for view in &all {
            self.model.job(view.job.id).compare(&view.job);
        }
        let stats = self.engine.stats().unwrap();
        let live = State::ALL.map(|state| {
            let count = self.model.ids(|job| job.state == state).len() as u64;
            if state.is_final() { 0 } else { count }
        });
        assert_eq!(stats.live, live);
        assert_eq!(stats.finished, self.model.ids(|job| job.state.is_final()).len() as u64);
        let running: Vec<JobId> =
            self.model.ids(|job| matches!(job.run, Some(Run::Far { ended: None, there: true, .. })));
        for id in running {
            let attempt = self.model.job(id).attempt;
            assert!(self.platform.running().contains(&AttemptName { job: id, attempt }), "{id} does not run");
        }
    }

    /// Takes in what subscribers are told; replayed, it gives the states of the model.
    async fn hear(&mut self) {
        loop {
            let event = tokio::select! {
                biased;
                event = self.events.next() => event.unwrap().unwrap(),
                () = std::future::ready(()) => break,
            };
            let state = match event.fact {
                JobFact::Submitted => {
                    let known = self.heard.contains_key(&event.id);
                    assert!(!known, "{} was accepted twice", event.id);
                    State::Waiting
                }
                JobFact::Queued => State::Queued,
                JobFact::Started { .. } => State::Running,
                JobFact::AttemptFailed { retry_at: Some(_), .. } => State::Waiting,
                JobFact::AttemptFailed { retry_at: None, .. } => State::Queued,
                JobFact::Stopping { .. } => State::Cancelling,
                JobFact::Finished { state, .. } => state,
                _ => continue,
            };
            let before = self.heard.insert(event.id, state);
            assert!(!before.is_some_and(State::is_final), "{} went on after its end: {state}", event.id);
        }
        for job in self.model.jobs.values() {
            let heard = self.heard.get(&job.id).copied();
            // Whether it is ready at once, the acceptance does not say.
            let never_waited = heard == Some(State::Waiting) && job.state == State::Queued && job.attempt == 0;
            assert!(heard == Some(job.state) || never_waited, "heard {heard:?} of {job:#?}");
        }
    }

    async fn check_waiters(&mut self) {
        for (id, waiter) in std::mem::take(&mut self.waiters) {
            let told = self.model.job(id);
            // A waiter that was woken gets its turn.
            tokio::task::yield_now().await;
            assert_eq!(waiter.is_finished(), told.state.is_final(), "the waiter for {told:#?}");
            if waiter.is_finished() {
                assert_eq!(waiter.await.unwrap().unwrap().state(), told.state);
            } else {
                self.waiters.push((id, waiter));
            }
        }
    }

    /// Moves the clock, stopping wherever something is due.
    async fn advance(&mut self, millis: u64) {
        let end = self.model.now.plus_millis(millis);
        while let Some(wake) = self.engine.clock().next_wake().filter(|wake| *wake <= end) {
            self.engine.clock().advance_to(wake);
            self.model.at(wake);
            self.settle().await;
        }
        self.engine.clock().advance_to(end);
        self.model.at(end);
        self.settle().await;
    }

    /// After a new start: whoever listened or waited was told that it is over, and begins anew.
    async fn reopened(&mut self, politely: bool) {
        for (_, waiter) in std::mem::take(&mut self.waiters) {
            let told = tokio::time::timeout(std::time::Duration::from_secs(10), waiter).await;
            let Ok(answer) = told else { panic!("a waiter was left alone") };
            // What was over in the last moment may have been told.
            assert!(matches!(answer.unwrap(), Err(Error::Closed | Error::Storage(_)) | Ok(_)));
        }
        self.events = self.engine.subscribe();
        self.model.reopened(politely);
        self.engine.settle().await;
        self.model.at(self.model.now);
        while self.follow() {}
        self.heard = self.model.jobs.values().map(|job| (job.id, job.state)).collect();
        // Some of it has happened before the subscription and some after.
        self.events = self.engine.subscribe();
        self.settle().await;
    }
}

/// The whole list, page by page.
pub(crate) fn all_of(engine: &Engine, filter: &Filter) -> Vec<JobView> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = engine.list(filter, cursor, 100).unwrap();
        all.extend(page.jobs);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

fn is_call(spec: &JobSpec) -> bool {
    matches!(spec.task, Task::Function(_))
}

async fn live(seed: u64) {
    let mut world = World::new(seed).await;
    let mut succeeded: BTreeMap<&str, usize> = operations::KINDS.iter().map(|(kind, _)| (*kind, 0)).collect();
    for count in 0.. {
        let missing: Vec<&str> = succeeded.iter().filter(|(_, times)| **times == 0).map(|(kind, _)| *kind).collect();
        if count >= OPERATIONS && missing.is_empty() {
            break;
        }
        assert!(count < 10 * OPERATIONS, "never succeeded: {missing:?}");
        // In the second half what has not succeeded yet is tried more often.
        let mut rare = if count > OPERATIONS / 2 && world.percent(50) { world.pick(&missing) } else { None };
        // A cut line is noticed by what is asked for meanwhile: there must be something.
        if rare == Some("restore the line") && !world.model.jobs.values().any(|job| job.lost.is_some()) {
            rare = Some(if world.model.cut { "submit" } else { "cut the line" });
        }
        let kind = rare.unwrap_or_else(|| operations::draw(&world));
        if std::env::var_os("WINDLASS_MODEL_SEED").is_some() {
            println!("{count}: {kind} at {}", world.model.now);
        }
        if world.operate(kind).await {
            *succeeded.entry(kind).or_default() += 1;
        }
        world.settle().await;
    }
    world.finish_all().await;
}

/// Lives on a thread of its own, so that a failure can name its seed.
fn live_named(seed: u64) {
    let life = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(live(seed));
    });
    assert!(life.join().is_ok(), "repeat this life with WINDLASS_MODEL_SEED={seed}");
}

#[test]
fn random_lives_are_as_the_model_tells_them() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("WINDLASS_MODEL_SEED") {
        return live_named(seed);
    }
    for seed in 0..number("WINDLASS_MODEL_SEEDS").unwrap_or(4) {
        live_named(seed);
    }
}

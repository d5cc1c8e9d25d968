//! Jobs on platforms: asked after together, found again, stopped, collected from, and cleaned up after.

use std::sync::Arc;
use std::time::Duration;

use windlass::executors::{AttemptName, AttemptOrder, ContactError, JobFiles, StartError, SubmitError};
use windlass::job::{JobFact, NamedTask, OnCrash, Outcome, Reason, RetryPolicy, Step, Task};
use windlass::testing::{FakeExecutor, START, TestEngine};
use windlass::{EngineConfig, JobId, JobSpec, RunOptions, State};

fn far() -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "far".into(), params: b"{}".to_vec() }))
}

fn secret() -> JobSpec {
    let mut spec = far();
    spec.options.set_secret("TOKEN", "hunter22");
    spec
}

struct Stage {
    engine: TestEngine,
    far: FakeExecutor,
}

impl Stage {
    async fn new() -> Stage {
        let far = FakeExecutor::new();
        let registered = far.clone();
        let config = EngineConfig { default_slots: 20_000, shutdown_grace_ms: 0, ..EngineConfig::default() };
        let engine = TestEngine::open(move |builder| {
            builder.config(config.clone()).platform("far", Arc::new(registered.clone()))
        });
        Stage { engine: engine.await.unwrap(), far }
    }

    async fn begun(&self, spec: JobSpec) -> (JobId, AttemptName) {
        let id = self.engine.submit(spec).await.unwrap();
        self.engine.advance(100).await;
        (id, AttemptName { job: id, attempt: 1 })
    }

    fn state(&self, id: JobId) -> State {
        self.engine.get(id).unwrap().state()
    }

    fn reason(&self, id: JobId) -> Option<Reason> {
        self.engine.get(id).unwrap().job.status.reason
    }

    fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 1 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }

    async fn restart(&mut self) {
        tokio::time::timeout(Duration::from_secs(20), self.engine.restart()).await.expect("it hangs").unwrap();
    }
}

fn lost() -> SubmitError {
    SubmitError::OutOfContact(ContactError { message: "no".into() }, Some(1_000))
}

#[tokio::test]
async fn a_run_is_submitted_watched_collected_and_removed() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    let status = stage.engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.step), (State::Running, Some(Step::Executing)));
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(100).await;
    assert_eq!(stage.state(id), State::Succeeded);
    assert_eq!((stage.far.collected(), stage.far.known()), (vec![name], 0));
    let (id, name) = stage.begun(far()).await;
    stage.far.end(name, Outcome::Exit { code: 3 });
    stage.engine.advance(100).await;
    assert_eq!((stage.state(id), stage.reason(id)), (State::Failed, Some(Reason::ExitCode(3))));
    assert_eq!(stage.far.collected().len(), 1, "nothing is collected after a failure");
}

#[tokio::test]
async fn ten_thousand_runs_are_one_question_a_tick() {
    let stage = Stage::new().await;
    let ids = stage.engine.submit_many(vec![far(); 10_000]).await.unwrap();
    stage.engine.advance(5_000).await;
    assert_eq!(stage.far.starts().len(), 10_000);
    let before = stage.far.questions();
    stage.engine.advance(60_000).await;
    let asked = stage.far.questions() - before;
    assert!((20..=80).contains(&asked), "asked {asked} times in a minute");
    for id in &ids {
        stage.far.end(AttemptName { job: *id, attempt: 1 }, Outcome::Succeeded);
    }
    stage.engine.advance(2_100).await;
    assert!(ids.iter().all(|id| stage.state(*id) == State::Succeeded));
}

#[tokio::test]
async fn a_platform_out_of_reach_costs_no_attempt() {
    let mut stage = Stage::new().await;
    stage.far.unreachable(true);
    let (id, name) = stage.begun(far()).await;
    stage.engine.advance(600_000).await;
    let status = stage.engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.attempt, status.lost_since), (State::Running, 1, status.started_at));
    stage.far.unreachable(false);
    stage.engine.advance(31_000).await;
    assert_eq!(stage.engine.get(id).unwrap().job.status.lost_since, None);
    // It goes away again under the run, and through a restart.
    stage.far.unreachable(true);
    stage.engine.advance(10_000).await;
    assert!(stage.engine.get(id).unwrap().job.status.lost_since.is_some());
    stage.restart().await;
    stage.engine.advance(10_000).await;
    assert!(stage.engine.get(id).unwrap().job.status.lost_since.is_some());
    stage.far.end(name, Outcome::Succeeded);
    stage.far.unreachable(false);
    stage.engine.advance(31_000).await;
    assert_eq!(stage.state(id), State::Succeeded);
    assert_eq!(stage.far.starts(), [name]);
    let facts: Vec<JobFact> = stage.engine.events(id).unwrap().into_iter().map(|event| event.fact).collect();
    let count = |fact: JobFact| facts.iter().filter(|it| **it == fact).count();
    assert_eq!((count(JobFact::ContactLost), count(JobFact::ContactFound)), (2, 2), "{facts:?}");
}

#[tokio::test]
async fn a_run_that_the_platform_breaks_down_over_harms_no_other() {
    let stage = Stage::new().await;
    let ids = stage.engine.submit_many(vec![far(); 1_000]).await.unwrap();
    stage.engine.advance(5_000).await;
    let name = |id: JobId| AttemptName { job: id, attempt: 1 };
    let bad = ids[617];
    stage.far.break_over(Some(name(bad)));
    for id in &ids {
        stage.far.end(name(*id), Outcome::Succeeded);
    }
    stage.engine.advance(5_000).await;
    let over = ids.iter().filter(|id| stage.state(**id) == State::Succeeded).count();
    assert_eq!((over, stage.state(bad)), (999, State::Running));
    assert!(stage.engine.get(bad).unwrap().job.status.lost_since.is_some());
    stage.far.break_over(None);
    stage.engine.advance(61_000).await;
    assert_eq!(stage.state(bad), State::Succeeded);
}

#[tokio::test]
async fn a_start_that_is_refused_is_an_attempt() {
    let stage = Stage::new().await;
    stage.far.refuse_starts(Some(StartError { message: "no such image".into(), permanent: false }));
    let retry = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
    let (id, _) = stage.begun(JobSpec { retry, ..far() }).await;
    stage.engine.advance(60_000).await;
    assert_eq!(stage.engine.get(id).unwrap().job.status.attempt, 3);
    assert_eq!(stage.reason(id), Some(Reason::NotStarted("no such image".into())));
}

#[tokio::test]
async fn a_cancel_reaches_the_run_until_it_is_over() {
    let mut stage = Stage::new().await;
    let (id, _) = stage.begun(far()).await;
    stage.engine.cancel(id, "me").await.unwrap();
    stage.engine.advance(100).await;
    assert_eq!((stage.state(id), stage.far.known()), (State::Cancelled, 0));
    // One that does not listen is told again; so is one that cannot be reached.
    stage.far.ignore_stops(true);
    let (id, name) = stage.begun(far()).await;
    stage.engine.cancel(id, "me").await.unwrap();
    stage.engine.advance(1_000).await;
    assert_eq!(stage.state(id), State::Cancelling);
    stage.far.unreachable(true);
    stage.far.ignore_stops(false);
    stage.engine.advance(60_000).await;
    stage.restart().await;
    stage.engine.advance(60_000).await;
    assert_eq!(stage.state(id), State::Cancelling);
    stage.far.unreachable(false);
    stage.engine.advance(60_000).await;
    assert_eq!((stage.state(id), stage.far.running().contains(&name)), (State::Cancelled, false));
}

#[tokio::test]
async fn who_is_cancelled_before_the_platform_heard_of_him_never_starts() {
    let stage = Stage::new().await;
    stage.far.unreachable(true);
    let (id, _) = stage.begun(far()).await;
    stage.engine.cancel(id, "me").await.unwrap();
    stage.engine.advance(1_000).await;
    assert_eq!(stage.state(id), State::Cancelling, "nobody knows whether it runs");
    stage.far.unreachable(false);
    stage.engine.advance(60_000).await;
    assert_eq!((stage.state(id), stage.far.starts().len()), (State::Cancelled, 0));
}

#[tokio::test]
async fn a_run_outlives_the_engine_and_its_end_is_heard_later() {
    let mut stage = Stage::new().await;
    let (id, name) = stage.begun(JobSpec { on_crash: OnCrash::Fail, ..far() }).await;
    stage.restart().await;
    stage.engine.crash_and_recover().await.unwrap();
    stage.engine.advance(100).await;
    stage.engine.crash_and_recover().await.unwrap();
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(2_000).await;
    assert_eq!((stage.state(id), stage.far.starts()), (State::Succeeded, vec![name]));
}

#[tokio::test]
async fn a_run_that_the_platform_lost_is_an_interruption() {
    let mut stage = Stage::new().await;
    let (again, name) = stage.begun(far()).await;
    let (once, other) = stage.begun(JobSpec { on_crash: OnCrash::Fail, ..far() }).await;
    stage.restart().await;
    stage.far.lose(name);
    stage.far.lose(other);
    stage.engine.advance(5_000).await;
    let status = stage.engine.get(again).unwrap().job.status;
    assert_eq!((status.state, status.attempt, status.interruptions), (State::Running, 2, 1));
    assert_eq!((stage.state(once), stage.reason(once)), (State::Failed, Some(Reason::Interrupted)));
}

#[tokio::test]
async fn a_run_that_stops_by_itself_is_no_stop_of_ours() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    stage.far.end(name, Outcome::Stopped);
    stage.engine.advance(2_000).await;
    assert!(matches!(stage.reason(id), Some(Reason::Error(told)) if told.contains("nobody here had asked")));
}

#[tokio::test]
async fn outputs_are_asked_for_until_they_are_there_or_refused() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    stage.far.refuse_collect(Some(lost()));
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(60_000).await;
    assert_eq!((stage.state(id), stage.far.known()), (State::Running, 1));
    stage.far.refuse_collect(None);
    stage.engine.advance(2_000).await;
    assert_eq!((stage.state(id), stage.far.collected()), (State::Succeeded, vec![name]));
    let (id, name) = stage.begun(far()).await;
    let refused = StartError { message: "the disk is full".into(), permanent: false };
    stage.far.refuse_collect(Some(SubmitError::Refused(refused)));
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(2_000).await;
    assert!(matches!(stage.reason(id), Some(Reason::Error(told)) if told.ends_with("the disk is full")));
}

#[tokio::test]
async fn what_a_run_prints_is_there_once_and_masked_however_often_the_engine_dies() {
    let mut stage = Stage::new().await;
    let (id, name) = stage.begun(secret()).await;
    let mut printed = String::new();
    for part in 0..20 {
        let text = format!("line {part} of hunter22\n");
        stage.far.print(name, text.as_bytes());
        printed += &text.replace("hunter22", "***");
        if part % 3 == 0 {
            stage.engine.advance(3_000).await;
            assert_eq!(stage.log(id), printed, "live");
        }
        match part % 4 {
            1 => stage.engine.crash_and_recover().await.unwrap(),
            3 => stage.restart().await,
            _ => {}
        }
    }
    stage.far.print(name, b"the end");
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(5_000).await;
    assert_eq!((stage.state(id), stage.log(id)), (State::Succeeded, printed + "the end"));
}

#[tokio::test]
async fn orphans_are_found_and_removed_and_nobody_else() {
    let mut stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    let (other, _) = stage.begun(far()).await;
    let order = |job: JobId, attempt: u32| AttemptOrder {
        name: AttemptName { job, attempt },
        job_name: None,
        chain: None,
        task: far().task,
        options: RunOptions::new(),
        stop_grace_ms: 0,
        deadline: None,
        files: JobFiles::default(),
    };
    // Of a job that was forgotten, of an attempt that is over, of a future that a restored backup has never seen.
    let stranger = JobId::new(1_000_000, START, 7);
    for orphan in [order(stranger, 1), order(id, 2)] {
        stage.far.plant(orphan);
    }
    stage.engine.cancel(other, "me").await.unwrap();
    stage.engine.advance(2_000).await;
    stage.far.plant(order(other, 1));
    assert_eq!(stage.far.known(), 4);
    stage.far.unreachable(true);
    stage.restart().await;
    stage.engine.advance(2_000).await;
    stage.far.unreachable(false);
    stage.engine.advance(10_000).await;
    assert_eq!((stage.far.running(), stage.far.known()), (vec![name], 1));
    assert_eq!(stage.state(id), State::Running);
}

#[tokio::test]
async fn what_could_not_be_removed_is_removed_soon_after() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    stage.far.refuse_removes(true);
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(2_000).await;
    assert_eq!((stage.state(id), stage.far.known()), (State::Succeeded, 1));
    // The first sweep meets the same, and the one after it comes soon too.
    stage.engine.advance(15_000).await;
    stage.far.refuse_removes(false);
    stage.engine.advance(60_000).await;
    assert_eq!(stage.far.known(), 0);
}

#[tokio::test]
async fn a_deadline_stops_the_run() {
    let stage = Stage::new().await;
    let mut spec = far();
    spec.deadlines.attempt_ms = Some(5_000);
    let (id, name) = stage.begun(spec).await;
    let told = stage.far.order(name).unwrap().deadline.unwrap();
    stage.engine.advance(10_000).await;
    assert_eq!((stage.state(id), stage.far.known()), (State::TimedOut, 0));
    assert_eq!(told, stage.engine.get(id).unwrap().job.status.started_at.unwrap().plus_millis(5_000));
}

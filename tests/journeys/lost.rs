//! Attempts that are out of contact and given up: by somebody, or by their deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass::executors::AttemptName;
use windlass::job::{Deadline, JobFact, NamedTask, OnCrash, Outcome, Reason, RetryPolicy, Task};
use windlass::testing::{FakeExecutor, TestEngine};
use windlass::{EngineConfig, Error, JobId, JobSpec, State};

fn far() -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "far".into(), params: b"{}".to_vec() }))
}

fn once() -> JobSpec {
    JobSpec { on_crash: OnCrash::Fail, ..far() }
}

struct Stage {
    engine: TestEngine,
    far: FakeExecutor,
    /// The next life of the engine has the platform too.
    registered: Arc<AtomicBool>,
}

impl Stage {
    async fn new() -> Stage {
        let (far, registered) = (FakeExecutor::new(), Arc::new(AtomicBool::new(true)));
        let (platform, is_there) = (far.clone(), registered.clone());
        let config = EngineConfig { shutdown_grace_ms: 0, ..EngineConfig::default() };
        let engine = TestEngine::open(move |builder| {
            let builder = builder.config(config.clone());
            match is_there.load(Ordering::Relaxed) {
                true => builder.platform("far", Arc::new(platform.clone())),
                false => builder,
            }
        });
        Stage { engine: engine.await.unwrap(), far, registered }
    }

    async fn begun(&self, spec: JobSpec) -> (JobId, AttemptName) {
        let id = self.engine.submit(spec).await.unwrap();
        self.engine.advance(100).await;
        (id, AttemptName { job: id, attempt: 1 })
    }

    fn seen(&self, id: JobId) -> (State, u32, Option<Reason>) {
        let status = self.engine.get(id).unwrap().job.status;
        (status.state, status.attempt, status.reason)
    }

    fn is_lost(&self, id: JobId) -> bool {
        self.engine.get(id).unwrap().job.status.lost_since.is_some()
    }
}

fn by_me() -> Option<Reason> {
    Some(Reason::GivenUpBy("me".into()))
}

#[tokio::test]
async fn who_is_given_up_runs_again_and_his_run_is_removed_when_the_platform_is_back() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    stage.far.unreachable(true);
    stage.engine.advance(20_000).await;
    let view = stage.engine.give_up(id, "me").await.unwrap();
    assert_eq!((view.state(), view.job.status.interruptions), (State::Queued, 1));
    // The next attempt waits for the platform.
    stage.engine.advance(600_000).await;
    assert_eq!((stage.seen(id), stage.is_lost(id)), ((State::Running, 2, None), true));
    stage.far.unreachable(false);
    stage.engine.advance(61_000).await;
    let next = AttemptName { job: id, attempt: 2 };
    assert_eq!((stage.far.running(), stage.far.known()), (vec![next], 1), "the first run is gone");
    assert_eq!(stage.far.starts(), [name, next]);
    stage.far.end(next, Outcome::Succeeded);
    stage.engine.advance(5_000).await;
    assert_eq!(stage.seen(id), (State::Succeeded, 2, None));
    let facts = stage.engine.events(id).unwrap();
    let told = JobFact::AttemptFailed { attempt: 1, reason: by_me().unwrap(), retry_at: None };
    assert!(facts.iter().any(|event| event.fact == told), "{facts:?}");
}

#[tokio::test]
async fn who_must_not_run_twice_fails_when_given_up_and_no_later_end_changes_that() {
    let mut stage = Stage::new().await;
    let (id, name) = stage.begun(once()).await;
    stage.far.unreachable(true);
    stage.engine.advance(20_000).await;
    stage.engine.give_up(id, "me").await.unwrap();
    assert_eq!(stage.seen(id), (State::Failed, 1, by_me()));
    stage.engine.restart().await.unwrap();
    stage.far.end(name, Outcome::Succeeded);
    stage.far.unreachable(false);
    stage.engine.advance(61_000).await;
    assert_eq!((stage.seen(id), stage.far.known()), ((State::Failed, 1, by_me()), 0));
}

#[tokio::test]
async fn a_cancel_that_never_arrives_ends_as_one_when_it_is_given_up() {
    let stage = Stage::new().await;
    let (id, _) = stage.begun(far()).await;
    stage.far.unreachable(true);
    stage.engine.cancel(id, "her").await.unwrap();
    stage.engine.advance(20_000).await;
    assert_eq!((stage.seen(id).0, stage.is_lost(id)), (State::Cancelling, true));
    stage.engine.give_up(id, "me").await.unwrap();
    assert_eq!(stage.seen(id), (State::Cancelled, 1, Some(Reason::CancelledBy("her".into()))));
    stage.engine.advance(1_000).await;
    stage.far.unreachable(false);
    stage.engine.advance(61_000).await;
    assert_eq!((stage.far.known(), stage.far.running().len()), (0, 0));
}

#[tokio::test]
async fn only_who_is_out_of_contact_is_given_up() {
    let stage = Stage::new().await;
    let (id, name) = stage.begun(far()).await;
    let refused = |answer: Result<windlass::JobView, Error>| matches!(answer, Err(Error::Conflict(told)) if told.contains("not out of contact"));
    assert!(refused(stage.engine.give_up(id, "me").await));
    stage.far.end(name, Outcome::Succeeded);
    stage.engine.advance(2_000).await;
    assert!(refused(stage.engine.give_up(id, "me").await));
    assert_eq!(stage.seen(id), (State::Succeeded, 1, None));
}

#[tokio::test]
async fn who_has_no_executor_any_more_is_given_up_at_once() {
    let mut stage = Stage::new().await;
    let (again, _) = stage.begun(far()).await;
    let (never, _) = stage.begun(once()).await;
    stage.registered.store(false, Ordering::Relaxed);
    stage.engine.restart().await.unwrap();
    for id in [again, never] {
        stage.engine.give_up(id, "me").await.unwrap();
    }
    assert_eq!(stage.seen(never), (State::Failed, 1, by_me()));
    stage.engine.advance(5_000).await;
    assert_eq!(stage.seen(again), (State::Queued, 1, by_me()), "it waits for its executor");
    stage.registered.store(true, Ordering::Relaxed);
    stage.engine.restart().await.unwrap();
    stage.engine.advance(5_000).await;
    assert_eq!(stage.seen(again), (State::Running, 2, None));
    assert_eq!(stage.far.running(), [AttemptName { job: again, attempt: 2 }]);
}

#[tokio::test]
async fn a_run_without_its_executor_is_out_of_contact_until_it_is_back() {
    let mut stage = Stage::new().await;
    let (id, name) = stage.begun(once()).await;
    stage.registered.store(false, Ordering::Relaxed);
    stage.engine.restart().await.unwrap();
    stage.engine.advance(1_000).await;
    assert!(stage.is_lost(id));
    stage.registered.store(true, Ordering::Relaxed);
    stage.engine.restart().await.unwrap();
    stage.engine.advance(3_000).await;
    assert_eq!((stage.seen(id), stage.is_lost(id)), ((State::Running, 1, None), false));
    assert_eq!(stage.far.running(), [name]);
}

#[tokio::test]
async fn who_is_out_of_contact_for_too_long_is_given_up_by_the_engine() {
    let mut stage = Stage::new().await;
    let lost = |mut spec: JobSpec| {
        spec.deadlines.lost_ms = Some(60_000);
        spec
    };
    let retry = RetryPolicy { max_interruptions: 1, ..RetryPolicy::default() };
    let (never, name) = stage.begun(lost(once())).await;
    let (again, _) = stage.begun(JobSpec { retry, ..lost(far()) }).await;
    let (patient, _) = stage.begun(far()).await;
    stage.far.unreachable(true);
    stage.engine.advance(55_000).await;
    assert_eq!((stage.seen(never).0, stage.is_lost(never)), (State::Running, true));
    // While there was no engine nobody tried to reach them.
    stage.engine.restart().await.unwrap();
    stage.engine.advance(55_000).await;
    assert_eq!(stage.seen(never).0, State::Running);
    stage.engine.advance(10_000).await;
    let late = Some(Reason::Deadline(Deadline::Lost));
    assert_eq!(stage.seen(never), (State::Failed, 1, late.clone()));
    assert_eq!(stage.seen(again), (State::Running, 2, None));
    stage.engine.advance(65_000).await;
    assert_eq!(stage.seen(again), (State::Failed, 2, late), "the second time it is not run again");
    assert_eq!(stage.seen(patient), (State::Running, 1, None));
    stage.far.end(name, Outcome::Succeeded);
    stage.far.unreachable(false);
    stage.engine.advance(61_000).await;
    assert_eq!((stage.seen(never).0, stage.far.known()), (State::Failed, 1), "only the patient one is left");
}

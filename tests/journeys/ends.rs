//! Ends of an engine, polite and not, and those who listen or wait meanwhile.

use std::sync::Arc;
use std::time::Duration;

use windlass::job::{JobFact, NamedTask, OnCrash, Outcome, Task};
use windlass::testing::{FakeExecutor, TestEngine};
use windlass::{Engine, EngineConfig, Error, FunctionContext, FunctionError, JobSpec, Missed, State};

fn far() -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "fake".into(), params: b"null".to_vec() }))
}

async fn engine(grace_ms: u64) -> (TestEngine, FakeExecutor) {
    let fake = FakeExecutor::new();
    let registered = fake.clone();
    let config = EngineConfig { shutdown_grace_ms: grace_ms, event_backlog: 16, ..EngineConfig::default() };
    let engine = TestEngine::open(move |builder| {
        builder.config(config.clone()).executor("fake", Arc::new(registered.clone())).function(
            "sleeps",
            |context: FunctionContext, ms: u64| async move {
                context.sleep(ms).await;
                Ok::<_, FunctionError>(context.attempt().attempt)
            },
        )
    });
    (engine.await.unwrap(), fake)
}

/// Nothing here takes this long unless it hangs.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it hangs")
}

#[tokio::test]
async fn functions_that_do_not_finish_in_time_are_handed_back_and_run_again() {
    let (mut engine, _) = engine(0).await;
    let sleeps = |on_crash| JobSpec { on_crash, ..JobSpec::function("sleeps", "60000") };
    let again = engine.submit(sleeps(OnCrash::Rerun)).await.unwrap();
    let once = engine.submit(sleeps(OnCrash::Fail)).await.unwrap();
    for _ in 0..5 {
        engine.settle().await;
        soon(engine.restart()).await.unwrap();
    }
    engine.advance(60_000).await;
    let status = engine.get(again).unwrap().job.status;
    assert_eq!((status.state, status.attempt, status.interruptions, status.handed_back), (State::Succeeded, 6, 0, 5));
    assert_eq!(engine.output(again).unwrap().unwrap(), b"6");
    let status = engine.get(once).unwrap().job.status;
    assert_eq!((status.state, status.attempt), (State::Failed, 1));
}

#[tokio::test]
async fn functions_that_finish_in_time_are_done_at_the_next_start() {
    let (mut engine, _) = engine(10_000).await;
    let id = engine.submit(JobSpec::function("sleeps", "9000")).await.unwrap();
    engine.settle().await;
    let clock = engine.clock().clone();
    let restarted = async {
        let moved = async {
            tokio::task::yield_now().await;
            clock.advance_to(clock.now().plus_millis(9_000));
        };
        tokio::join!(engine.restart(), moved).0.unwrap();
    };
    soon(restarted).await;
    let status = engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.attempt, status.handed_back), (State::Succeeded, 1, 0));
}

#[tokio::test]
async fn runs_elsewhere_go_on_through_restarts_and_their_end_is_heard_later() {
    let (mut engine, fake) = engine(0).await;
    let id = engine.submit(JobSpec { on_crash: OnCrash::Fail, ..far() }).await.unwrap();
    engine.settle().await;
    soon(engine.restart()).await.unwrap();
    engine.crash_and_recover().await.unwrap();
    fake.end(fake.running()[0], Outcome::Succeeded);
    soon(engine.restart()).await.unwrap();
    engine.settle().await;
    let status = engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.attempt, fake.starts().len(), fake.known()), (State::Succeeded, 1, 1, 0));
}

#[tokio::test]
async fn contact_is_lost_and_found_and_told_of() {
    let (engine, fake) = engine(0).await;
    let mut events = engine.subscribe();
    fake.unreachable(true);
    let id = engine.submit(far()).await.unwrap();
    engine.advance(60_000).await;
    let status = engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.lost_since), (State::Running, status.started_at));
    fake.unreachable(false);
    engine.advance(2_000).await;
    let status = engine.get(id).unwrap().job.status;
    assert_eq!((status.state, status.lost_since), (State::Running, None));
    // A second loss, in which the platform loses the run: found gone, it runs again.
    fake.unreachable(true);
    engine.cancel(id, "me").await.unwrap();
    engine.settle().await;
    assert!(engine.get(id).unwrap().job.status.lost_since.is_some());
    fake.lose(fake.running()[0]);
    fake.unreachable(false);
    engine.advance(2_000).await;
    assert_eq!(engine.get(id).unwrap().state(), State::Cancelled);
    let mut told = Vec::new();
    while !matches!(told.last(), Some(JobFact::Finished { .. })) {
        told.push(soon(events.next()).await.unwrap().unwrap().fact);
    }
    let count = |fact: &JobFact| told.iter().filter(|told| *told == fact).count();
    assert_eq!((count(&JobFact::ContactLost), count(&JobFact::ContactFound)), (2, 2), "{told:?}");
    let kept: Vec<JobFact> = engine.events(id).unwrap().into_iter().map(|event| event.fact).collect();
    assert_eq!(kept.iter().filter(|fact| **fact == JobFact::ContactFound).count(), 2);
}

#[tokio::test]
async fn who_waits_is_answered_at_the_end_of_the_job_or_of_the_engine() {
    let (mut engine, fake) = engine(0).await;
    let ids = engine.submit_many(vec![far(); 2]).await.unwrap();
    let wait = |engine: &TestEngine, id| {
        let engine = Engine::clone(engine);
        tokio::spawn(async move { engine.wait(id).await })
    };
    let (first, second, third) = (wait(&engine, ids[0]), wait(&engine, ids[0]), wait(&engine, ids[1]));
    engine.settle().await;
    fake.end(fake.running()[0], Outcome::Succeeded);
    assert_eq!(soon(first).await.unwrap().unwrap().state(), State::Succeeded);
    assert_eq!(soon(second).await.unwrap().unwrap().state(), State::Succeeded);
    assert_eq!(soon(engine.wait(ids[0])).await.unwrap().state(), State::Succeeded);
    let mut events = engine.subscribe();
    let clone = Engine::clone(&engine);
    soon(engine.shutdown()).await;
    assert!(matches!(soon(third).await.unwrap(), Err(Error::Closed)));
    assert!(soon(events.next()).await.is_none());
    assert!(soon(clone.subscribe().next()).await.is_none());
    assert!(matches!(soon(clone.wait(ids[1])).await, Err(Error::Closed)));
    assert!(matches!(soon(clone.submit(far())).await, Err(Error::Closed)));
    assert!(matches!(soon(clone.cancel(ids[1], "me")).await, Err(Error::Closed)));
    drop(clone);
    soon(engine.restart()).await.unwrap();
    assert_eq!(engine.get(ids[1]).unwrap().state(), State::Running);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_how_much_it_missed_and_goes_on() {
    let (engine, _) = engine(0).await;
    let mut events = engine.subscribe();
    let ids = engine.submit_many(vec![JobSpec { hold: true, ..far() }; 50]).await.unwrap();
    let Some(Err(Missed(missed))) = soon(events.next()).await else { panic!("nothing was missed") };
    assert_eq!(missed, 50 - 16);
    let event = soon(events.next()).await.unwrap().unwrap();
    assert_eq!((event.id, event.fact), (ids[34], JobFact::Submitted));
}

#[tokio::test]
async fn a_store_that_was_shut_down_or_dropped_can_be_opened_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for politely in [true, false, true, false, false] {
        let engine = Engine::builder(dir.path()).function("waits", |context: FunctionContext, (): ()| async move {
            context.cancelled().await;
            Ok::<_, FunctionError>(())
        });
        let engine = engine.config(EngineConfig { shutdown_grace_ms: 0, ..EngineConfig::default() });
        let engine = soon(engine.open()).await.unwrap();
        engine.submit_function("waits", &()).await.unwrap();
        if politely {
            soon(engine.shutdown()).await;
        }
        drop(engine);
    }
}

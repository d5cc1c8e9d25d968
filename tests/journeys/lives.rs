//! Jobs from submission to the end, on the clock of the test.

use std::sync::Arc;
use windlass::job::{JobSpec, NamedTask, Outcome, RetryPolicy, State, Task};
use windlass::testing::{FakeExecutor, TestEngine};
use windlass::{Error, FunctionError};

fn named() -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "fake".into(), params: b"{}".to_vec() }))
}

#[tokio::test]
async fn a_function_runs_and_its_output_is_kept() {
    let engine =
        TestEngine::open(|b| b.function("add", |_c, (a, b): (u32, u32)| async move { Ok(a + b) })).await.unwrap();
    let id = engine.submit_function("add", &(2, 3)).await.unwrap();
    let job = engine.wait(id).await.unwrap();
    assert_eq!(job.state(), State::Succeeded);
    assert_eq!(engine.output(id).unwrap().unwrap(), b"5");
}

#[tokio::test]
async fn retries_wait_for_their_time_and_survive_a_crash() {
    let mut engine = TestEngine::open(|b| {
        b.function("flaky", |c, (): ()| async move {
            if c.attempt().attempt < 4 { Err(FunctionError::new("no")) } else { Ok(()) }
        })
    })
    .await
    .unwrap();
    let mut spec = JobSpec::function("flaky", "null");
    spec.retry = RetryPolicy { max_attempts: 5, ..RetryPolicy::default() };
    let id = engine.submit(spec).await.unwrap();
    engine.settle().await;
    assert_eq!(engine.get(id).unwrap().state(), State::Waiting);
    engine.crash_and_recover().await.unwrap();
    assert_eq!(engine.get(id).unwrap().job.status.attempt, 1);
    engine.advance(60_000).await;
    let job = engine.get(id).unwrap().job;
    assert_eq!((job.status.state, job.status.attempt), (State::Succeeded, 4));
}

#[tokio::test]
async fn a_run_elsewhere_is_found_again_after_a_crash() {
    let fake = FakeExecutor::new();
    let platform = fake.clone();
    let mut engine = TestEngine::open(move |b| b.executor("fake", Arc::new(fake.clone()))).await.unwrap();
    let id = engine.submit(named()).await.unwrap();
    engine.settle().await;
    let run = platform.running()[0];
    engine.crash_and_recover().await.unwrap();
    engine.settle().await;
    assert_eq!(engine.get(id).unwrap().state(), State::Running);
    assert!(platform.end(run, Outcome::Succeeded));
    engine.settle().await;
    assert_eq!(engine.get(id).unwrap().state(), State::Succeeded);
    assert_eq!(platform.starts().len(), 1);
    assert_eq!(platform.known(), 0);
}

#[tokio::test]
async fn a_chain_runs_in_order_and_a_failure_ends_the_rest() {
    let fake = FakeExecutor::new();
    let platform = fake.clone();
    let engine = TestEngine::open(move |b| b.executor("fake", Arc::new(fake.clone()))).await.unwrap();
    let chain = vec![named().named("a"), named().named("b").after("a"), named().named("c").after("b")];
    let ids = engine.submit_many(chain).await.unwrap();
    engine.settle().await;
    assert_eq!(platform.running().len(), 1);
    platform.end(platform.running()[0], Outcome::Succeeded);
    engine.settle().await;
    platform.end(platform.running()[0], Outcome::Exit { code: 3 });
    engine.settle().await;
    let states: Vec<State> = ids.iter().map(|id| engine.get(*id).unwrap().state()).collect();
    assert_eq!(states, [State::Succeeded, State::Failed, State::Failed]);
    assert_eq!(
        engine.get(ids[2]).unwrap().job.status.reason.unwrap().to_string(),
        format!("previous job {} failed", ids[1])
    );
}

#[tokio::test]
async fn an_unknown_function_is_refused_by_name() {
    let engine = TestEngine::open(|b| b).await.unwrap();
    let error = engine.submit_function("nope", &1).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(p) if p[0].field == "function"), "{error}");
}

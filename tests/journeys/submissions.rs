//! Submissions: keys, masses, chains, and doing it again.

use std::sync::Arc;

use windlass::job::{ChainState, InputFile, NamedTask, Outcome, RetryPolicy, Task};
use windlass::testing::{FakeExecutor, TestEngine};
use windlass::{Error, FunctionContext, FunctionError, JobId, JobSpec, RunOptions, State};

fn far(name: &str) -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "fake".into(), params: b"null".to_vec() })).named(name)
}

async fn engine() -> (TestEngine, FakeExecutor) {
    let fake = FakeExecutor::new();
    let registered = fake.clone();
    let engine = TestEngine::open(move |builder| {
        builder
            .executor("fake", Arc::new(registered.clone()))
            .function("done", |_, _: serde_json::Value| async { Ok::<_, FunctionError>(()) })
            .function("colour", |context: FunctionContext, (): ()| async move {
                Ok::<_, FunctionError>(context.option("COLOUR").map(str::to_owned))
            })
    });
    (engine.await.unwrap(), fake)
}

fn states(engine: &TestEngine, ids: &[JobId]) -> Vec<State> {
    ids.iter().map(|id| engine.get(*id).unwrap().state()).collect()
}

#[tokio::test]
async fn a_key_stands_for_one_job_also_after_a_crash_and_in_its_project_only() {
    let (mut engine, _) = engine().await;
    let spec = JobSpec { idempotency_key: Some("nightly".into()), ..JobSpec::function("done", "1") };
    let id = engine.submit(spec.clone()).await.unwrap();
    engine.settle().await;
    engine.crash_and_recover().await.unwrap();
    assert_eq!(engine.submit(spec.clone()).await.unwrap(), id);
    let elsewhere = JobSpec { project: "other".into(), ..spec.clone() };
    assert_ne!(engine.submit(elsewhere).await.unwrap(), id);
    for other in [JobSpec { priority: 1, ..spec.clone() }, spec.clone().option("A", "1"), spec.named("x")] {
        let answer = engine.submit(other).await;
        assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_joined_submission_is_repeated_as_a_whole() {
    let (engine, _) = engine().await;
    let chain = |key: &str| {
        let first = JobSpec { idempotency_key: Some(key.into()), ..far("a") };
        vec![first, far("b").after("a"), far("c").after("b")]
    };
    let ids = engine.submit_many(chain("k")).await.unwrap();
    assert_eq!(engine.submit_many(chain("k")).await.unwrap(), ids);
    let mut mixed = chain("k");
    mixed[2].idempotency_key = Some("new".into());
    assert!(matches!(engine.submit_many(mixed).await, Err(Error::Conflict(_))));
    assert_eq!(engine.stats().unwrap().live.iter().sum::<u64>(), 3);
}

#[tokio::test]
async fn ten_thousand_jobs_are_accepted_together_or_not_at_all() {
    let (mut engine, _) = engine().await;
    let mut specs = vec![JobSpec { hold: true, ..JobSpec::function("done", "1") }; 10_000];
    specs[9_999].retry.max_attempts = 0;
    let error = engine.submit_many(specs.clone()).await.unwrap_err();
    assert!(error.to_string().starts_with("jobs[9999].retry.max_attempts: 0 is out of range"), "{error}");
    assert_eq!(engine.stats().unwrap().live.iter().sum::<u64>(), 0);
    specs[9_999].retry = RetryPolicy::default();
    let ids = engine.submit_many(specs.clone()).await.unwrap();
    assert!(ids.is_sorted() && ids.len() == 10_000);
    engine.crash_and_recover().await.unwrap();
    assert_eq!(engine.stats().unwrap().live.iter().sum::<u64>(), 10_000);
    specs.push(specs[0].clone());
    assert!(matches!(engine.submit_many(specs).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_chain_of_a_thousand_runs_to_its_end() {
    let (engine, _) = engine().await;
    let mut specs = vec![JobSpec::function("done", "1").named("j0")];
    specs
        .extend((1..1_000).map(|n| JobSpec::function("done", "1").named(format!("j{n}")).after(format!("j{}", n - 1))));
    let ids = engine.submit_chain(specs, RunOptions::new()).await.unwrap();
    engine.settle().await;
    let chain = engine.chain(ids[0]).unwrap();
    assert_eq!((chain.summary.state, chain.jobs.len()), (ChainState::Succeeded, 1_000));
}

#[tokio::test]
async fn a_failure_at_the_head_ends_a_thousand_at_once() {
    let (engine, fake) = engine().await;
    let mut specs = vec![far("j0")];
    specs.extend((1..1_000).map(|n| far(&format!("j{n}")).after(format!("j{}", n - 1))));
    let ids = engine.submit_many(specs).await.unwrap();
    engine.settle().await;
    fake.end(fake.running()[0], Outcome::Exit { code: 1 });
    engine.settle().await;
    let chain = engine.chain(ids[0]).unwrap();
    assert_eq!((chain.summary.state, chain.summary.counts[5]), (ChainState::Failed, 1_000));
}

#[tokio::test]
async fn a_diamond_waits_for_both_sides() {
    let (engine, fake) = engine().await;
    let specs =
        vec![far("top"), far("left").after("top"), far("right").after("top"), far("end").after("left").after("right")];
    let ids = engine.submit_many(specs).await.unwrap();
    let end = async |at: usize| {
        let run = *fake.running().iter().find(|run| run.job == ids[at]).unwrap();
        fake.end(run, Outcome::Succeeded);
        engine.settle().await;
    };
    engine.settle().await;
    end(0).await;
    assert_eq!(fake.running().len(), 2);
    end(2).await;
    assert_eq!(states(&engine, &ids)[3], State::Waiting);
    end(1).await;
    end(3).await;
    assert_eq!(engine.chain(ids[0]).unwrap().summary.state, ChainState::Succeeded);
}

#[tokio::test]
async fn a_cancel_in_the_middle_cancels_what_comes_after() {
    let (engine, _) = engine().await;
    let specs = vec![far("a"), far("b").after("a"), far("c").after("b"), far("d").after("c"), far("e").after("a")];
    let ids = engine.submit_many(specs).await.unwrap();
    engine.settle().await;
    engine.cancel(ids[2], "me").await.unwrap();
    use State::{Cancelled, Running, Waiting};
    assert_eq!(states(&engine, &ids), [Running, Waiting, Cancelled, Cancelled, Waiting]);
    let reason = engine.get(ids[3]).unwrap().job.status.reason.unwrap();
    assert_eq!(reason.to_string(), format!("previous job {} cancelled", ids[2]));
}

#[tokio::test]
async fn options_of_a_request_reach_the_first_job_only_and_a_retry_keeps_them() {
    let (engine, _) = engine().await;
    let colour = |name: &str, value: &str| JobSpec::function("colour", "null").named(name).option("COLOUR", value);
    let chain = vec![colour("a", "red"), colour("b", "blue").after("a")];
    let request: RunOptions = [("COLOUR", "gold")].into_iter().collect();
    let ids = engine.submit_chain(chain, request).await.unwrap();
    engine.settle().await;
    let output = |id| String::from_utf8(engine.output(id).unwrap().unwrap()).unwrap();
    assert_eq!([output(ids[0]), output(ids[1])], ["\"gold\"", "\"blue\""]);
    let again = engine.retry(ids[0]).await.unwrap();
    engine.settle().await;
    assert_eq!(output(again), "\"gold\"");
    assert_eq!(engine.get(again).unwrap().job.chain, None);
    let held = engine.submit(JobSpec { hold: true, ..far("h") }).await.unwrap();
    assert!(matches!(engine.retry(held).await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn input_files_are_part_of_what_a_key_stands_for() {
    let (mut engine, fake) = engine().await;
    let with = |content: &str| {
        let inputs = vec![InputFile { path: "a/b".into(), content: content.into() }];
        JobSpec { idempotency_key: Some("k".into()), inputs, ..far("x") }
    };
    let id = engine.submit(with("one")).await.unwrap();
    assert_eq!(engine.submit(with("one")).await.unwrap(), id);
    let other = engine.submit(with("two")).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
    // Also those of a job that has no key of its own, as part of a chain.
    let chain = |content: &str| {
        let second = JobSpec { idempotency_key: None, ..with(content) }.named("y").after("a");
        vec![JobSpec { idempotency_key: Some("chain".into()), ..far("a") }, second]
    };
    let ids = engine.submit_many(chain("one")).await.unwrap();
    assert_eq!(engine.submit_many(chain("one")).await.unwrap(), ids);
    let other = engine.submit_many(chain("two")).await;
    assert!(matches!(other, Err(Error::Conflict(_))), "{other:?}");
    engine.settle().await;
    engine.crash_and_recover().await.unwrap();
    engine.settle().await;
    let work = tempfile::tempdir().unwrap();
    std::fs::create_dir(work.path().join("input")).unwrap();
    let run = fake.running().into_iter().find(|run| run.job == id).unwrap();
    fake.order(run).unwrap().place_inputs(work.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(work.path().join("input/a/b")).unwrap(), "one");
}

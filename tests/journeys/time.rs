//! Deadlines, starts in the future, holds, and a year of retries.

use windlass::job::{Backoff, Deadline, Deadlines, Reason, RetryPolicy, Wait};
use windlass::testing::{START, TestEngine};
use windlass::{EngineConfig, FunctionContext, FunctionError, JobSpec, State};

async fn engine() -> TestEngine {
    TestEngine::open(|builder| {
        let config = EngineConfig { queues: [("stopped".to_owned(), 0)].into(), ..EngineConfig::default() };
        builder
            .config(config)
            .function("sleeps", |context: FunctionContext, ms: u64| async move {
                context.sleep(ms).await;
                Ok::<_, FunctionError>(())
            })
            .function("fails", |_, (): ()| async { Err::<(), _>(FunctionError::new("no")) })
    })
    .await
    .unwrap()
}

fn sleeps(ms: u64, deadlines: Deadlines) -> JobSpec {
    JobSpec { deadlines, stop_grace_ms: 100, ..JobSpec::function("sleeps", ms.to_string()) }
}

#[tokio::test]
async fn each_deadline_ends_a_job_at_its_time() {
    let engine = engine().await;
    let queue = Deadlines { queue_ms: Some(1_000), ..Deadlines::default() };
    let attempt = Deadlines { attempt_ms: Some(1_000), ..Deadlines::default() };
    let total = Deadlines { total_ms: Some(1_000), ..Deadlines::default() };
    let cases = [
        (JobSpec { queue: "stopped".into(), ..sleeps(0, queue) }, Deadline::Queue, 1_000),
        (sleeps(60_000, attempt), Deadline::Attempt, 1_100),
        (sleeps(60_000, total), Deadline::Total, 1_100),
        (JobSpec { hold: true, ..sleeps(0, total) }, Deadline::Total, 1_000),
    ];
    for (spec, deadline, after_ms) in cases {
        let begun = engine.clock().now();
        let id = engine.submit(spec).await.unwrap();
        engine.advance(999).await;
        assert!(!engine.get(id).unwrap().state().is_final());
        engine.advance(1_000).await;
        let status = engine.get(id).unwrap().job.status;
        assert_eq!((status.state, status.reason), (State::TimedOut, Some(Reason::Deadline(deadline))));
        assert_eq!(status.finished_at, Some(begun.plus_millis(after_ms)));
    }
    let just_in_time = engine.submit(sleeps(1_000, attempt)).await.unwrap();
    engine.advance(1_000).await;
    assert_eq!(engine.get(just_in_time).unwrap().state(), State::Succeeded);
}

#[tokio::test]
async fn a_held_job_waits_for_its_release_and_a_later_one_for_its_time() {
    let mut engine = engine().await;
    let spec = JobSpec { hold: true, ..sleeps(0, Deadlines::default()) };
    let held = engine.submit(JobSpec { start_at: Some(START.plus_millis(5_000)), ..spec }).await.unwrap();
    engine.advance(4_000).await;
    assert_eq!(engine.get(held).unwrap().job.status.wait(), Some(Wait::Release));
    engine.crash_and_recover().await.unwrap();
    let view = engine.release(held).await.unwrap();
    assert_eq!(view.job.status.wait(), Some(Wait::Until(START.plus_millis(5_000))));
    engine.advance(999).await;
    assert_eq!(engine.get(held).unwrap().state(), State::Waiting);
    engine.advance(1).await;
    let status = engine.get(held).unwrap().job.status;
    assert_eq!((status.state, status.started_at), (State::Succeeded, Some(START.plus_millis(5_000))));
}

#[tokio::test]
async fn a_year_of_retries_takes_no_time() {
    let begun = std::time::Instant::now();
    let engine = engine().await;
    let backoff = Backoff { initial_ms: 1_000, factor_percent: 200, max_ms: 86_400_000, jitter_percent: 0 };
    let retry = RetryPolicy { max_attempts: 400, backoff, ..RetryPolicy::default() };
    let id = engine.submit(JobSpec { retry, ..JobSpec::function("fails", "null") }).await.unwrap();
    engine.advance(365 * 86_400_000).await;
    // Seventeen delays that double come to 131,071 seconds; then there is one attempt a day.
    let status = engine.get(id).unwrap().job.status;
    let right = 18 + (365 * 86_400 - 131_071) / 86_400;
    assert_eq!((status.state, status.attempt), (State::Waiting, right));
    engine.advance(30 * 86_400_000).await;
    assert_eq!(engine.get(id).unwrap().state(), State::Failed);
    // It takes a fraction of a second; a minute would mean that somebody polls.
    assert!(begun.elapsed().as_secs() < 60);
}

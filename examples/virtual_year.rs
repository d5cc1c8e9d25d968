//! Testing a program that embeds the engine: a year of retries, and a power cut in the middle of it, in no time.

use windlass::FunctionError;
use windlass::job::{Backoff, JobSpec, RetryPolicy, State};
use windlass::testing::TestEngine;

const DAY_MS: u64 = 86_400_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = std::time::Instant::now();
    let mut engine = TestEngine::open(|builder| {
        builder.function("stubborn", |context, (): ()| async move {
            if context.attempt().attempt <= 360 { Err(FunctionError::new("not today")) } else { Ok("at last") }
        })
    })
    .await?;

    let mut job = JobSpec::function("stubborn", "null");
    let daily = Backoff { initial_ms: DAY_MS, factor_percent: 100, max_ms: DAY_MS, jitter_percent: 0 };
    job.retry = RetryPolicy { max_attempts: 400, backoff: daily, ..RetryPolicy::default() };
    let id = engine.submit(job).await?;

    engine.advance(180 * DAY_MS).await;
    assert_eq!(engine.get(id)?.state(), State::Waiting);
    engine.crash_and_recover().await?;
    engine.advance(185 * DAY_MS).await;

    let job = engine.get(id)?.job;
    assert_eq!((job.status.state, job.status.attempt), (State::Succeeded, 361));
    println!("a year in {:?}", started.elapsed());
    Ok(())
}

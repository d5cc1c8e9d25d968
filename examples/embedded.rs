//! A chain of functions inside a program: typed input and output, a retry, live events.

use windlass::job::{JobFact, JobSpec, RetryPolicy};
use windlass::{Engine, FunctionError, RunOptions, State};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("windlass-embedded-{}", std::process::id()));
    let engine = Engine::builder(&directory)
        .function("parse", |context, text: String| async move {
            // The first attempt fails; the engine tries again.
            if context.attempt().attempt == 1 {
                return Err(FunctionError::new("the line is busy"));
            }
            let numbers = text.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
            context.log(format!("{} numbers for {}", numbers.len(), context.option("WHO").unwrap_or("nobody")));
            Ok(numbers.iter().sum::<u64>())
        })
        .function("report", |context, title: String| async move {
            context.progress(100, "written");
            Ok(format!("{title}: done"))
        })
        .open()
        .await?;
    let mut events = engine.subscribe();

    let mut parse = JobSpec::function("parse", r#""1,2,39""#).named("parse");
    parse.retry = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
    parse.retry.backoff.initial_ms = 10;
    let report = JobSpec::function("report", r#""sums""#).named("report").after("parse");
    let request: RunOptions = [("WHO", "you")].into_iter().collect();
    let ids = engine.submit_chain(vec![parse, report], request).await?;

    let [parse, report] = ids[..] else { return Err("two jobs have two ids".into()) };
    assert_eq!(engine.wait(report).await?.state(), State::Succeeded);
    assert_eq!(engine.output(parse)?.as_deref(), Some(b"42".as_slice()));

    let mut finished = 0;
    while finished < 2 {
        let Some(Ok(event)) = events.next().await else { break };
        println!("{} {:?}", event.at, event.fact);
        finished += usize::from(matches!(event.fact, JobFact::Finished { .. }));
    }
    assert_eq!(engine.get(parse)?.job.status.attempt, 2);
    engine.shutdown().await;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

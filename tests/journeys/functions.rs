//! Functions: how they end, what they say, what they are given and give back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass::job::{JobFact, Outcome, Reason, RetryPolicy};
use windlass::testing::TestEngine;
use windlass::{Builder, EngineConfig, FunctionContext, FunctionError, JobId, JobSpec, JobView, State};

type Answer<T> = Result<T, FunctionError>;

async fn over(engine: &TestEngine, id: JobId) -> JobView {
    engine.settle().await;
    let view = engine.get(id).unwrap();
    assert!(view.state().is_final(), "{view:?}");
    view
}

#[tokio::test]
async fn a_cancel_is_heard_by_those_who_listen() {
    let engine = TestEngine::open(|builder| {
        builder.function("listens", |context: FunctionContext, (): ()| async move {
            context.cancelled().await;
            assert!(context.is_cancelled());
            Answer::Ok("tidied up")
        })
    });
    let engine = engine.await.unwrap();
    let id = engine.submit(JobSpec::function("listens", "null")).await.unwrap();
    engine.settle().await;
    assert_eq!(engine.get(id).unwrap().state(), State::Running);
    assert_eq!(engine.cancel(id, "me").await.unwrap().state(), State::Cancelling);
    let view = over(&engine, id).await;
    assert_eq!(view.state(), State::Cancelled);
    assert_eq!(view.job.status.reason, Some(Reason::CancelledBy("me".into())));
    assert_eq!(engine.output(id).unwrap(), None);
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn who_does_not_listen_is_dropped_when_the_grace_is_over() {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = gone.clone();
    let engine = TestEngine::open(move |builder| {
        let flag = flag.clone();
        builder.function("deaf", move |_, (): ()| {
            let guard = Dropped(flag.clone());
            async move {
                let _guard = guard;
                std::future::pending::<Answer<()>>().await
            }
        })
    });
    let engine = engine.await.unwrap();
    let spec = JobSpec { stop_grace_ms: 5_000, ..JobSpec::function("deaf", "null") };
    let id = engine.submit(spec).await.unwrap();
    engine.settle().await;
    engine.cancel(id, "me").await.unwrap();
    engine.advance(4_999).await;
    assert_eq!((engine.get(id).unwrap().state(), gone.load(Ordering::SeqCst)), (State::Cancelling, false));
    engine.advance(1).await;
    assert_eq!((engine.get(id).unwrap().state(), gone.load(Ordering::SeqCst)), (State::Cancelled, true));
}

fn bad_ends(builder: Builder) -> Builder {
    let config = EngineConfig { output_bytes: 1_000, ..EngineConfig::default() };
    let panics = |_: FunctionContext, kind: String| async move {
        match kind.as_str() {
            "static" => std::panic::resume_unwind(Box::new("a static message")),
            "string" => std::panic::resume_unwind(Box::new("a message".to_owned())),
            "early" => Answer::<()>::Ok(()),
            _ => std::panic::resume_unwind(Box::new(17)),
        }
    };
    builder
        .config(config)
        .function("panics", panics)
        .function("long", |_, bytes: usize| async move { Answer::Ok("x".repeat(bytes)) })
        .function("early", |_, (): ()| -> std::future::Ready<Answer<()>> {
            std::panic::resume_unwind(Box::new("before the future was made"))
        })
}

#[tokio::test]
async fn panics_are_outcomes_with_their_words() {
    let engine = TestEngine::open(bad_ends).await.unwrap();
    for (function, input, words) in [
        ("panics", "\"static\"", "a static message"),
        ("panics", "\"string\"", "a message"),
        ("panics", "\"number\"", "no message"),
        ("early", "null", "before the future was made"),
    ] {
        let id = engine.submit(JobSpec::function(function, input)).await.unwrap();
        let status = over(&engine, id).await.job.status;
        assert_eq!((status.state, status.reason), (State::Failed, Some(Reason::Panic(words.into()))));
    }
    let retried = RetryPolicy { max_attempts: 2, ..RetryPolicy::default() };
    let id = engine.submit(JobSpec { retry: retried, ..JobSpec::function("early", "null") }).await.unwrap();
    engine.advance(10_000).await;
    assert_eq!(engine.get(id).unwrap().job.status.attempt, 2);
}

#[tokio::test]
async fn an_input_that_does_not_fit_and_an_output_too_long_fail_for_good() {
    let engine = TestEngine::open(bad_ends).await.unwrap();
    let retry = RetryPolicy { max_attempts: 9, ..RetryPolicy::default() };
    let again = |function, input: &str| JobSpec { retry: retry.clone(), ..JobSpec::function(function, input) };
    let misfit = engine.submit(again("long", "\"seven\"")).await.unwrap();
    let status = over(&engine, misfit).await.job.status;
    assert_eq!((status.state, status.attempt), (State::Failed, 1));
    assert!(status.reason.unwrap().to_string().starts_with("the input does not fit: invalid type: string"));

    let fits = engine.submit(again("long", "998")).await.unwrap();
    assert_eq!(over(&engine, fits).await.state(), State::Succeeded);
    let long = engine.submit(again("long", "999")).await.unwrap();
    let status = over(&engine, long).await.job.status;
    let words = "the output has 1001 bytes; allowed: at most 1000";
    assert_eq!((status.attempt, status.reason), (1, Some(Reason::Error(words.into()))));
    assert_eq!(engine.output(long).unwrap(), None);
}

#[tokio::test]
async fn large_inputs_and_outputs_survive_a_crash_and_are_no_other_job() {
    let engine = TestEngine::open(|builder| {
        builder.function("reverse", |context: FunctionContext, text: String| async move {
            context.sleep(1_000).await;
            Answer::Ok(text.chars().rev().collect::<String>())
        })
    });
    let engine = &mut engine.await.unwrap();
    let text: String = (0..200_000_u64).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let spec = |text: &str| JobSpec {
        idempotency_key: Some("once".into()),
        ..JobSpec::function("reverse", serde_json::to_vec(text).unwrap())
    };
    let id = engine.submit(spec(&text)).await.unwrap();
    assert_eq!(engine.submit(spec(&text)).await.unwrap(), id);
    let other = engine.submit(spec(&text.replace('a', "b"))).await;
    assert!(matches!(other, Err(windlass::Error::Conflict(_))), "{other:?}");
    engine.settle().await;
    engine.crash_and_recover().await.unwrap();
    engine.advance(1_000).await;
    let output: String = serde_json::from_slice(&engine.output(id).unwrap().unwrap()).unwrap();
    assert_eq!(output, text.chars().rev().collect::<String>());
    // A retry takes the large input with it.
    let again = engine.retry(id).await.unwrap();
    engine.advance(1_000).await;
    assert_eq!(engine.output(again).unwrap(), engine.output(id).unwrap());
}

#[tokio::test]
async fn progress_items_and_log_lines_are_seen_and_secrets_are_not() {
    let engine = TestEngine::open(|builder| {
        builder.function("talks", |context: FunctionContext, (): ()| async move {
            context.add_items(3).await.map_err(FunctionError::from)?;
            context.begin_item().await?;
            context.end_item(true).await?;
            context.begin_item().await?;
            context.end_item(false).await?;
            context.log(format!("the password is {}", context.option("PASSWORD").unwrap_or_default()));
            context.log(format!("the colour is {}", context.option("COLOUR").unwrap_or_default()));
            context.progress(140, "nearly");
            context.sleep(1_000).await;
            Answer::Ok(())
        })
    });
    let engine = engine.await.unwrap();
    let mut events = engine.subscribe();
    let mut spec = JobSpec::function("talks", "null").option("COLOUR", "green");
    spec.options.set_secret("PASSWORD", "open sesame");
    let id = engine.submit(spec).await.unwrap();
    engine.settle().await;
    let view = engine.get(id).unwrap();
    let progress = view.progress.unwrap();
    assert_eq!((progress.percent, progress.message.as_str()), (100, "nearly"));
    engine.advance(1_000).await;
    let items = engine.get(id).unwrap().job.status.items;
    assert_eq!((items.total, items.succeeded, items.failed, items.dropped), (3, 1, 1, 1));
    let log = engine.logs(id, None, 0, 10_000).unwrap();
    let text: Vec<u8> = log.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
    assert_eq!(String::from_utf8(text).unwrap(), "the password is ***\nthe colour is green\n");
    let mut told = Vec::new();
    while !matches!(told.last(), Some(JobFact::Finished { .. })) {
        told.push(events.next().await.unwrap().unwrap().fact);
    }
    assert!(told.contains(&JobFact::Progress { percent: 100, message: "nearly".into() }), "{told:?}");
    assert_eq!(told[..2], [JobFact::Submitted, JobFact::Started { attempt: 1 }]);
    assert!(Outcome::Succeeded.reason().is_none() && engine.get(id).unwrap().progress.is_none());
}

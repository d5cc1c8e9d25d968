//! Order, slots and limits of queues.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use windlass::testing::TestEngine;
use windlass::{EngineConfig, Error, FunctionError, JobSpec, State};

/// Counts how many are inside at once.
#[derive(Clone, Default)]
struct Gate {
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gate {
    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

fn slots(queue: &str, slots: usize) -> EngineConfig {
    EngineConfig { queues: [(queue.to_owned(), slots)].into(), ..EngineConfig::default() }
}

#[tokio::test]
async fn priorities_age_and_the_order_is_exact() {
    let order: Arc<Mutex<Vec<u64>>> = Arc::default();
    let seen = order.clone();
    let engine = TestEngine::open(move |builder| {
        let seen = seen.clone();
        builder.config(slots("default", 1)).function("note", move |context, number: u64| {
            let seen = seen.clone();
            async move {
                seen.lock().unwrap().push(number);
                // The first one holds the only slot until all are there.
                context.sleep(if number == 0 { 60_000 } else { 0 }).await;
                Ok::<_, FunctionError>(())
            }
        })
    })
    .await
    .unwrap();
    let submit = async |number: u64, priority: u8| {
        let spec = JobSpec { priority, ..JobSpec::function("note", number.to_string()) };
        engine.submit(spec).await.unwrap();
    };
    submit(0, 100).await;
    engine.settle().await;
    submit(1, 10).await;
    submit(2, 11).await;
    submit(3, 10).await;
    engine.advance(9_999).await;
    // One level is worth ten seconds: this one has not waited long enough, the next one has.
    submit(4, 11).await;
    engine.advance(2).await;
    submit(5, 11).await;
    submit(6, 255).await;
    engine.advance(60_000).await;
    assert_eq!(*order.lock().unwrap(), [0, 6, 2, 4, 1, 3, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_than_the_slots_and_never_less_while_there_is_work() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let inside = gate.clone();
    let work = move |_, (): ()| {
        let inside = inside.clone();
        async move {
            inside.enter();
            tokio::task::yield_now().await;
            inside.leave();
            Ok::<_, FunctionError>(())
        }
    };
    let engine = windlass::Engine::builder(dir.path()).config(slots("narrow", 3)).function("work", work);
    let engine = engine.open().await.unwrap();
    let spec = JobSpec { queue: "narrow".into(), ..JobSpec::function("work", "null") };
    let ids = engine.submit_many(vec![spec; 400]).await.unwrap();
    for id in ids {
        assert_eq!(engine.wait(id).await.unwrap().state(), State::Succeeded);
    }
    assert!((1..=3).contains(&gate.most()), "{} at once", gate.most());
    engine.shutdown().await;
}

#[tokio::test]
async fn slots_are_used_to_the_last_and_none_stops_a_queue() {
    let gate = Gate::default();
    let inside = gate.clone();
    let config =
        EngineConfig { queues: [("three".to_owned(), 3), ("none".to_owned(), 0)].into(), ..EngineConfig::default() };
    let engine = TestEngine::open(move |builder| {
        let inside = inside.clone();
        builder.config(config.clone()).function("work", move |context, (): ()| {
            let inside = inside.clone();
            async move {
                inside.enter();
                context.sleep(1_000).await;
                inside.leave();
                Ok::<_, FunctionError>(())
            }
        })
    })
    .await
    .unwrap();
    let in_queue = |queue: &str| JobSpec { queue: queue.into(), ..JobSpec::function("work", "null") };
    let ids = engine.submit_many(vec![in_queue("three"); 7]).await.unwrap();
    let stopped = engine.submit(in_queue("none")).await.unwrap();
    let done = || ids.iter().filter(|id| engine.get(**id).unwrap().state() == State::Succeeded).count();
    for right in [3, 6, 7] {
        engine.advance(1_000).await;
        assert_eq!(done(), right);
    }
    engine.advance(86_400_000).await;
    assert_eq!((gate.most(), engine.get(stopped).unwrap().state()), (3, State::Queued));
}

#[tokio::test]
async fn a_limited_function_keeps_its_limit_and_others_pass_by() {
    let gate = Gate::default();
    let inside = gate.clone();
    let engine = TestEngine::open(move |builder| {
        let inside = inside.clone();
        let work = move |context: windlass::FunctionContext, (): ()| {
            let inside = inside.clone();
            async move {
                inside.enter();
                context.sleep(1_000).await;
                inside.leave();
                Ok::<_, FunctionError>(())
            }
        };
        let quick = |_, (): ()| async { Ok::<_, FunctionError>(()) };
        builder.config(slots("default", 4)).limited_function("scarce", 2, work).function("quick", quick)
    })
    .await
    .unwrap();
    let scarce = engine.submit_many(vec![JobSpec::function("scarce", "null"); 6]).await.unwrap();
    let quick = engine.submit_many(vec![JobSpec::function("quick", "null"); 20]).await.unwrap();
    engine.settle().await;
    let done =
        |ids: &[windlass::JobId]| ids.iter().filter(|id| engine.get(**id).unwrap().state() == State::Succeeded).count();
    assert_eq!((done(&scarce), done(&quick)), (0, 20));
    for right in [2, 4, 6] {
        engine.advance(1_000).await;
        assert_eq!(done(&scarce), right);
    }
    assert_eq!(gate.most(), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_whole_submissions_and_says_so() {
    let config = EngineConfig { queue_limit: 5, ..slots("default", 0) };
    let engine = TestEngine::open(move |builder| {
        builder.config(config.clone()).function("work", |_, (): ()| async { Ok::<_, FunctionError>(()) })
    });
    let engine = engine.await.unwrap();
    let work = || JobSpec::function("work", "null");
    let ids = engine.submit_many(vec![work(); 4]).await.unwrap();
    let error = engine.submit_many(vec![work(); 2]).await.unwrap_err();
    assert!(matches!(error, Error::Full { limit: 5, .. }), "{error}");
    assert_eq!(error.to_string(), "the queue \"default\" is full: 5 at most");
    engine.submit(work()).await.unwrap();
    assert!(matches!(engine.submit(work()).await, Err(Error::Full { .. })));
    engine.cancel(ids[0], "me").await.unwrap();
    engine.submit(work()).await.unwrap();
    assert_eq!(engine.stats().unwrap().live.iter().sum::<u64>(), 5);
}

//! Values of options are nowhere to be seen: not on disk, not in what the engine shows, says or logs.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use windlass::executors::StartError;
use windlass::job::{Filter, NamedTask, Outcome, RetryPolicy, Task};
use windlass::testing::FakeExecutor;
use windlass::{Engine, FunctionContext, FunctionError, JobId, JobSpec};

const CANARIES: usize = 20;

fn canary(number: usize) -> String {
    format!("canary-{number:02}-{}", "qzjx".repeat(3 + number % 3))
}

/// Everything the engine logs, as text.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<String>>);

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let line = format!("{field}={value:?} ");
        self.0.lock().unwrap().push_str(&line);
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn bytes_in(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(bytes_in(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files
}

fn assert_clean(place: &str, bytes: &[u8]) {
    for canary in (0..CANARIES).map(canary) {
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "{canary} stands in {place}");
    }
}

fn with_canaries(mut spec: JobSpec) -> JobSpec {
    for number in 0..CANARIES {
        spec.options.set_secret(format!("SECRET_{number}"), canary(number));
    }
    spec.retry = RetryPolicy { max_attempts: 2, ..RetryPolicy::default() };
    spec.retry.backoff.initial_ms = 1;
    spec
}

/// Says all it knows into its log.
fn tell(context: &FunctionContext) {
    for number in 0..CANARIES {
        context.log(format!("{number}: {}", context.option(&format!("SECRET_{number}")).unwrap()));
    }
}

/// Submissions that are refused, and one that is not; what the refusals say is added to what is shown.
async fn refuse(engine: &Engine, shown: &mut String) -> JobId {
    let mut bad = with_canaries(JobSpec::function("tells", "null"));
    bad.options.set_secret("BAD", format!("{}\0", canary(1)));
    bad.options.set_secret("A=B", canary(2));
    bad.idempotency_key = Some(String::new());
    shown.push_str(&format!("{0:?} {0}", engine.submit(bad).await.unwrap_err()));
    let keyed = JobSpec { idempotency_key: Some("k".into()), ..with_canaries(JobSpec::function("tells", "null")) };
    let id = engine.submit(keyed.clone()).await.unwrap();
    let other = keyed.option("SECRET_0", "other");
    shown.push_str(&format!("{0:?} {0}", engine.submit(other).await.unwrap_err()));
    id
}

#[tokio::test]
async fn no_value_of_an_option_leaves_the_engine() {
    let logged = Logged::default();
    let _logging = tracing::subscriber::set_default(logged.clone());
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeExecutor::new();
    let engine = Engine::builder(dir.path())
        .function("tells", |context: FunctionContext, (): ()| async move {
            tell(&context);
            Ok::<_, FunctionError>(())
        })
        .function("fails", |context: FunctionContext, (): ()| async move {
            tell(&context);
            Err::<(), _>(FunctionError::new(format!("{context:?}", context = context.attempt())))
        })
        .executor("fake", Arc::new(fake.clone()))
        .open()
        .await
        .unwrap();
    let mut events = engine.subscribe();
    let far = || JobSpec::new(Task::Named(NamedTask { executor: "fake".into(), params: b"null".to_vec() }));
    let mut shown = String::new();
    let mut ids = Vec::new();
    for spec in
        [JobSpec::function("tells", "null"), JobSpec::function("fails", "null"), JobSpec::function("tells", "1")]
    {
        let spec = with_canaries(spec);
        shown.push_str(&format!("{spec:?}"));
        ids.push(engine.submit(spec).await.unwrap());
    }
    let full = StartError { message: "the platform is full".into(), permanent: true };
    fake.refuse_starts(Some(full));
    ids.push(engine.submit(with_canaries(far())).await.unwrap());
    engine.wait(ids[3]).await.unwrap();
    fake.refuse_starts(None);
    ids.push(engine.submit(with_canaries(far())).await.unwrap());
    while fake.running().is_empty() {
        tokio::task::yield_now().await;
    }
    shown.push_str(&format!("{:?}", fake.order(fake.running()[0]).unwrap()));
    fake.end(fake.running()[0], Outcome::Succeeded);
    ids.push(refuse(&engine, &mut shown).await);
    engine.rotate_key().await.unwrap();
    for id in &ids {
        let view = engine.wait(*id).await.unwrap();
        shown.push_str(&format!("{view:?} {:?}", engine.events(*id).unwrap()));
        let logs = engine.logs(*id, None, 0, 1 << 20).unwrap();
        assert_clean("a log", &logs.chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect::<Vec<_>>());
        if view.job.status.attempt > 0 && view.job.spec.task.executor() == "function" {
            shown.push_str(&format!("{logs:?}"));
        }
    }
    shown.push_str(&format!("{:?}", engine.list(&Filter::default(), None, 100).unwrap()));
    engine.shutdown().await;
    while let Some(event) = events.next().await {
        shown.push_str(&format!("{event:?}"));
    }
    drop(engine);
    assert!(shown.contains("SECRET_7") && shown.contains("Finished"), "the test sees nothing");
    assert_clean("what the engine shows", shown.as_bytes());
    assert_clean("what the engine logs", logged.0.lock().unwrap().as_bytes());
    let files = bytes_in(dir.path());
    let masked = files.iter().any(|(_, bytes)| bytes.windows(6).any(|window| window == b"7: ***"));
    assert!(masked && files.iter().any(|(name, _)| name.ends_with("store.redb")), "the test reads nothing");
    for (name, bytes) in files {
        assert_clean(&name, &bytes);
    }
}

//! Jobs that read the files of their project and write them, through a whole engine.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windlass::executors::{AttemptName, AttemptOrder, BoxFuture, ContactError, Executor, StartError};
use windlass::files::Layout;
use windlass::job::{Backoff, NamedTask, Outcome, Reason, RetryPolicy, RunHandle, Step, Task};
use windlass::testing::FakeExecutor;
use windlass::{Engine, EngineConfig, Error, FileLimits, JobId, JobSpec, JobView, Problem, State, Supervisor};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(40);
const PROJECT: &str = "default";

struct Rig {
    dir: tempfile::TempDir,
    far: Far,
}

/// A [`FakeExecutor`] whose runs have work trees.
#[derive(Clone)]
struct Far {
    fake: FakeExecutor,
    layout: Layout,
}

impl Executor for Far {
    fn validate(&self, _: &Task) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    fn start<'a>(&'a self, order: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>> {
        Executor::start(&self.fake, order)
    }

    fn find<'a>(
        &'a self,
        attempt: AttemptName,
        handle: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        self.fake.find(attempt, handle)
    }

    fn wait<'a>(&'a self, attempt: AttemptName, handle: &'a RunHandle) -> BoxFuture<'a, Result<Outcome, ContactError>> {
        self.fake.wait(attempt, handle)
    }

    fn stop<'a>(
        &'a self,
        attempt: AttemptName,
        handle: &'a RunHandle,
        grace_ms: u64,
    ) -> BoxFuture<'a, Result<(), ContactError>> {
        Executor::stop(&self.fake, attempt, handle, grace_ms)
    }

    fn work(&self, attempt: AttemptName) -> Option<PathBuf> {
        Some(self.layout.work(attempt.job, attempt.attempt))
    }

    fn remove(&self, attempt: AttemptName, succeeded: bool) -> BoxFuture<'_, Result<(), ContactError>> {
        Executor::remove(&self.fake, attempt, succeeded)
    }
}

impl Rig {
    fn new() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let far = Far { fake: FakeExecutor::new(), layout: Layout::new(dir.path()) };
        Rig { dir, far }
    }

    async fn open(&self) -> Engine {
        self.open_with(EngineConfig::default()).await
    }

    async fn open_with(&self, config: EngineConfig) -> Engine {
        let config = EngineConfig { shutdown_grace_ms: 0, ..config };
        let builder = Engine::builder(self.dir.path()).config(config).executor("far", Arc::new(self.far.clone()));
        builder.process(Supervisor::new(env!("CARGO_BIN_EXE_windlass"))).open().await.unwrap()
    }

    /// The attempt that runs elsewhere, once it does.
    async fn running(&self) -> AttemptName {
        within(async {
            loop {
                if let Some(name) = self.far.fake.running().first() {
                    return *name;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Leaves a file in the output of an attempt that runs elsewhere.
    fn leave(&self, attempt: AttemptName, path: &str, text: &str) {
        let path = self.far.layout.work(attempt.job, attempt.attempt).join("output").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn file(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join("files").join(PROJECT).join(path)).ok()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

fn sh(script: &str) -> JobSpec {
    JobSpec::process("/bin/sh", ["-c", script])
}

fn far() -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "far".into(), params: b"null".to_vec() }))
}

fn thrice(mut spec: JobSpec) -> JobSpec {
    let backoff = Backoff { initial_ms: 1, ..Backoff::default() };
    spec.retry = RetryPolicy { max_attempts: 3, backoff, ..RetryPolicy::default() };
    spec
}

async fn over(engine: &Engine, spec: JobSpec) -> (JobId, JobView) {
    let id = engine.submit(spec).await.unwrap();
    (id, within(engine.wait(id)).await.unwrap())
}

async fn text(engine: &Engine, path: &str) -> String {
    String::from_utf8(engine.read_file(PROJECT, path, 0, 1 << 20).await.unwrap()).unwrap()
}

fn why(view: &JobView) -> String {
    match &view.job.status.reason {
        Some(Reason::Error(message)) => message.clone(),
        reason => format!("{reason:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_reads_and_writes_the_files_of_its_project() {
    let rig = Rig::new();
    let engine = rig.open().await;
    engine.put_file(PROJECT, "raw/a.txt", "one\n".as_bytes()).await.unwrap();
    engine.put_file(PROJECT, "raw/b/c.txt", "two\n".as_bytes()).await.unwrap();
    engine.put_file(PROJECT, "factor", "3".as_bytes()).await.unwrap();
    let script = r#"
        set -e
        test "$WINDLASS_INPUTS" = "input/raw
input/factor"
        test "$WINDLASS_OUTPUTS" = "output/result/all.txt
output/parts"
        echo mine > input/factor
        mkdir -p output/result output/parts/deep
        cat input/raw/a.txt input/raw/b/c.txt > output/result/all.txt
        echo deep > output/parts/deep/x
        printf 'done: "%s"\n' "$(wc -l < output/result/all.txt)" > output/value
    "#;
    let spec = sh(script).reads("raw").reads("factor").writes("result/all.txt").writes("parts");
    let (id, view) = over(&engine, spec.option("WINDLASS_INPUTS", "not this")).await;
    assert_eq!(view.state(), State::Succeeded, "{}", why(&view));
    assert_eq!(text(&engine, "result/all.txt").await, "one\ntwo\n");
    assert_eq!(text(&engine, "parts/deep/x").await, "deep\n");
    assert_eq!(text(&engine, "factor").await, "3", "a job writes to its copy");
    assert_eq!(engine.output(id).unwrap().as_deref(), Some(br#""done: \"2\"""#.as_slice()));
    let listed = engine.files(PROJECT, "", None, 100).await.unwrap().files;
    let paths: Vec<&str> = listed.iter().map(|view| view.path.as_str()).collect();
    assert_eq!(paths, ["factor", "parts/deep/x", "raw/a.txt", "raw/b/c.txt", "result/all.txt"]);
    engine.shutdown().await;
    let late = engine.put_file(PROJECT, "late", "x".as_bytes()).await;
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_is_not_there_fails_a_job_for_good() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let (id, view) = over(&engine, thrice(sh("true")).reads("gone/x")).await;
    assert_eq!((view.state(), view.job.status.attempt), (State::Failed, 1));
    let reason = format!("{:?}", view.job.status.reason);
    assert!(reason.contains(r#"an input is not there: there is no file \"gone/x\" in the project"#), "{reason}");
    // Where it is there meanwhile the job can be submitted again as it was.
    engine.put_file(PROJECT, "gone/x", "here".as_bytes()).await.unwrap();
    let again = engine.retry(id).await.unwrap();
    assert_eq!(within(engine.wait(again)).await.unwrap().state(), State::Succeeded);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_missing_is_an_error_and_nothing_is_published_until_all_are_there() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let (_, view) = over(&engine, sh("echo x > output/one").writes("one").writes("two")).await;
    assert_eq!(view.state(), State::Failed);
    assert!(why(&view).contains(r#""two" is to be written, and is not in the output of the job"#), "{}", why(&view));
    assert_eq!(rig.file("one"), None);
    // The third attempt leaves both.
    let script = r#"echo "$WINDLASS_ATTEMPT" > output/one; [ "$WINDLASS_ATTEMPT" -lt 3 ] || echo x > output/two"#;
    let (_, view) = over(&engine, thrice(sh(script)).writes("one").writes("two")).await;
    assert_eq!((view.state(), view.job.status.attempt), (State::Succeeded, 3), "{}", why(&view));
    assert_eq!((rig.file("one").as_deref(), rig.file("two").as_deref()), (Some("3\n"), Some("x\n")));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_failed_is_tried_again_when_nothing_is_in_its_way() {
    let rig = Rig::new();
    let engine = rig.open().await;
    engine.put_file(PROJECT, "result/x", "a folder".as_bytes()).await.unwrap();
    let mut spec = thrice(far()).writes("result");
    spec.retry.backoff.initial_ms = 200;
    let id = engine.submit(spec).await.unwrap();
    let first = rig.running().await;
    rig.leave(first, "result", "new");
    rig.far.fake.end(first, Outcome::Succeeded);
    within(async {
        while !format!("{:?}", engine.get(id).unwrap().job.status.reason).contains("is a folder") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(rig.file("result/x").as_deref(), Some("a folder"));
    engine.delete_file(PROJECT, "result").await.unwrap();
    let second = rig.running().await;
    assert_eq!(second.attempt, 2);
    rig.leave(second, "result", "new");
    rig.far.fake.end(second, Outcome::Succeeded);
    assert_eq!(within(engine.wait(id)).await.unwrap().state(), State::Succeeded);
    assert_eq!(rig.file("result").as_deref(), Some("new"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_attempt_publishes_nothing_though_it_succeeds() {
    let rig = Rig::new();
    let engine = rig.open().await;
    rig.far.fake.ignore_stops(true);
    let id = engine.submit(far().writes("result")).await.unwrap();
    let attempt = rig.running().await;
    rig.leave(attempt, "result", "too late");
    engine.cancel(id, "me").await.unwrap();
    rig.far.fake.end(attempt, Outcome::Succeeded);
    assert_eq!(within(engine.wait(id)).await.unwrap().state(), State::Cancelled);
    assert_eq!(rig.file("result"), None);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_succeeds_after_its_deadline_is_published() {
    let rig = Rig::new();
    let engine = rig.open().await;
    rig.far.fake.ignore_stops(true);
    let mut spec = far().writes("result");
    spec.deadlines.attempt_ms = Some(50);
    let id = engine.submit(spec).await.unwrap();
    let attempt = rig.running().await;
    within(async {
        while engine.get(id).unwrap().state() != State::Cancelling {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    rig.leave(attempt, "result", "late");
    rig.far.fake.end(attempt, Outcome::Succeeded);
    assert_eq!(within(engine.wait(id)).await.unwrap().state(), State::Succeeded);
    assert_eq!(rig.file("result").as_deref(), Some("late"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_unpublished_is_published_by_the_next_life() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let id = engine.submit(far().writes("result")).await.unwrap();
    let attempt = rig.running().await;
    rig.leave(attempt, "result", "whole");
    // Ended as by a crash, before it has seen the end; and the end comes.
    drop(engine);
    rig.far.fake.end(attempt, Outcome::Succeeded);
    let left = rig.dir.path().join("files/.staging/7/it");
    fs::create_dir_all(left.parent().unwrap()).unwrap();
    fs::write(&left, "half").unwrap();
    let engine = rig.open().await;
    assert!(!left.exists());
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!((view.state(), view.job.status.attempt), (State::Succeeded, 1));
    assert_eq!(rig.file("result").as_deref(), Some("whole"));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_that_write_one_path_a_reader_sees_one_whole() {
    let rig = Rig::new();
    let engine = rig.open().await;
    engine.put_file(PROJECT, "file", std::io::Cursor::new("0".repeat(100_000))).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (engine, over) = (engine.clone(), over.clone());
        tokio::spawn(async move {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                let bytes = engine.read_file(PROJECT, "file", 0, 1 << 20).await.unwrap();
                assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == bytes[0]), "a mix");
                seen += 1;
            }
            seen
        })
    };
    let write =
        |letter: &str| sh(&format!("head -c 100000 /dev/zero | tr '\\0' {letter} > output/file")).writes("file");
    let jobs = (0..20).map(|at| write(if at % 2 == 0 { "a" } else { "b" })).collect();
    for id in engine.submit_many(jobs).await.unwrap() {
        let view = within(engine.wait(id)).await.unwrap();
        assert_eq!(view.state(), State::Succeeded, "{}", why(&view));
    }
    over.store(true, Ordering::Relaxed);
    assert!(within(reader).await.unwrap() > 0);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_no_small_text_fails_the_attempt() {
    let rig = Rig::new();
    let files = FileLimits { value_bytes: 10, ..FileLimits::default() };
    let engine = rig.open_with(EngineConfig { files, ..EngineConfig::default() }).await;
    for (script, says) in [
        ("printf 12345678901 > output/value", "output/value has more than 10 bytes; allowed: at most 10 bytes"),
        (r"printf '\377' > output/value", "output/value is not UTF-8"),
    ] {
        let (id, view) = over(&engine, sh(script)).await;
        assert_eq!(view.state(), State::Failed);
        assert!(why(&view).contains(says), "{}", why(&view));
        assert_eq!(engine.output(id).unwrap(), None);
    }
    let (id, view) = over(&engine, sh("mkdir output/value")).await;
    assert_eq!((view.state(), engine.output(id).unwrap()), (State::Succeeded, None));
    let (id, _) = over(&engine, sh("printf 1234567890 > output/value; exit 1")).await;
    assert_eq!(engine.output(id).unwrap(), None, "a failure has no output");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_and_written_is_part_of_what_a_key_stands_for() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let spec = JobSpec { idempotency_key: Some("k".into()), hold: true, ..sh("true").reads("a").writes("b") };
    let id = engine.submit(spec.clone()).await.unwrap();
    assert_eq!(engine.submit(spec.clone()).await.unwrap(), id);
    for other in [spec.clone().reads("c"), spec.writes("c")] {
        assert!(matches!(engine.submit(other).await, Err(Error::Conflict(_))));
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_without_work_trees_can_write_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeExecutor::new();
    let engine = Engine::builder(dir.path()).executor("far", Arc::new(fake.clone())).open().await.unwrap();
    let id = engine.submit(thrice(far()).writes("result")).await.unwrap();
    within(async {
        while fake.running().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_ne!(engine.get(id).unwrap().job.status.step, Some(Step::Finalizing));
    fake.end(fake.running()[0], Outcome::Succeeded);
    let view = within(engine.wait(id)).await.unwrap();
    assert_eq!((view.state(), view.job.status.attempt), (State::Failed, 1), "for good");
    assert!(why(&view).contains("its executor has no work tree"), "{}", why(&view));
    engine.shutdown().await;
}

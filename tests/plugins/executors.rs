//! Executors that are plugins, through the whole engine: the built-in `mock`.

use std::time::Duration;

use windlass::config::PluginBounds;
use windlass::files::Layout;
use windlass::job::{JobFact, NamedTask, Reason, RetryPolicy, Task};
use windlass::plugin::{Addition, EMBEDDED, Registry, parse_config};
use windlass::{Engine, EngineConfig, Error, JobId, JobSpec, KeepWork, State};

const GRANTS: &str = "[plugin.mock]\nwork = \"write\"\n";

struct Stage {
    engine: Engine,
    dir: tempfile::TempDir,
}

fn mock(options: &str) -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "mock".into(), params: options.as_bytes().to_vec() }))
}

async fn open(dir: &std::path::Path, grants: &str) -> Result<Engine, Error> {
    open_with(dir, grants, KeepWork::default()).await
}

async fn open_with(dir: &std::path::Path, grants: &str, keep_work: KeepWork) -> Result<Engine, Error> {
    let config = EngineConfig { default_slots: 64, shutdown_grace_ms: 0, keep_work, ..EngineConfig::default() };
    let grants = parse_config(grants.as_bytes()).unwrap();
    Engine::builder(dir).config(config).plugins(grants).open().await
}

impl Stage {
    async fn new() -> Stage {
        Stage::with(GRANTS).await
    }

    async fn with(grants: &str) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        Stage { engine: open(dir.path(), grants).await.unwrap(), dir }
    }

    async fn run(&self, options: &str) -> JobId {
        let id = self.engine.submit(mock(options)).await.unwrap();
        let over = tokio::time::timeout(Duration::from_secs(60), self.engine.wait(id));
        over.await.expect("it hangs").unwrap();
        id
    }

    fn end(&self, id: JobId) -> (State, Option<Reason>) {
        let status = self.engine.get(id).unwrap().job.status;
        (status.state, status.reason)
    }

    fn log(&self, id: JobId) -> String {
        let page = self.engine.logs(id, None, 0, 1 << 20).unwrap();
        page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_succeeds_with_its_log() {
    let stage = Stage::new().await;
    let id = stage.run(r#"{"run_ms": 50, "print": "hello", "lines": 3}"#).await;
    assert_eq!(stage.end(id), (State::Succeeded, None));
    assert_eq!(stage.log(id), "hello\nhello\nhello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_told_as_it_was() {
    let stage = Stage::new().await;
    let fault = |kind: &str| format!(r#"{{"kind": "{kind}", "message": "no such image", "code": "ErrImagePull"}}"#);
    let cases = [
        (r#"{"exited": 3}"#.to_owned(), Reason::ExitCode(3)),
        (r#"{"signalled": 15}"#.to_owned(), Reason::Signal(15)),
        (r#""out-of-memory""#.to_owned(), Reason::OutOfMemory),
        (
            format!(r#"{{"not-started": {}}}"#, fault("not-found")),
            Reason::NotStarted("no such image (ErrImagePull)".into()),
        ),
        (format!(r#"{{"failed": {}}}"#, fault("internal")), Reason::Error("no such image (ErrImagePull)".into())),
    ];
    for (outcome, reason) in cases {
        let id = stage.run(&format!(r#"{{"outcome": {outcome}}}"#)).await;
        assert_eq!(stage.end(id), (State::Failed, Some(reason)));
    }
    // The platform has lost it: an interruption, after which the job runs again.
    let retry = RetryPolicy { max_interruptions: 2, ..RetryPolicy::default() };
    let id = stage.engine.submit(JobSpec { retry, ..mock(r#"{"outcome": "lost"}"#) }).await.unwrap();
    stage.engine.wait(id).await.unwrap();
    let status = stage.engine.get(id).unwrap().job.status;
    assert_eq!((status.reason, status.attempt, status.interruptions), (Some(Reason::Interrupted), 3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_checked_before_the_job_is_accepted() {
    let stage = Stage::new().await;
    for (options, field) in [("[]", ""), (r#"{"run_ms": "x"}"#, "run_ms"), (r#"{"walk_ms": 1}"#, "walk_ms"), ("{", "")]
    {
        let Err(Error::Invalid(problems)) = stage.engine.submit(mock(options)).await else {
            panic!("{options} is accepted");
        };
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(told.contains(field), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_stops_the_run() {
    let stage = Stage::new().await;
    let id = stage.engine.submit(mock(r#"{"outcome": "never", "print": "x", "lines": 1}"#)).await.unwrap();
    while stage.log(id).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.engine.cancel(id, "the test").await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), stage.engine.wait(id)).await.expect("it hangs").unwrap();
    assert_eq!(stage.end(id), (State::Cancelled, Some(Reason::CancelledBy("the test".into()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_come_into_the_work_tree() {
    let dir = tempfile::tempdir().unwrap();
    let work = |id: JobId| windlass::files::Layout::new(dir.path()).work(id, 1);
    let options = r#"{"output": {"a/b.txt": "content"}}"#;
    let stage = Stage {
        engine: open_with(dir.path(), GRANTS, KeepWork::All).await.unwrap(),
        dir: tempfile::tempdir().unwrap(),
    };
    let id = stage.run(options).await;
    assert_eq!(stage.end(id).0, State::Succeeded);
    assert_eq!(std::fs::read_to_string(work(id).join("output/a/b.txt")).unwrap(), "content");
    stage.engine.shutdown().await;
    drop(stage);
    let stage = Stage { engine: open(dir.path(), GRANTS).await.unwrap(), dir: tempfile::tempdir().unwrap() };
    let work = work(stage.run(options).await);
    let gone = async {
        while work.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("work trees of successes go");
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_bounded_however_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = EngineConfig { keep_work: KeepWork::All, ..EngineConfig::default() };
    config.wasm.unpack_bytes = 5_000;
    let builder = Engine::builder(dir.path()).config(config).plugins(parse_config(GRANTS.as_bytes()).unwrap());
    let stage = Stage { engine: builder.open().await.unwrap(), dir };
    let output = |files: u32| {
        let files: Vec<String> = (0..files).map(|file| format!(r#""{file}": "{}""#, "x".repeat(500))).collect();
        format!(r#"{{"output": {{{}}}}}"#, files.join(","))
    };
    let id = stage.run(&output(10)).await;
    assert_eq!(stage.end(id), (State::Succeeded, None));
    let id = stage.run(&output(11)).await;
    let (State::Failed, Some(Reason::Error(told))) = stage.end(id) else { panic!("{:?}", stage.end(id)) };
    assert!(told.contains("could not be collected") && told.contains("more than 5000 bytes"), "{told}");
    let work = Layout::new(stage.dir.path()).work(id, 1).join("output");
    let bytes: u64 = std::fs::read_dir(work).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(bytes, 5_000);
}

/// However a call goes wrong, it is an error of that call with a reason, and the next job does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_go_wrong_cost_what_they_must() {
    let grants = format!("{GRANTS}[plugin.mock.limits]\ncall_time = \"300ms\"\ntransfer_time = \"300ms\"\n");
    let stage = Stage::with(&grants).await;
    let faults = [
        (r#""panic""#, "trapped in `submit`"),
        (r#""hang""#, "did not answer `submit` within 300 ms"),
        (r#""spin""#, "did not answer `submit` within 300 ms"),
        (r#"{"error": {"kind": "invalid", "message": "no"}}"#, "no"),
    ];
    for (fault, told) in faults {
        let mut spec = mock(&format!(r#"{{"faults": {{"submit": {fault}}}}}"#));
        spec.deadlines.attempt_ms = Some(2_000);
        let id = stage.engine.submit(spec).await.unwrap();
        stage.engine.wait(id).await.unwrap();
        let status = stage.engine.get(id).unwrap().job.status;
        match status.reason {
            Some(Reason::NotStarted(reason)) => assert!(reason.contains(told), "{reason}"),
            // Nobody knows what came of a call that did not answer in time: it is made again until the deadline.
            Some(Reason::Deadline(_)) => assert!(told.contains("did not answer"), "{told}"),
            other => panic!("{other:?}"),
        }
    }
    for call in ["observe", "logs", "stop", "remove"] {
        let id = stage.engine.submit(mock(&format!(r#"{{"outcome": "never", "faults": {{"{call}": "panic"}}}}"#)));
        let id = id.await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(stage.end(id).0, State::Running, "{call}");
    }
    let id = stage.run(r#"{"run_ms": 10}"#).await;
    assert_eq!(stage.end(id).0, State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_take_long_keep_no_stop_waiting() {
    let stage = Stage::new().await;
    let never = mock(r#"{"outcome": "never", "faults": {"logs": "hang"}}"#);
    // As many as logs are followed at once, and as a plugin has places.
    let ids = stage.engine.submit_many(vec![never; 16]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let handle = |id| stage.engine.get(id).unwrap().job.status.handle;
    let before = handle(ids[0]);
    stage.engine.cancel(ids[0], "the test").await.unwrap();
    // A stop puts itself into the handle of a pretended run, a submission makes one.
    let next = stage.engine.submit(mock(r#"{"outcome": "never"}"#)).await.unwrap();
    let answered = async {
        while handle(ids[0]) == before || handle(next).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.expect("a stop or a submission waits for logs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_the_engine() {
    let mut stage = Stage::new().await;
    let line = r#"{"run_ms": 3000, "print": "line {n}", "lines": 30, "checkpoint": true}"#;
    let ids = stage.engine.submit_many(vec![mock(line); 20]).await.unwrap();
    for polite in [true, false, false] {
        tokio::time::sleep(Duration::from_millis(400)).await;
        if polite {
            stage.engine.shutdown().await;
        }
        drop(stage.engine);
        stage.engine = open(stage.dir.path(), GRANTS).await.unwrap();
    }
    let all: String = (1..=30).map(|line| format!("line {line}\n")).collect();
    for id in ids {
        stage.engine.wait(id).await.unwrap();
        let status = stage.engine.get(id).unwrap().job.status;
        assert_eq!((status.state, status.attempt), (State::Succeeded, 1), "{:?}", status.reason);
        assert_eq!(stage.log(id), all);
        let events = stage.engine.events(id).unwrap();
        assert!(!events.iter().any(|event| matches!(event.fact, JobFact::LateOutcome { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_offers_is_listed() {
    let stage = Stage::new().await;
    let first = stage.engine.definitions("mock", None).await.unwrap();
    assert_eq!((first.definitions[0].name.as_str(), first.next.as_deref()), ("quick", Some("slow")));
    let second = stage.engine.definitions("mock", first.next).await.unwrap();
    assert_eq!((second.definitions[0].name.as_str(), second.next), ("slow", None));
    let Err(Error::Unavailable(told)) = stage.engine.definitions("mock", Some("none".into())).await else { panic!() };
    assert!(told.contains("there is no page"), "{told}");
    stage.engine.check_executor("mock").await.unwrap();
    assert!(matches!(stage.engine.check_executor("moc").await, Err(Error::Invalid(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_granted_is_no_executor() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), "").await.unwrap();
    let Err(Error::Invalid(problems)) = engine.submit(mock("{}")).await else { panic!("it is accepted") };
    assert!(problems[0].problem.contains("not enabled"), "{problems:?}");
    engine.refresh_plugins(Some(parse_config(GRANTS.as_bytes()).unwrap())).unwrap();
    let id = engine.submit(mock("{}")).await.unwrap();
    assert_eq!(engine.wait(id).await.unwrap().state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_an_executor_that_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let open = |grants: &str, default_slots: usize| {
        let config = EngineConfig { default_slots, shutdown_grace_ms: 0, ..EngineConfig::default() };
        let grants = parse_config(grants.as_bytes()).unwrap();
        Engine::builder(dir.path()).config(config).plugins(grants).open()
    };
    let engine = open(GRANTS, 1).await.unwrap();
    let ids = engine.submit_many(vec![mock(r#"{"run_ms": 300}"#); 3]).await.unwrap();
    while engine.get(ids[0]).unwrap().state() != State::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    engine.shutdown().await;
    drop(engine);
    let engine = open("", 4).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(engine.get(ids[0]).unwrap().state(), State::Running);
    engine.refresh_plugins(Some(parse_config(GRANTS.as_bytes()).unwrap())).unwrap();
    for id in ids {
        let over = tokio::time::timeout(Duration::from_secs(60), engine.wait(id));
        assert_eq!(over.await.expect("it is not picked up").unwrap().state(), State::Succeeded);
    }
}

/// The built-in `mock` with other bytes: a section that nobody reads.
fn twin(dir: &std::path::Path, mark: u8) -> std::path::PathBuf {
    let mock = EMBEDDED.iter().find(|embedded| embedded.name == "mock").unwrap();
    let section = [0, 6, 4, b'm', b'a', b'r', b'k', mark];
    std::fs::write(dir.join("twin.toml"), mock.manifest).unwrap();
    let path = dir.join("twin.wasm");
    std::fs::write(&path, [mock.component, &section].concat()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_dropped_in_and_replaced_under_a_run() {
    let (dir, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refused = open(dir.path(), "[plugin.twin]\n").await.err().expect("there is no such plugin yet");
    assert!(refused.to_string().contains("plugin.twin"), "{refused}");
    let engine = open(dir.path(), "").await.unwrap();
    let grants = || parse_config(b"[plugin.twin]\n").unwrap();
    let layout = Layout::new(dir.path());
    let mut registry = Registry::new(&layout, EMBEDDED, grants(), PluginBounds::default());
    assert_eq!(registry.add(&twin(files.path(), 1), Some("twin"), false).unwrap(), ("twin".into(), Addition::New));
    assert_eq!(engine.refresh_plugins(Some(grants())).unwrap().added, ["twin"]);
    let job = |options: &str| {
        JobSpec::new(Task::Named(NamedTask { executor: "twin".into(), params: options.as_bytes().to_vec() }))
    };
    let long = engine.submit(job(r#"{"run_ms": 1500, "print": "line {n}", "lines": 15}"#)).await.unwrap();
    let quick = engine.submit(job("{}")).await.unwrap();
    assert_eq!(engine.wait(quick).await.unwrap().state(), State::Succeeded);
    let compiled = || std::fs::read_dir(layout.compiled()).unwrap().count();
    assert_eq!(compiled(), 1);

    // Another content is refused until somebody confirms it; what ran goes on.
    let other = twin(files.path(), 2);
    std::fs::copy(&other, dir.path().join("plugins/twin/plugin.wasm")).unwrap();
    assert_eq!(engine.refresh_plugins(None).unwrap().refused, ["twin"]);
    assert!(matches!(registry.add(&other, Some("twin"), false), Err(Error::Conflict(_))));
    assert_eq!(registry.add(&other, Some("twin"), true).unwrap().1, Addition::Replaced);
    engine.refresh_plugins(None).unwrap();
    let quick = engine.submit(job("{}")).await.unwrap();
    assert_eq!(engine.wait(quick).await.unwrap().state(), State::Succeeded);
    assert_eq!(compiled(), 2);
    let long = engine.wait(long).await.unwrap();
    assert_eq!((long.state(), long.job.status.attempt), (State::Succeeded, 1));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_endpoint_is_told_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let grants = "[plugin.shell.endpoint.jobs]\naddress = \"ftp://nowhere\"\n";
    let Err(Error::Invalid(problems)) = open(dir.path(), grants).await else { panic!("it is taken") };
    assert_eq!(problems[0].field, "plugin.shell.endpoint.jobs.address", "{problems:?}");
}

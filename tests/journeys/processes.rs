//! Real processes through a whole engine, on the real clock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windlass::files::{Layout, LogStream};
use windlass::job::{Deadline, Deadlines, OnCrash, ProcessLimits, Reason, RetryPolicy, Task};
use windlass::{Engine, EngineConfig, JobId, JobSpec, JobView, KeepWork, State, Supervisor};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(40);

struct Rig {
    dir: tempfile::TempDir,
    keep_work: KeepWork,
}

impl Rig {
    fn new() -> Rig {
        Rig { dir: tempfile::tempdir().unwrap(), keep_work: KeepWork::default() }
    }

    async fn open(&self) -> Engine {
        let config = EngineConfig { keep_work: self.keep_work, shutdown_grace_ms: 0, ..EngineConfig::default() };
        let builder = Engine::builder(self.dir.path()).config(config);
        builder.process(Supervisor::new(env!("CARGO_BIN_EXE_windlass"))).open().await.unwrap()
    }

    fn layout(&self) -> Layout {
        Layout::new(self.dir.path())
    }

    fn work(&self, id: JobId) -> PathBuf {
        self.layout().work(id, 1)
    }
}

fn sh(script: &str) -> JobSpec {
    JobSpec::process("/bin/sh", ["-c", script])
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn over(engine: &Engine, id: JobId) -> JobView {
    match tokio::time::timeout(PATIENCE, engine.wait(id)).await {
        Ok(view) => view.unwrap(),
        Err(_) => panic!("the job does not end: {:#?}\n{}", engine.get(id), said(engine, id)),
    }
}

fn said(engine: &Engine, id: JobId) -> String {
    let log = engine.logs(id, None, 0, 1 << 20).unwrap();
    let chunks = log.chunks.into_iter().filter(|chunk| chunk.stream == LogStream::Stdout);
    String::from_utf8(chunks.flat_map(|chunk| chunk.bytes).collect()).unwrap()
}

/// Whether the process that wrote its pid there runs.
fn runs(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_has_its_state_and_reason() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let limited = |script: &str, limits| {
        let mut spec = sh(script);
        if let Task::Process(task) = &mut spec.task {
            task.limits = limits;
        }
        spec
    };
    let cpu = ProcessLimits { cpu_seconds: Some(1), ..ProcessLimits::default() };
    let small = ProcessLimits { file_size_bytes: Some(4_096), ..ProcessLimits::default() };
    let cases = [
        (sh("true"), State::Succeeded, None),
        (sh("exit 42"), State::Failed, Some(Reason::ExitCode(42))),
        (sh("kill -9 $$"), State::Failed, Some(Reason::Signal(9))),
        (limited("while :; do :; done", cpu), State::Failed, Some(Reason::Signal(24))),
        (limited("exec head -c 10000 /dev/zero > big", small), State::Failed, Some(Reason::Signal(25))),
    ];
    let mut running = Vec::new();
    for (spec, state, reason) in cases {
        running.push((engine.submit(spec).await.unwrap(), state, reason));
    }
    let nothing = engine.submit(JobSpec::process("/no/such/program", [] as [&str; 0])).await.unwrap();
    for (id, state, reason) in running {
        let status = over(&engine, id).await.job.status;
        assert_eq!((status.state, status.reason, status.attempt), (state, reason, 1));
    }
    let status = over(&engine, nothing).await.job.status;
    assert!(matches!(&status.reason, Some(Reason::NotStarted(_))), "{status:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_arrive_as_environment_with_the_minimum_and_nothing_else() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let mut spec = sh("exec env -0").option("GREETING", "hello\nworld").option("PATH", "/bin:/usr/bin");
    spec.options.set_secret("TOKEN", "s3cr3t-value");
    let id = engine.submit(spec).await.unwrap();
    assert_eq!(over(&engine, id).await.state(), State::Succeeded);
    let text = said(&engine, id);
    let mut seen: BTreeMap<&str, &str> =
        text.split_terminator('\0').map(|entry| entry.split_once('=').unwrap()).collect();
    // What the shell adds by itself.
    for of_shell in ["PWD", "OLDPWD", "SHLVL", "_"] {
        seen.remove(of_shell);
    }
    let (name, work) = (id.to_string(), rig.work(id).display().to_string());
    let tmp = format!("{work}/tmp");
    let right = [
        ("GREETING", "hello\nworld"),
        ("HOME", &work),
        ("LANG", "C.UTF-8"),
        ("PATH", "/bin:/usr/bin"),
        ("TMPDIR", &tmp),
        ("TOKEN", "***"),
        ("WINDLASS_ATTEMPT", "1"),
        ("WINDLASS_JOB_ID", &name),
        ("WINDLASS_WORK", &work),
        ("jobId", &name),
    ];
    assert_eq!(seen, BTreeMap::from(right));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_works_in_its_tree_and_shares_that_of_its_chain() {
    let rig = Rig { keep_work: KeepWork::All, ..Rig::new() };
    let engine = rig.open().await;
    let write = "pwd; ls; echo from a > $WINDLASS_CHAIN_DIR/note; echo out > output/result";
    let read = "cat $WINDLASS_CHAIN_DIR/note; ls output";
    let ids = engine.submit_many(vec![sh(write).named("a"), sh(read).named("b").after("a")]).await.unwrap();
    assert_eq!(over(&engine, ids[1]).await.state(), State::Succeeded);
    let work = rig.work(ids[0]).canonicalize().unwrap();
    assert_eq!(said(&engine, ids[0]), format!("{}\ninput\noutput\ntmp\n", work.display()));
    assert_eq!(said(&engine, ids[1]), "from a\n");
    assert_eq!(fs::read_to_string(work.join("output/result")).unwrap(), "out\n");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_live_and_then_complete() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let script = "echo first; echo to the side >&2; until [ -e go ]; do sleep 0.01; done; seq 1 20000";
    let id = engine.submit(sh(script)).await.unwrap();
    until("the first line", || said(&engine, id) == "first\n").await;
    assert_eq!(engine.get(id).unwrap().state(), State::Running);
    fs::write(rig.work(id).join("go"), "").unwrap();
    over(&engine, id).await;
    let numbers: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    assert!(said(&engine, id) == format!("first\n{numbers}"), "the log is not complete");
    let (mut paged, mut offset) = (Vec::new(), 0);
    loop {
        let page = engine.logs(id, Some(1), offset, 5_000).unwrap();
        if page.chunks.is_empty() {
            break;
        }
        offset = page.next_offset;
        let chunks = page.chunks.into_iter().filter(|chunk| chunk.stream == LogStream::Stdout);
        paged.extend(chunks.flat_map(|chunk| chunk.bytes));
    }
    assert!(paged == said(&engine, id).into_bytes(), "pages do not add up");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_asks_and_then_kills() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let polite = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.02; done";
    let stubborn = "trap '' TERM; echo $$ > pid; echo up; while :; do sleep 0.02; done";
    let polite = engine.submit(JobSpec { stop_grace_ms: 30_000, ..sh(polite) }).await.unwrap();
    let stubborn = engine.submit(JobSpec { stop_grace_ms: 300, ..sh(stubborn) }).await.unwrap();
    let deadlines = Deadlines { attempt_ms: Some(300), ..Deadlines::default() };
    let late = JobSpec { deadlines, stop_grace_ms: 100, ..sh("trap '' TERM; while :; do sleep 0.02; done") };
    let retry = RetryPolicy { max_attempts: 2, ..RetryPolicy::default() };
    let late = engine.submit(JobSpec { retry, ..late }).await.unwrap();
    let since = Instant::now();
    for id in [polite, stubborn] {
        until("it is up", || said(&engine, id) == "up\n").await;
        assert_eq!(engine.cancel(id, "me").await.unwrap().state(), State::Cancelling);
    }
    assert_eq!(over(&engine, polite).await.state(), State::Cancelled);
    assert!(said(&engine, polite) == "up\nasked\n" && since.elapsed() < Duration::from_secs(20));
    let status = over(&engine, stubborn).await.job.status;
    assert_eq!((status.state, status.reason), (State::Cancelled, Some(Reason::CancelledBy("me".into()))));
    assert!(since.elapsed() >= Duration::from_millis(290));
    assert!(!runs(&rig.work(stubborn).join("pid")), "it outlived its kill");
    let status = over(&engine, late).await.job.status;
    let right = (State::TimedOut, 2, Some(Reason::Deadline(Deadline::Attempt)));
    assert_eq!((status.state, status.attempt, status.reason), right);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_without_an_engine_and_is_found_again() {
    let rig = Rig::new();
    let script = "echo $$ >> pids; echo before; until [ -e go ]; do sleep 0.01; done; echo after; exit 7";
    let engine = rig.open().await;
    let spec = JobSpec { on_crash: OnCrash::Fail, ..sh(script) };
    let ids = engine.submit_many(vec![spec; 3]).await.unwrap();
    for id in &ids {
        until("it is up", || said(&engine, *id) == "before\n").await;
    }
    // Without a word, as in a crash; one run ends while no engine is there.
    drop(engine);
    let work = |at: usize| rig.work(ids[at]);
    fs::write(work(0).join("go"), "").unwrap();
    until("the end of the first", || !runs(&work(0).join("pids"))).await;
    let engine = rig.open().await;
    assert_eq!(over(&engine, ids[0]).await.job.status.reason, Some(Reason::ExitCode(7)));
    assert_eq!(engine.get(ids[1]).unwrap().state(), State::Running);
    fs::write(work(1).join("go"), "").unwrap();
    assert_eq!(over(&engine, ids[1]).await.job.status.reason, Some(Reason::ExitCode(7)));
    engine.shutdown().await;
    drop(engine);
    let engine = rig.open().await;
    fs::write(work(2).join("go"), "").unwrap();
    let status = over(&engine, ids[2]).await.job.status;
    assert_eq!((status.reason, status.attempt, status.interruptions), (Some(Reason::ExitCode(7)), 1, 0));
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(said(&engine, *id), "before\nafter\n");
        assert_eq!(fs::read_to_string(work(at).join("pids")).unwrap().lines().count(), 1, "it was started twice");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_was_acknowledged_holds_after_a_crash() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let id = engine.submit(sh("echo $$ > pid; echo up; exec sleep 1000")).await.unwrap();
    until("it is up", || said(&engine, id) == "up\n").await;
    engine.cancel(id, "me").await.unwrap();
    drop(engine);
    let engine = rig.open().await;
    assert_eq!(over(&engine, id).await.state(), State::Cancelled);
    assert!(!runs(&rig.work(id).join("pid")));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_trees_are_kept_as_the_configuration_says() {
    for (keep_work, kept) in
        [(KeepWork::Failed, [false, true]), (KeepWork::All, [true, true]), (KeepWork::Nothing, [false, false])]
    {
        let rig = Rig { keep_work, ..Rig::new() };
        let engine = rig.open().await;
        let ids = [
            engine.submit(sh("echo x > kept")).await.unwrap(),
            engine.submit(sh("echo x > kept; exit 1")).await.unwrap(),
        ];
        for id in ids {
            over(&engine, id).await;
        }
        // What is left is removed right after the end is told, and before the engine is down.
        engine.shutdown().await;
        for (id, kept) in ids.into_iter().zip(kept) {
            assert_eq!(rig.work(id).join("kept").exists(), kept, "{keep_work:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_of_an_attempt_that_is_over_is_removed_at_the_next_start() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let id = engine.submit(sh("true")).await.unwrap();
    over(&engine, id).await;
    engine.shutdown().await;
    drop(engine);
    // As if the engine had died between the durable end and the removal.
    let tree = rig.work(id).join("tmp");
    std::fs::create_dir_all(&tree).unwrap();
    let engine = rig.open().await;
    until("it is removed", || !tree.exists()).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_commit_before_a_quiet_moment_is_sealed() {
    let rig = Rig::new();
    let engine = rig.open().await;
    let syncs = |engine: &windlass::Engine| engine.stats().unwrap().disk.syncs;
    until("the first groups are sealed", || {
        let before = syncs(&engine);
        std::thread::sleep(Duration::from_millis(120));
        syncs(&engine) == before
    })
    .await;
    let mut held = sh("true");
    held.hold = true;
    let before = syncs(&engine);
    engine.submit(held).await.unwrap();
    assert_eq!(syncs(&engine) - before, 1, "a lone submission is one sync");
    // A sealed commit is two.
    until("it is sealed", || syncs(&engine) - before == 3).await;
    std::thread::sleep(Duration::from_millis(120));
    assert_eq!(syncs(&engine) - before, 3, "and then all is quiet");
    engine.shutdown().await;
}

//! Plugins made by the C compiler of this machine, and what the engine would provide to a call.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windlass::NativeConfig;
use windlass::executors::BoxFuture;
use windlass::files::LogStream;
use windlass::plugin::contract::{
    Answer, Attempt, Checkpoints, ErrorKind, ExecutorPlugin, Handle, LogSink, Observation, Phase, PluginError,
    PluginTask, Retry, Run, RunOutcome, Variable,
};
use windlass::plugin::native::NativePlugin;

/// The program that has plugins loaded: its `main` does what every embedding one does.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_windlass");
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

static LIBRARIES: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
pub(crate) static COMMAND: LazyLock<PathBuf> = LazyLock::new(|| compiled("plugins/native/command.c", "command", &[]));
pub(crate) static HOSTILE: LazyLock<PathBuf> =
    LazyLock::new(|| compiled("tests/plugins/native/hostile.c", "hostile", &[]));

/// Makes a shared library of a file in C.
pub(crate) fn compiled(source: &str, name: &str, defines: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = LIBRARIES.path().join(format!("lib{name}.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library);
    compiler.arg("-I").arg(root.join("plugins/native")).args(defines).arg(root.join(source));
    let output = compiler.stdin(Stdio::null()).output().expect("these tests need a C compiler: install `cc`");
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    library
}

pub(crate) fn spawned(library: &Path) -> NativePlugin {
    NativePlugin::spawn(library).program(PROGRAM).engine_id("engine-1")
}

pub(crate) fn hostile() -> NativePlugin {
    spawned(&HOSTILE)
}

/// Short enough for tests that wait for the end of it.
pub(crate) fn brief() -> NativeConfig {
    NativeConfig { call_ms: 700, ..NativeConfig::default() }
}

pub(crate) fn attempt(job: &str) -> Attempt {
    Attempt { job: job.to_owned(), number: 1 }
}

pub(crate) fn run(job: &str) -> Run {
    Run { attempt: attempt(job), handle: None }
}

pub(crate) fn task(job: &str, options: &str) -> PluginTask {
    PluginTask {
        attempt: attempt(job),
        name: Some("a job".to_owned()),
        chain: None,
        options: options.to_owned(),
        environment: Vec::new(),
        grace_ms: 1_000,
        deadline_at_ms: None,
    }
}

pub(crate) fn secret_task(options: &str, secret: &str) -> PluginTask {
    let variable = Variable { name: "TOKEN".to_owned(), value: secret.to_owned(), secret: true };
    PluginTask { environment: vec![variable], ..task("secret", options) }
}

/// Submits, with checkpoints that work.
pub(crate) async fn submit(plugin: &NativePlugin, options: &str) -> Answer<Handle> {
    plugin.submit(task("job-1", options), None, Arc::new(Kept::default())).await
}

/// What a plugin has told in its handle.
pub(crate) async fn told(plugin: &NativePlugin, options: &str) -> String {
    String::from_utf8(submit(plugin, options).await.unwrap().data).unwrap()
}

/// The checkpoints of a call.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) handles: Mutex<Vec<Handle>>,
    pub(crate) refuses: bool,
}

impl Checkpoints for Kept {
    fn checkpoint(&self, handle: Handle) -> BoxFuture<'_, Answer<()>> {
        Box::pin(async move {
            // As the store does, it takes a moment in which other things happen.
            tokio::task::yield_now().await;
            if self.refuses {
                return Err(PluginError::new(ErrorKind::Unavailable, Retry::Backoff, "the disk is full"));
            }
            self.handles.lock().unwrap().push(handle);
            Ok(())
        })
    }
}

/// What was written to a log, up to a number of pieces.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) pieces: Mutex<Vec<(Vec<u8>, String)>>,
    pub(crate) most: Option<usize>,
}

impl Log {
    pub(crate) fn up_to(most: usize) -> Log {
        Log { most: Some(most), ..Log::default() }
    }

    pub(crate) fn text(&self) -> String {
        self.pieces.lock().unwrap().iter().map(|(bytes, _)| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    pub(crate) fn cursors(&self) -> Vec<String> {
        self.pieces.lock().unwrap().iter().map(|(_, cursor)| cursor.clone()).collect()
    }
}

impl LogSink for Log {
    fn write<'a>(&'a self, _stream: LogStream, bytes: &'a [u8], cursor: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut pieces = self.pieces.lock().unwrap();
            pieces.push((bytes.to_vec(), cursor.to_owned()));
            self.most.is_none_or(|most| pieces.len() < most)
        })
    }
}

/// Reads a log from a cursor until the plugin says that there is no more.
pub(crate) async fn log_from(plugin: &NativePlugin, run: &Run, cursor: Option<&str>) -> String {
    let log = Arc::new(Log::default());
    let mut at = cursor.map(str::to_owned);
    let until = Instant::now() + PATIENCE;
    while !plugin.logs(run.clone(), at.clone(), 100, log.clone()).await.unwrap() {
        assert!(Instant::now() < until, "the log does not end");
        at = log.cursors().pop().or(at);
    }
    log.text()
}

/// Asks until the run is over.
pub(crate) async fn end_of(plugin: &NativePlugin, run: &Run) -> RunOutcome {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match plugin.observe(vec![run.clone()], 500).await.unwrap().pop() {
            Some(Observation::Known(status)) => match status.phase {
                Phase::Ended(outcome) => return outcome,
                Phase::Pending(_) | Phase::Running => {}
            },
            other => panic!("the run is {other:?}"),
        }
    }
    panic!("the run does not end");
}

/// Waits for something that must come.
pub(crate) async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a thread of such a process lives; the first one may be gone before the others.
pub(crate) fn is_running(pid: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    })
}

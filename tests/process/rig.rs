//! A directory to run one job in, and the means to look at it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windlass::executors::process::{ExitOutcome, ExitRecord, LaunchOrder, ProcessLimits, RunningProcess, Supervisor};
use windlass::files::{LogChunk, LogLimits, LogStream, read_log};

/// Nothing here takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    root: PathBuf,
    /// Removed with the rig.
    pub(crate) dir: Option<TempDir>,
}

pub(crate) fn supervisor() -> Supervisor {
    Supervisor::new(env!("CARGO_BIN_EXE_windlass"))
}

impl Rig {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        Self { dir: Some(dir), ..Self::beneath(root) }
    }

    /// In a directory of the caller.
    pub(crate) fn beneath(root: PathBuf) -> Self {
        let rig = Self { root, dir: None };
        fs::create_dir_all(rig.path("work")).unwrap();
        rig
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn order(&self, program: &str, args: &[&str]) -> LaunchOrder {
        order_in(self.root.clone(), program, args)
    }

    pub(crate) fn sh(&self, script: &str) -> LaunchOrder {
        self.order("/bin/sh", &["-c", script])
    }

    pub(crate) fn log(&self) -> Vec<LogChunk> {
        read_log(&self.path("log"), 0, usize::MAX).unwrap().chunks
    }

    pub(crate) fn text(&self, stream: LogStream) -> String {
        let chunks = self.log().into_iter().filter(|chunk| chunk.stream == stream);
        String::from_utf8(chunks.flat_map(|chunk| chunk.bytes).collect()).unwrap()
    }

    /// Waits until the job has written `text` to its standard output.
    pub(crate) fn until_said(&self, text: &str) {
        until(&format!("the job says {text:?}"), || self.text(LogStream::Stdout).contains(text));
    }

    /// Waits until the job has written a pid to the file `name` in its working directory.
    pub(crate) fn pid_from(&self, name: &str) -> i32 {
        let path = self.path("work").join(name);
        let read = || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'));
        until(name, || read().is_some());
        read().unwrap().trim().parse().unwrap()
    }

    pub(crate) fn supervisor_pid(&self) -> i32 {
        let claim = fs::read_to_string(self.path("run/lock")).unwrap();
        let owner: serde_json::Value = serde_json::from_str(claim.lines().next().unwrap()).unwrap();
        i32::try_from(owner["supervisor"]["pid"].as_i64().unwrap()).unwrap()
    }
}

pub(crate) fn order_in(dir: PathBuf, program: &str, args: &[&str]) -> LaunchOrder {
    LaunchOrder {
        run_dir: dir.join("run"),
        work_dir: dir.join("work"),
        log_dir: dir.join("log"),
        program: program.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        secrets: Vec::new(),
        log_limits: LogLimits { head_bytes: 1 << 20, tail_bytes: 1 << 20 },
        limits: ProcessLimits::default(),
    }
}

pub(crate) async fn launch(order: &LaunchOrder) -> RunningProcess {
    supervisor().launch(order).await.unwrap()
}

pub(crate) async fn run(order: &LaunchOrder) -> ExitRecord {
    wait(&launch(order).await).await
}

pub(crate) async fn wait(running: &RunningProcess) -> ExitRecord {
    tokio::time::timeout(PATIENCE, running.wait()).await.expect("the run does not end").unwrap()
}

pub(crate) fn exited(code: i32) -> ExitOutcome {
    ExitOutcome::Exited { code }
}

/// Looks until `condition` holds.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process runs; one that has ended and is not reaped does not.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

pub(crate) fn signal(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

//! The program under test with a store of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes here even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a store and job files.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Place { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a job file.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The content of a file that a job writes; empty while there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command
            .args(args)
            .env_remove("WINDLASS_KEY")
            .env("WINDLASS_STORE", self.store())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.start(args).end()
    }

    /// Runs a command that must succeed and print one JSON document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut with_json = args.to_vec();
        with_json.push("--json");
        let done = self.run(&with_json).expect(0);
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// Starts a command that goes on beside the test.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child }
    }

    /// The newest job with this name, from another process, as soon as it is in this state.
    pub(crate) fn job_in_state(&self, name: &str, state: &str) -> Value {
        wait_for(&format!("{name} to be {state}"), || {
            let done = self.run(&["jobs", "--json", "--state", state]);
            let list: Value = serde_json::from_str(&done.stdout).ok()?;
            let jobs = list["jobs"].as_array()?;
            jobs.iter().find(|job| job["name"] == name).cloned()
        })
    }
}

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A command that goes on; it is killed when the test gives up on it.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Sends a signal by its name.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, without more of its output than was not read yet.
    pub(crate) fn end(mut self) -> Done {
        let wait = || self.child.try_wait().unwrap();
        let status = wait_for("the end of a command", wait);
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).unwrap();
        }
        Done { code: status.code(), stdout, stderr }
    }

    /// Its standard output, line by line.
    pub(crate) fn lines(&mut self) -> std::io::Lines<BufReader<ChildStdout>> {
        BufReader::new(self.child.stdout.take().unwrap()).lines()
    }

    /// Reads its standard error up to the first line with this text.
    pub(crate) fn wait_for_note(&mut self, text: &str) {
        let stderr = BufReader::new(self.child.stderr.as_mut().unwrap());
        let found = stderr.lines().any(|line| line.unwrap().contains(text));
        assert!(found, "it never said \"{text}\"");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until there is something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for a file that a job makes.
#[track_caller]
pub(crate) fn wait_for_file(path: &Path) {
    wait_for(&path.display().to_string(), || path.exists().then_some(()));
}

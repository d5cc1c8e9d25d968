//! A service in a directory and in namespaces of its own, which the script `keep` watches over.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keep");
/// How the directories begin; one that is left by a life before is known by it.
const PREFIX: &str = "windlass-backend-";
/// So much of what a service has said is shown when it does not come.
const SHOWN_LINES: usize = 30;
/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The service, its directory and everything that it has started; gone when dropped or when this process is.
pub(crate) struct Keeper {
    directory: PathBuf,
    watch: Mutex<Watch>,
}

struct Watch {
    child: Child,
    /// Its end is the end of the service.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Makes the directory and what is to be in it, and then a service that is not started yet.
    pub(crate) fn new(is_alone: bool, command: impl FnOnce(&Path) -> Vec<OsString>) -> Keeper {
        // Whoever looks for what is left must not find a directory that is not locked yet.
        let door = File::create(std::env::temp_dir().join(format!("{PREFIX}door"))).unwrap();
        door.lock().unwrap();
        remove_leftovers();
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap().keep();
        let mut watch = Command::new(SCRIPT);
        watch.arg(&directory).args(command(&directory)).env("PATH", path()).env_remove("KEEP_ALONE");
        if is_alone {
            watch.env("KEEP_ALONE", "1");
        }
        // What a terminal sends to the tests is not for it: it has to clean up after them.
        watch.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = watch.spawn().unwrap();
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut watch = Watch { child, orders, answers };
        assert_eq!(watch.answer(), "ready", "{SCRIPT} has failed");
        Keeper { directory, watch: Mutex::new(watch) }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts the service and waits until it does what it is for.
    pub(crate) fn start(&self, is_up: impl Fn() -> bool) {
        self.order("start");
        let begun = Instant::now();
        while !is_up() {
            let is_alive = self.order("alive") == "yes";
            assert!(is_alive && begun.elapsed() < PATIENCE, "the service does not come:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks the service to end, and waits until it has.
    pub(crate) fn stop(&self) {
        self.order("stop");
    }

    /// Kills the service, and nothing that it has started.
    pub(crate) fn kill(&self) {
        self.order("kill");
    }

    fn order(&self, order: &str) -> String {
        let mut watch = self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(watch.orders.as_mut().unwrap(), "{order}").unwrap();
        watch.answer()
    }

    /// The last lines of what the service has said.
    fn said(&self) -> String {
        let text = std::fs::read(self.directory.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Watch {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let watch = self.watch.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(watch.orders.take());
        let _ = watch.child.wait();
    }
}

/// Programs of the system are found, however this was started.
pub(crate) fn path() -> OsString {
    let given = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&given).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    std::env::join_paths(places).unwrap()
}

/// Removes what is left where the watching script was killed too. Its processes and mounts went with their namespaces.
fn remove_leftovers() {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == own);
        if is_ours && is_over(&entry.path()) {
            // It may be on its way out just now.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    remove_limits();
}

/// Nobody holds the lock of this directory any more.
fn is_over(directory: &Path) -> bool {
    let lock = File::open(directory.join("lock"));
    lock.map_or(true, |lock| lock.try_lock().is_ok())
}

/// Removes the groups of limits of platforms that have no directory any more. One that is not empty stays.
fn remove_limits() {
    let root = Path::new("/sys/fs/cgroup");
    for place in directories(root).into_iter().chain([root.to_owned()]) {
        let is_left = |group: &PathBuf| {
            let name = group.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(PREFIX) && !std::env::temp_dir().join(name).exists()
        };
        directories(&place).iter().filter(|group| is_left(group)).for_each(|group| remove_empty(group));
    }
}

fn remove_empty(directory: &Path) {
    directories(directory).iter().for_each(|inside| remove_empty(inside));
    let _ = std::fs::remove_dir(directory);
}

fn directories(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())).map(|entry| entry.path()).collect()
}

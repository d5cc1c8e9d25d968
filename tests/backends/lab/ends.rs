//! Whatever becomes of a test, nothing of its platforms outlives it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use windlass_backends::{Docker, Registry, Setup};

use super::{script, start, within};

/// Tells a test of another process to hold its platforms until it is killed.
const HOLD: &str = "WINDLASS_TEST_HOLDS_BACKENDS";

/// Nothing of a platform is left: no process, no mount, no limits, no file.
fn is_gone(directory: &Path) -> bool {
    processes(directory).is_empty()
        && !directory.exists()
        && !std::fs::read_to_string("/proc/mounts").unwrap().contains(name(directory))
        && groups(directory).is_empty()
}

fn name(directory: &Path) -> &str {
    directory.file_name().unwrap().to_str().unwrap()
}

/// The processes that are of a platform by what they were started with, or by whose limits they have.
fn processes(directory: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let texts = ["cmdline", "cgroup"].map(|file| std::fs::read(entry.path().join(file)).unwrap_or_default());
        let [command, groups] = texts.map(|text| String::from_utf8_lossy(&text).replace('\0', " "));
        if command.contains(name(directory)) || groups.contains(name(directory)) {
            found.push((pid, command));
        }
    }
    found
}

/// The groups of limits that are of a platform.
fn groups(directory: &Path) -> String {
    let found = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", name(directory)]).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}

/// A test of another process that holds an engine with a container and a registry.
struct Holder {
    process: Child,
    directories: Vec<PathBuf>,
    /// The end of it would end the other test.
    _printed: BufReader<ChildStdout>,
}

impl Holder {
    fn new() -> Holder {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "lab::ends::a_platform_that_is_dropped_is_gone", "--nocapture"]).env(HOLD, "1");
        let mut process = test.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap());
        let held =
            printed.by_ref().lines().find_map(|line| Some(line.unwrap().split_once("held ")?.1.to_owned())).unwrap();
        let directories: Vec<PathBuf> = held.split(' ').map(PathBuf::from).collect();
        assert_eq!(directories.len(), 2);
        for program in ["dockerd ", "containerd ", "containerd-shim", "sleep 1000"] {
            let runs = || processes(&directories[0]).iter().any(|(_, command)| command.contains(program));
            within(runs, || format!("{program}: {:#?}", processes(&directories[0])));
        }
        Holder { process, directories, _printed: printed }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_platform_that_is_dropped_is_gone() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let Some(registry) = Registry::shared() else { return };
    start(&docker, "sleeps", &script("sleep 1000"));
    let directory = docker.socket().parent().unwrap().to_owned();
    if std::env::var_os(HOLD).is_some() {
        println!("held {} {}", directory.display(), registry.directory().display());
        // Until it is killed.
        let _ = std::io::stdin().read(&mut [0]);
    }
    assert!(processes(&directory).len() > 5);
    // Where the machine has none, they are seen from inside only.
    let has_groups = std::fs::read_dir("/sys/fs/cgroup").is_ok_and(|mut inside| inside.next().is_some());
    assert_eq!(!groups(&directory).is_empty(), has_groups);
    drop(docker);
    assert!(is_gone(&directory), "{:#?} {:?}", processes(&directory), groups(&directory));
}

#[test]
fn a_platform_is_gone_when_its_test_panics() {
    if windlass_backends::are_left_out() {
        return;
    }
    let test = std::thread::spawn(|| {
        let docker = Docker::start(Setup::default()).unwrap();
        start(&docker, "sleeps", &script("sleep 1000"));
        std::panic::panic_any(docker.socket().parent().unwrap().to_owned());
    });
    let directory = test.join().unwrap_err().downcast::<PathBuf>().unwrap();
    assert!(is_gone(&directory), "{:#?}", processes(&directory));
}

#[test]
fn nothing_outlives_a_test_that_is_killed() {
    if windlass_backends::are_left_out() {
        return;
    }
    let mut holder = Holder::new();
    holder.kill();
    for directory in &holder.directories {
        within(|| is_gone(directory), || format!("{:#?} {:?}", processes(directory), groups(directory)));
    }
}

#[test]
fn what_is_left_when_everything_is_killed_is_removed_at_the_next_start() {
    if windlass_backends::are_left_out() {
        return;
    }
    let mut holder = Holder::new();
    // Those that would clean up, first.
    let directory = holder.directories[0].clone();
    let watching: Vec<u32> = processes(&directory)
        .into_iter()
        .filter(|(_, command)| command.contains("/keep ") && !command.contains("--inside"))
        .map(|(pid, _)| pid)
        .collect();
    assert_eq!(watching.len(), 1, "{:#?}", processes(&directory));
    let killed = Command::new("kill").arg("-9").arg(watching[0].to_string()).status().unwrap();
    assert!(killed.success());
    holder.kill();
    // Another test may start something first.
    let is_unlocked = || File::open(directory.join("lock")).map_or(true, |lock| lock.try_lock().is_ok());
    within(|| processes(&directory).is_empty() && is_unlocked(), || format!("{:#?}", processes(&directory)));
    drop(Docker::start(Setup::default()));
    assert!(is_gone(&directory), "{:?}", groups(&directory));
}

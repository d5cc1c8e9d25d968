//! Jobs outlive the engine, run once, and are not confused with others.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tokio::task::JoinSet;
use windlass::executors::process::{Attached, ProcessError, attach};
use windlass::files::LogStream;

use crate::rig::{Rig, alive, exited, launch, order_in, run, signal, supervisor, until, wait};

const LAUNCH_DIR: &str = "WINDLASS_TEST_LAUNCH_DIR";
const UNTIL_GO: &str = "echo before; until [ -e go ]; do sleep 0.01; done; echo after; exit 7";

/// Not a test: what [`a_launcher_killed_half_way`] runs in a process of its own, to kill it.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn launcher() {
    let Some(dir) = std::env::var_os(LAUNCH_DIR) else {
        return;
    };
    let order = order_in(dir.into(), "/bin/sh", &["-c", UNTIL_GO]);
    let _running = supervisor().launch(&order).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_launcher_killed_half_way_loses_nothing() {
    let rig = Rig::new();
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "survival::launcher", "--ignored"])
        .env(LAUNCH_DIR, rig.path(""))
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    rig.until_said("before");
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    let Attached::Running(found) = attach(&rig.path("run")).unwrap() else { panic!("not running") };
    assert!(alive(found.job().unwrap().pid));
    fs::write(rig.path("work/go"), "").unwrap();
    let record = wait(&found).await;
    assert_eq!(record.outcome, exited(7));
    assert_eq!(rig.text(LogStream::Stdout), "before\nafter\n");
    assert_eq!(wait(&found).await, record, "a second wait has the same answer");
}

#[tokio::test]
async fn a_run_that_ends_without_an_engine_is_found_ended() {
    let rig = Rig::new();
    drop(launch(&rig.sh(UNTIL_GO)).await);
    fs::write(rig.path("work/go"), "").unwrap();
    until("the record", || fs::read_to_string(rig.path("run/lock")).unwrap().contains("ended"));
    let Attached::Ended(record) = attach(&rig.path("run")).unwrap() else { panic!("not ended") };
    assert_eq!(record.outcome, exited(7));
    let again = launch(&rig.sh(UNTIL_GO)).await;
    assert_eq!(wait(&again).await, record, "a launch after the end starts nothing");
    assert_eq!(rig.text(LogStream::Stdout), "before\nafter\n");
}

#[tokio::test]
async fn without_its_supervisor_a_job_is_lost_and_dead() {
    for attached in [false, true] {
        let rig = Rig::new();
        let launched = launch(&rig.sh("setsid sh -c 'echo $$ > far; exec sleep 1000' & sleep 1000 & echo $! > near; \
            trap '' TERM; echo $$ > main; wait"))
        .await;
        let pids = [rig.pid_from("near"), rig.pid_from("far"), rig.pid_from("main")];
        let running = match attach(&rig.path("run")).unwrap() {
            Attached::Running(found) if attached => found,
            _ => launched,
        };
        let lost = running.wait();
        signal(rig.supervisor_pid(), Signal::KILL);
        assert!(matches!(lost.await, Err(ProcessError::Lost { .. })));
        assert!(!pids.into_iter().any(alive), "{pids:?}");
        assert!(matches!(attach(&rig.path("run")).unwrap(), Attached::Lost));
        let again = supervisor().launch(&rig.sh("echo again")).await;
        assert!(matches!(again, Err(ProcessError::Lost { .. })), "a lost run is not started again");
    }
}

#[tokio::test]
async fn launched_twice_is_one_run() {
    for _ in 0..20 {
        let rig = Rig::new();
        let order = rig.sh("echo x >> count; echo said");
        let supervisor = supervisor();
        let (one, two) = tokio::join!(supervisor.launch(&order), supervisor.launch(&order));
        let (one, two) = (one.unwrap(), two.unwrap());
        let (one, two) = tokio::join!(wait(&one), wait(&two));
        assert_eq!(one, two);
        assert_eq!(fs::read_to_string(rig.path("work/count")).unwrap(), "x\n");
        assert_eq!(rig.text(LogStream::Stdout), "said\n");
        assert_eq!(wait(&launch(&order).await).await, one);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once() {
    let mut runs = JoinSet::new();
    for number in 0..200 {
        runs.spawn(async move {
            let rig = Rig::new();
            let record = run(&rig.sh(&format!("echo {number}; exit {}", number % 256))).await;
            assert_eq!(record.outcome, exited(number % 256));
            assert_eq!(rig.text(LogStream::Stdout), format!("{number}\n"));
        });
    }
    assert_eq!(runs.join_all().await.len(), 200);
}

#[tokio::test]
async fn supervisors_leave_no_zombies() {
    let rig = Rig::new();
    let running = launch(&rig.sh(UNTIL_GO)).await;
    let supervisor = rig.supervisor_pid();
    fs::write(rig.path("work/go"), "").unwrap();
    wait(&running).await;
    drop(running);
    for _ in 0..3000 {
        if !Path::new(&format!("/proc/{supervisor}")).exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the supervisor was never reaped");
}

/// Claims a run in the name of a process that started one tick later than it says.
fn claim_falsely(rig: &Rig, pid: u32) -> File {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let ticks: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let owner = serde_json::json!({
        "supervisor": { "pid": pid, "start_ticks": ticks - 1 },
        "boot_id": boot_id.trim_end(),
    });
    fs::create_dir(rig.path("run")).unwrap();
    fs::write(rig.path("run/lock"), owner.to_string()).unwrap();
    File::open(rig.path("run/lock")).unwrap()
}

#[tokio::test]
async fn a_pid_used_again_is_left_alone() {
    // The leader of a session of its own, as a supervisor is: not a group leader, so setsid(1) need not fork.
    let mut other = Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap();
    let pid = other.id();
    until("the session", || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n"));

    let rig = Rig::new();
    let lock = claim_falsely(&rig, pid);
    lock.lock().unwrap();
    assert!(attach(&rig.path("run")).is_err(), "locked by somebody it does not name");
    lock.unlock().unwrap();
    assert!(matches!(attach(&rig.path("run")).unwrap(), Attached::Lost));
    assert!(other.try_wait().unwrap().is_none(), "it was killed");
    other.kill().unwrap();
    other.wait().unwrap();
}

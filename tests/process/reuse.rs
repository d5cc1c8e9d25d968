//! A supervisor runs one job after the other, and none of them notices.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use windlass::executors::process::{Attached, ExitRecord, LaunchOrder, ProcessError, Supervisor, attach};
use windlass::files::LogStream;

use crate::rig::{PATIENCE, Rig, alive, exited, signal, supervisor, until, wait};

const LAUNCH_DIR: &str = "WINDLASS_TEST_REUSE_DIR";
const UNTIL_GO: &str = "echo up; until [ -e go ]; do sleep 0.01; done; exit 7";
const BUSY: usize = 4;

async fn run(supervisor: &Supervisor, order: &LaunchOrder) -> ExitRecord {
    wait(&supervisor.launch(order).await.unwrap()).await
}

/// Waits until the process is gone and reaped, while the runtime goes on.
async fn until_gone(pid: i32) {
    let path = format!("/proc/{pid}");
    let gone = async {
        while Path::new(&path).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the supervisor stays");
}

#[tokio::test]
async fn two_hundred_runs_need_few_supervisors() {
    let supervisor = supervisor();
    let mut pids = BTreeSet::new();
    for number in 0..200 {
        let rig = Rig::new();
        let record = run(&supervisor, &rig.sh(&format!("echo {number}; exit {number}"))).await;
        assert_eq!(record.outcome, exited(number));
        assert_eq!(rig.text(LogStream::Stdout), format!("{number}\n"));
        assert_eq!(record.log.written_bytes, 14 + number.to_string().len() as u64);
        assert!(matches!(attach(&rig.path("run")).unwrap(), Attached::Ended(found) if found == record));
        pids.insert(rig.supervisor_pid());
    }
    // One, unless the machine stood still for seconds in between.
    assert!(pids.len() <= 5, "{} supervisors", pids.len());
}

#[tokio::test]
async fn a_program_that_cannot_be_started_costs_no_supervisor() {
    let supervisor = supervisor();
    let (bad, good) = (Rig::new(), Rig::new());
    run(&supervisor, &bad.order("/no/such/program", &[])).await;
    assert_eq!(run(&supervisor, &good.sh("exit 3")).await.outcome, exited(3));
    assert_eq!(bad.supervisor_pid(), good.supervisor_pid());
}

#[tokio::test]
async fn nothing_of_one_run_is_in_the_next() {
    let supervisor = supervisor();
    let (one, two) = (Rig::new(), Rig::new());
    let mut order = one.sh("echo $TOKEN; umask 777; cd /; sleep 1000 & echo $! > $DIR/near; \
        setsid sh -c 'echo $$ > $DIR/far; exec sleep 1000' & until [ -s $DIR/far ]; do sleep 0.01; done; \
        i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
    order.env.push(("TOKEN".into(), "first-token".into()));
    order.env.push(("DIR".into(), one.path("work").to_str().unwrap().into()));
    order.secrets = vec!["first-token".into()];
    let busy = run(&supervisor, &order).await;
    assert_eq!((busy.outcome.clone(), one.text(LogStream::Stdout)), (exited(0), "***\n".to_owned()));
    let leftovers = [one.pid_from("near"), one.pid_from("far")];

    let mut order = two.sh("env; pwd; umask; echo first-token");
    order.env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("PWD".into(), "/".into())];
    let running = supervisor.launch(&order).await.unwrap();
    assert!(!leftovers.into_iter().any(alive), "a leftover of the first run is there in the second");
    let record = wait(&running).await;
    assert_eq!(one.supervisor_pid(), two.supervisor_pid());
    let said = two.text(LogStream::Stdout);
    // Not masked: it is a secret of the first run alone. And in no variable.
    assert_eq!(said.matches("first-token").count(), 1, "{said}");
    assert!(said.ends_with("first-token\n") && !said.contains("TOKEN=") && !said.contains("DIR="), "{said}");
    assert!(said.contains(two.path("work").canonicalize().unwrap().to_str().unwrap()), "{said}");
    assert!(said.lines().all(|line| line != "0777"), "{said}");
    assert!(busy.user_cpu_ms >= 20 && record.user_cpu_ms < busy.user_cpu_ms, "{busy:?} {record:?}");
}

#[tokio::test]
async fn a_killed_idle_supervisor_is_replaced() {
    let supervisor = supervisor();
    let mut pids = BTreeSet::new();
    for _ in 0..5 {
        let rig = Rig::new();
        assert_eq!(run(&supervisor, &rig.sh("echo x >> count; exit 3")).await.outcome, exited(3));
        assert_eq!(fs::read_to_string(rig.path("work/count")).unwrap(), "x\n");
        // Dead at once, or while it is given its next order: both are met.
        signal(rig.supervisor_pid(), Signal::KILL);
        pids.insert(rig.supervisor_pid());
    }
    assert_eq!(pids.len(), 5);
    for pid in pids {
        until_gone(pid).await;
    }
}

#[tokio::test]
async fn a_killed_busy_supervisor_loses_its_own_run_alone() {
    let supervisor = supervisor();
    let (first, lost, other) = (Rig::new(), Rig::new(), Rig::new());
    let record = run(&supervisor, &first.sh("exit 1")).await;
    let running = supervisor.launch(&lost.sh(UNTIL_GO)).await.unwrap();
    assert_eq!(first.supervisor_pid(), lost.supervisor_pid());
    let beside = supervisor.launch(&other.sh(UNTIL_GO)).await.unwrap();
    signal(lost.supervisor_pid(), Signal::KILL);
    assert!(matches!(running.wait().await, Err(ProcessError::Lost { .. })));
    assert!(!alive(running.job().unwrap().pid));
    assert!(matches!(attach(&lost.path("run")).unwrap(), Attached::Lost));
    assert!(matches!(attach(&first.path("run")).unwrap(), Attached::Ended(found) if found == record));
    fs::write(other.path("work/go"), "").unwrap();
    assert_eq!(wait(&beside).await.outcome, exited(7));
}

#[tokio::test]
async fn a_late_stop_does_not_reach_the_next_run() {
    let supervisor = supervisor();
    let (one, two) = (Rig::new(), Rig::new());
    let first = supervisor.launch(&one.sh("exit 1")).await.unwrap();
    wait(&first).await;
    first.stop(0).unwrap();
    let second = supervisor.launch(&two.sh(UNTIL_GO)).await.unwrap();
    two.until_said("up");
    first.stop(0).unwrap();
    assert_eq!(one.supervisor_pid(), two.supervisor_pid());
    fs::write(two.path("work/go"), "").unwrap();
    let record = wait(&second).await;
    assert_eq!((record.outcome, record.stopped), (exited(7), false));

    let three = Rig::new();
    let third = supervisor.launch(&three.sh(UNTIL_GO)).await.unwrap();
    assert_eq!(one.supervisor_pid(), three.supervisor_pid());
    third.stop(10_000).unwrap();
    assert!(wait(&third).await.stopped, "its own stop reaches it");
}

#[tokio::test]
async fn who_finds_a_run_again_sees_its_end_while_the_launcher_lives() {
    let supervisor = supervisor();
    let (first, watched, next) = (Rig::new(), Rig::new(), Rig::new());
    run(&supervisor, &first.sh("exit 1")).await;
    let launched = supervisor.launch(&watched.sh(UNTIL_GO)).await.unwrap();
    let Attached::Running(found) = attach(&watched.path("run")).unwrap() else { panic!("not running") };
    assert_eq!(found.job(), launched.job());
    fs::write(watched.path("work/go"), "").unwrap();
    let record = wait(&launched).await;
    run(&supervisor, &next.sh("exit 2")).await;
    assert_eq!(wait(&found).await, record);
    assert_eq!(first.supervisor_pid(), watched.supervisor_pid());
    assert_ne!(watched.supervisor_pid(), next.supervisor_pid(), "one whose end is waited for is not used again");
}

#[tokio::test]
async fn idle_supervisors_go_away() {
    let supervisor = supervisor();
    let (one, two) = (Rig::new(), Rig::new());
    let (first, second) = (one.sh("exit 1"), two.sh("exit 2"));
    tokio::join!(run(&supervisor, &first), run(&supervisor, &second));
    for rig in [&one, &two] {
        until_gone(rig.supervisor_pid()).await;
    }
    let later = Rig::new();
    assert_eq!(run(&supervisor, &later.sh("exit 3")).await.outcome, exited(3));
    drop(supervisor);
    until_gone(later.supervisor_pid()).await;
}

/// Not a test: what [`a_launcher_killed_with_reused_supervisors`] runs in a process of its own, to kill it.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn launcher() {
    let Some(dir) = std::env::var_os(LAUNCH_DIR) else {
        return;
    };
    let supervisor = supervisor();
    let mut running = Vec::new();
    for (kind, script) in [("quick", UNTIL_GO), ("busy", UNTIL_GO)] {
        for number in 0..BUSY {
            let dir = Path::new(&dir).join(format!("{kind}{number}"));
            running.push(supervisor.launch(&crate::rig::order_in(dir, "/bin/sh", &["-c", script])).await.unwrap());
        }
        if kind == "quick" {
            for number in 0..BUSY {
                fs::write(Path::new(&dir).join(format!("quick{number}/work/go")), "").unwrap();
            }
            for running in running.drain(..) {
                wait(&running).await;
            }
        }
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_launcher_killed_with_reused_supervisors() {
    let dir = tempfile::tempdir().unwrap();
    let rig = |name: String| Rig::beneath(dir.path().join(name));
    let quick: Vec<Rig> = (0..BUSY).map(|number| rig(format!("quick{number}"))).collect();
    let busy: Vec<Rig> = (0..BUSY).map(|number| rig(format!("busy{number}"))).collect();
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "reuse::launcher", "--ignored"])
        .env(LAUNCH_DIR, dir.path())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    busy.iter().for_each(|rig| rig.until_said("up"));
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    let pids_of = |rigs: &[Rig]| rigs.iter().map(Rig::supervisor_pid).collect::<BTreeSet<i32>>();
    let pids = pids_of(&busy);
    assert_eq!((pids.len(), &pids), (BUSY, &pids_of(&quick)), "each supervisor has its second run");
    for rig in &busy {
        let Attached::Running(found) = attach(&rig.path("run")).unwrap() else { panic!("not running") };
        fs::write(rig.path("work/go"), "").unwrap();
        assert_eq!(wait(&found).await.outcome, exited(7));
        assert_eq!(rig.text(LogStream::Stdout), "up\n");
    }
    for pid in pids {
        until("the supervisor ends", || !alive(pid));
    }
}

//! Stopping jobs.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;
use windlass::executors::process::{Attached, ExitOutcome, attach};
use windlass::files::LogStream;

use crate::rig::{Rig, alive, exited, launch, signal, wait};

/// Ignores SIGTERM and writes its pid to the file named by its argument.
const STUBBORN: &str = "trap '' TERM; echo $$ > $1; while :; do sleep 0.02; done";

#[tokio::test]
async fn a_stop_asks_first() {
    let rig = Rig::new();
    let running = launch(&rig.sh("trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.02; done")).await;
    rig.until_said("up");
    running.stop(20_000).unwrap();
    running.stop(20_000).unwrap();
    let record = wait(&running).await;
    assert_eq!(record.outcome, exited(3));
    assert!(record.stopped && record.ended_ms - record.started_ms < 15_000);
    assert_eq!(rig.text(LogStream::Stdout), "up\nasked\n");
    running.stop(0).unwrap();
}

#[tokio::test]
async fn after_the_grace_everything_dies() {
    let rig = Rig::new();
    fs::write(rig.path("work/stubborn.sh"), STUBBORN).unwrap();
    let running =
        launch(&rig.sh("sh stubborn.sh near & setsid sh stubborn.sh far & trap 'exit 3' TERM; echo $$ > main; \
        while :; do sleep 0.02; done"))
        .await;
    let pids = [rig.pid_from("near"), rig.pid_from("far"), rig.pid_from("main")];
    assert!(pids.into_iter().all(alive));
    let since = Instant::now();
    running.stop(400).unwrap();
    let record = wait(&running).await;
    assert_eq!(record.outcome, exited(3));
    assert!(record.stopped);
    assert!(since.elapsed().as_millis() >= 390, "the grace is for the whole group");
    assert!(since.elapsed().as_secs() < 4);
    assert!(!pids.into_iter().any(alive));
}

#[tokio::test]
async fn a_leader_that_ignores_the_stop_is_killed_and_a_second_stop_may_hurry() {
    let rig = Rig::new();
    fs::write(rig.path("work/stubborn.sh"), STUBBORN).unwrap();
    let running = launch(&rig.order("/bin/sh", &["stubborn.sh", "main"])).await;
    let pid = rig.pid_from("main");
    running.stop(600_000).unwrap();
    let Attached::Running(found) = attach(&rig.path("run")).unwrap() else { panic!("not running") };
    assert!(alive(pid));
    found.stop(50).unwrap();
    let record = wait(&found).await;
    assert!(matches!(record.outcome, ExitOutcome::Signalled { signal: 9, .. }), "{record:?}");
    assert!(record.stopped && !record.out_of_memory);
    assert_eq!(wait(&running).await, record);
}

#[tokio::test]
async fn signals_without_a_stop_order_change_nothing() {
    let rig = Rig::new();
    let running = launch(&rig.sh("echo up; until [ -e go ]; do sleep 0.01; done; echo on")).await;
    rig.until_said("up");
    for harmless in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::PIPE, Signal::TERM] {
        signal(rig.supervisor_pid(), harmless);
    }
    fs::write(rig.path("work/go"), "").unwrap();
    let record = wait(&running).await;
    assert_eq!((record.outcome, record.stopped), (exited(0), false));
    assert_eq!(rig.text(LogStream::Stdout), "up\non\n");
}

//! Limits bite; each job here succeeds without its limit.

use windlass::executors::process::{ExitOutcome, ProcessLimits};

use crate::rig::{Rig, exited, run};

async fn outcome(script: &str, limits: ProcessLimits) -> (ExitOutcome, Rig) {
    let rig = Rig::new();
    let mut order = rig.sh(script);
    order.limits = limits;
    (run(&order).await.outcome, rig)
}

#[tokio::test]
async fn memory() {
    let script = "head -c 120000000 /dev/zero | tail -c 100000000 | wc -c | grep -q 100000000";
    assert_eq!(outcome(script, ProcessLimits::default()).await.0, exited(0));
    let limits = ProcessLimits { memory_bytes: Some(64 << 20), ..ProcessLimits::default() };
    assert_eq!(outcome(script, limits).await.0, exited(1));
}

#[tokio::test]
async fn cpu_time() {
    let limits = ProcessLimits { cpu_seconds: Some(1), ..ProcessLimits::default() };
    let (outcome, _rig) = outcome("while :; do :; done", limits).await;
    assert!(matches!(outcome, ExitOutcome::Signalled { signal: 24, .. }), "{outcome:?}");
}

#[tokio::test]
async fn open_files() {
    let script = "exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null";
    assert_eq!(outcome(script, ProcessLimits::default()).await.0, exited(0));
    let limits = ProcessLimits { open_files: Some(6), ..ProcessLimits::default() };
    let (outcome, rig) = outcome(script, limits).await;
    assert!(matches!(outcome, ExitOutcome::Exited { code } if code != 0), "{outcome:?}");
    assert!(!rig.log().is_empty(), "the shell says what it cannot open");
}

#[tokio::test]
async fn file_size() {
    let script = "exec head -c 100000 /dev/zero > big";
    assert_eq!(outcome(script, ProcessLimits::default()).await.0, exited(0));
    let limits = ProcessLimits { file_size_bytes: Some(4096), ..ProcessLimits::default() };
    let (outcome, rig) = outcome(script, limits).await;
    assert!(matches!(outcome, ExitOutcome::Signalled { signal: 25, .. }), "{outcome:?}");
    assert_eq!(rig.path("work/big").metadata().unwrap().len(), 4096);
}

#[tokio::test]
async fn the_supervisor_is_not_bound() {
    let limits = ProcessLimits { file_size_bytes: Some(10), open_files: Some(10), ..ProcessLimits::default() };
    let (outcome, rig) = outcome("i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done", limits).await;
    assert_eq!(outcome, exited(0));
    assert!(rig.text(windlass::files::LogStream::Stdout).ends_with("999\n"));
}

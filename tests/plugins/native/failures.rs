//! Plugins that crash, hang, flood and leak: each costs its call, and the engine nothing.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass::NativeConfig;
use windlass::plugin::contract::{ErrorKind, ExecutorPlugin, Retry};
use windlass::plugin::native::NativePlugin;

use crate::rig::{HOSTILE, Log, brief, hostile, is_running, run, submit, told, wait_for};

/// The call fails with these words, and the next one is none the worse for it.
async fn assert_costs_one_call(plugin: &NativePlugin, options: &str, kind: ErrorKind, expected: &str) {
    let error = submit(plugin, options).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (kind, Retry::Backoff), "{options}: {error}");
    assert!(error.message.contains(expected), "{options}: {error}");
    assert_eq!(submit(plugin, "fine").await.unwrap().data, b"fine");
}

#[tokio::test]
async fn a_crash_costs_one_call() {
    let plugin = hostile();
    let internal = ErrorKind::Internal;
    assert_costs_one_call(&plugin, "segv", internal, "libhostile.so crashed (SIGSEGV, signal 11) during `submit`")
        .await;
    let said = "crashed (SIGABRT, signal 6) during `submit`; it last printed: the sky is falling";
    assert_costs_one_call(&plugin, "abort", internal, said).await;
    assert_costs_one_call(&plugin, "exit", internal, "ended its process (exit code 3)").await;
    assert_costs_one_call(&plugin, "disconnect", internal, "was killed (SIGKILL, signal 9)").await;
}

#[tokio::test]
async fn a_hang_costs_one_call_and_leaves_no_process() {
    let plugin = hostile().limits(brief());
    assert_costs_one_call(&plugin, "spin", ErrorKind::Timeout, "did not return within 700 ms and was killed").await;
    let pid = told(&plugin, "tell-pid").await;
    let child = told(&plugin, "tell-child").await;
    assert!(is_running(&pid) && is_running(&child));
    let error = plugin.logs(run("hang"), None, 100, Arc::new(Log::default())).await.unwrap_err();
    assert!(error.message.contains("did not return within 800 ms and was killed during `logs`"), "{error}");
    wait_for("the process group is gone", || !is_running(&pid) && !is_running(&child)).await;
}

#[tokio::test]
async fn a_flood_costs_one_call() {
    let plugin = hostile();
    let internal = ErrorKind::Internal;
    assert_costs_one_call(&plugin, "print-flood", internal, "printed more than 1048576 bytes and was killed").await;
    assert_costs_one_call(&plugin, "message-flood", internal, "said more than 262144 bytes to the operator").await;
    assert_costs_one_call(&plugin, "long-frame", internal, "sent a message of 2147483647 bytes").await;
    assert_costs_one_call(&plugin, "noise", internal, "sent a message that cannot be read").await;
    let error = plugin.logs(run("deaf"), None, 0, Arc::new(Log::up_to(3))).await.unwrap_err();
    assert!(error.message.contains("went on to write to the log when no more was wanted"), "{error}");
    assert_eq!(submit(&plugin, "fine").await.unwrap().data, b"fine");
}

#[tokio::test]
async fn an_endless_log_is_taken_in_parts() {
    let plugin = hostile().limits(NativeConfig { log_bytes: 1 << 20, ..NativeConfig::default() });
    let log = Arc::new(Log::default());
    assert_eq!(plugin.logs(run("polite"), None, 0, log.clone()).await, Ok(false));
    let taken: usize = log.pieces.lock().unwrap().iter().map(|(bytes, _)| bytes.len()).sum();
    assert!(((1 << 20)..(2 << 20)).contains(&taken), "{taken}");
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

#[tokio::test]
async fn a_leak_costs_its_process_and_does_not_grow_the_engine() {
    let plugin = hostile().limits(NativeConfig { memory_bytes: 48 << 20, ..NativeConfig::default() });
    let (before, pid) = (resident_bytes(), told(&plugin, "tell-pid").await);
    let expected = "took more than 50331648 bytes of memory and was killed";
    assert_costs_one_call(&plugin, "leak-in-call", ErrorKind::Exhausted, expected).await;
    let next = told(&plugin, "tell-pid").await;
    assert_ne!(pid, next);
    // One that has got through its call is not used again; where that took long it may have been found out before.
    if let Err(error) = submit(&plugin, "leak-and-return").await {
        assert_eq!(error.kind, ErrorKind::Exhausted, "{error}");
    }
    assert_ne!(told(&plugin, "tell-pid").await, next);
    wait_for("the process is gone", || !is_running(&next)).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "the engine has grown by {grown} bytes");
}

#[tokio::test]
async fn a_process_is_used_again_and_replaced_when_it_has_died_meanwhile() {
    let plugin = hostile();
    let pid = told(&plugin, "tell-pid").await;
    assert_eq!(told(&plugin, "tell-pid").await, pid);
    let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    wait_for("it is dead", || !is_running(&pid)).await;
    assert_ne!(told(&plugin, "tell-pid").await, pid);
}

#[tokio::test]
async fn a_call_that_is_given_up_ends_its_process() {
    let plugin = hostile();
    let pid = told(&plugin, "tell-pid").await;
    let hanging = plugin.logs(run("hang"), None, 0, Arc::new(Log::default()));
    assert!(tokio::time::timeout(Duration::from_millis(100), hanging).await.is_err());
    wait_for("it is dead", || !is_running(&pid)).await;
    assert_eq!(submit(&plugin, "fine").await.unwrap().data, b"fine");
}

#[tokio::test]
async fn calls_that_wait_leave_a_process_to_the_others() {
    let plugin = Arc::new(hostile());
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let plugin = plugin.clone();
            tokio::spawn(async move { plugin.observe(vec![run("wait")], 400).await })
        })
        .collect();
    // Three of them, one after the other, need more than a second; these get through in between.
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(submit(&plugin, "fine").await.unwrap().data, b"fine");
    }
    assert!(waiting.iter().any(|call| !call.is_finished()), "after {:?}", begun.elapsed());
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn failures_in_a_row_are_slowed_down_and_a_success_ends_that() {
    let plugin = hostile();
    for _ in 0..2 {
        submit(&plugin, "exit").await.unwrap_err();
    }
    let error = submit(&plugin, "fine").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let Retry::After(ms) = error.retry else { panic!("{error:?}") };
    tokio::time::sleep(Duration::from_millis(ms + 1)).await;
    assert_eq!(submit(&plugin, "fine").await.unwrap().data, b"fine");
    submit(&plugin, "exit").await.unwrap_err();
    assert_eq!(submit(&plugin, "fine").await.unwrap().data, b"fine");
}

/// Where the test below finds out that it is the engine that is to be killed.
const DOOMED: &str = "WINDLASS_TEST_DOOMED_ENGINE";

#[tokio::test]
async fn an_engine_that_is_killed_takes_its_processes_with_it() {
    if std::env::var_os(DOOMED).is_some() {
        // The other process: says who has the plugin loaded, and is then in the midst of a call.
        let plugin = hostile();
        println!("pid {}", told(&plugin, "tell-pid").await);
        println!("pid {}", told(&plugin, "tell-child").await);
        plugin.logs(run("hang"), None, 60_000, Arc::new(Log::default())).await.unwrap_err();
        return;
    }
    let _ = &*HOSTILE;
    let test = std::env::current_exe().unwrap();
    let mut engine = Command::new(test)
        .args(["--exact", "--nocapture", "failures::an_engine_that_is_killed_takes_its_processes_with_it"])
        .env(DOOMED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(engine.stdout.take().unwrap());
    let lines = std::io::BufRead::lines(output).map_while(Result::ok);
    let pids: Vec<String> = lines.filter_map(|line| Some(line.split_once("pid ")?.1.to_owned())).take(2).collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_running(pid)), "{pids:?}");
    engine.kill().unwrap();
    engine.wait().unwrap();
    // What the plugin has started is not always ended by that: the kernel may be faster than the process itself.
    wait_for("the process of the plugin is gone", || !is_running(&pids[0])).await;
    let _ = Command::new("kill").args(["-9", &pids[1]]).stderr(Stdio::null()).status();
}

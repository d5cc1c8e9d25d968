//! An engine with nothing to do does nothing.

use std::fs;
use std::process::Command;
use std::time::Duration;

use windlass::job::{NamedTask, Task, Timestamp};
use windlass::testing::FakeExecutor;
use windlass::{Clock, Engine, FunctionError, JobSpec};

const CHILD_DIR: &str = "WINDLASS_TEST_IDLE_DIR";

/// CPU ticks of this process, and how often its threads gave up the processor of their own accord.
fn spent() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let switches = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    });
    (ticks, switches.sum())
}

/// Not a test: what [`an_idle_engine_costs_nothing`] runs in a process of its own, to measure that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a process of its own"]
async fn idle_engine() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let fake = FakeExecutor::new();
    let engine = Engine::builder(dir)
        .function("done", |_, (): ()| async { Ok::<_, FunctionError>(()) })
        .executor("fake", std::sync::Arc::new(fake.clone()))
        .open()
        .await
        .unwrap();
    let done = || JobSpec::function("done", "null");
    engine.submit_many(vec![JobSpec { hold: true, ..done() }; 100]).await.unwrap();
    let year_ms = 365 * 86_400_000;
    let start_at: Option<Timestamp> = Some(Clock::system().now().plus_millis(year_ms));
    engine.submit(JobSpec { start_at, ..done() }).await.unwrap();
    let over = engine.submit(done()).await.unwrap();
    engine.wait(over).await.unwrap();
    // A run that goes on elsewhere costs nothing either.
    let far = Task::Named(NamedTask { executor: "fake".into(), params: b"null".to_vec() });
    engine.submit(JobSpec::new(far)).await.unwrap();
    let _events = engine.subscribe();
    // The last group is sealed and idle threads have gone to sleep after this time.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(fake.running().len(), 1);
    let (before, sleep) = (spent(), Duration::from_secs(3));
    std::thread::sleep(sleep);
    let after = spent();
    println!("spent {} {}", after.0 - before.0, after.1 - before.1);
}

#[test]
fn an_idle_engine_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "idle::idle_engine", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(child.stdout).unwrap();
    let spent = text.lines().find_map(|line| line.split_once("spent ")).expect(&text).1;
    let (ticks, switches) = spent.split_once(' ').unwrap();
    let (ticks, switches): (u64, u64) = (ticks.parse().unwrap(), switches.trim().parse().unwrap());
    // The sleep of the measurement itself is one switch.
    assert!(ticks <= 1 && switches <= 6, "{ticks} ticks of CPU time and {switches} switches in three seconds");
}

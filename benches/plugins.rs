//! What plugins cost: one call with its instance, payloads, the watch over many runs, logs, the first use, and their mere
//! presence. The plugin is the built-in `mock`.
//!
//! `cargo bench --bench plugins [NAME…]` runs all parts or those named: presence, calls, watch, logs.

#![allow(clippy::unwrap_used, reason = "a measurement that fails may panic")]

use std::path::Path;
use std::time::{Duration, Instant};

use windlass::job::{NamedTask, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, JobSpec};

/// As in the `windlass` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CALLS: usize = 5_000;
const RUNS: usize = 10_000;
const WATCH: Duration = Duration::from_secs(20);
/// Lines of a log, and bytes of one.
const LINES: usize = 1_000_000;
const LINE: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let dir = tempfile::tempdir().unwrap();
    if wants("presence") {
        presence(dir.path()).await;
    }
    if wants("calls") {
        first_use(&dir.path().join("calls")).await;
        calls(&dir.path().join("calls")).await;
    }
    if wants("watch") {
        watch(&dir.path().join("watch")).await;
    }
    if wants("logs") {
        logs(&dir.path().join("logs")).await;
    }
}

fn mock(options: &str) -> JobSpec {
    JobSpec::new(Task::Named(NamedTask { executor: "mock".into(), params: options.as_bytes().to_vec() }))
}

async fn open(dir: &Path, grants: Option<&str>) -> Engine {
    let config = EngineConfig { default_slots: RUNS, shutdown_grace_ms: 0, ..EngineConfig::default() };
    let builder = Engine::builder(dir).config(config);
    let grants = grants.map(|grants| parse_config(grants.as_bytes()).unwrap());
    let builder = match grants {
        Some(grants) => builder.plugins(grants),
        None => builder,
    };
    builder.open().await.unwrap()
}

const GRANTED: Option<&str> = Some("[plugin.mock]\n");

/// All built-in plugins are there and none is used.
async fn presence(dir: &Path) {
    let idle = Some("[plugin.mock]\n[plugin.shell]\n[plugin.shell.endpoint.jobs]\naddress = \"unix:/nowhere\"\n");
    let plain = opened(&dir.join("plain"), None).await;
    let idle = opened(&dir.join("idle"), idle).await;
    println!("open without plugins:      {:>8.2} ms, {:>6.1} MB resident", millis(plain.0), plain.1);
    println!("with all of them, idle:    {:>8.2} ms, {:>6.1} MB resident", millis(idle.0), idle.1);
}

async fn opened(dir: &Path, grants: Option<&str>) -> (Duration, f64) {
    drop(open(dir, grants).await);
    let start = Instant::now();
    let engine = open(dir, grants).await;
    let (time, memory) = (start.elapsed(), resident_mb());
    engine.shutdown().await;
    (time, memory)
}

async fn first_use(dir: &Path) {
    for what in ["first use, compiled:", "first use, kept:"] {
        let engine = open(dir, GRANTED).await;
        let start = Instant::now();
        engine.check_executor("mock").await.unwrap();
        println!("{what:<26} {:>8.2} ms", millis(start.elapsed()));
        engine.shutdown().await;
    }
}

async fn calls(dir: &Path) {
    let engine = open(dir, GRANTED).await;
    let start = Instant::now();
    for _ in 0..CALLS {
        engine.check_executor("mock").await.unwrap();
    }
    println!("a call and its instance:   {:>8.1} us", micros(start.elapsed()) / CALLS as f64);
    for (bytes, calls) in [(1 << 10, CALLS), (1 << 20, CALLS / 50)] {
        let spec = mock(&format!(r#"{{"print": "{}"}}"#, "x".repeat(bytes)));
        let start = Instant::now();
        for _ in 0..calls {
            engine.check(&spec).await.unwrap();
        }
        println!("with {bytes:>7} bytes read:    {:>8.1} us", micros(start.elapsed()) / calls as f64);
    }
    engine.shutdown().await;
}

async fn watch(dir: &Path) {
    let engine = open(dir, GRANTED).await;
    let start = Instant::now();
    let options = r#"{"outcome": "never", "ask_after_ms": 2000}"#;
    for _ in 0..RUNS / 1_000 {
        engine.submit_many(vec![mock(options); 1_000]).await.unwrap();
    }
    let running = |engine: &Engine| engine.stats().unwrap().live.get(2).copied().unwrap_or_default();
    while running(&engine) < RUNS as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{RUNS} runs started:      {:>8.0} /s", RUNS as f64 / start.elapsed().as_secs_f64());
    // Logs that say nothing are looked at ever more rarely.
    tokio::time::sleep(Duration::from_secs(80)).await;
    let before = cpu();
    tokio::time::sleep(WATCH).await;
    let ticks = WATCH.as_secs_f64() / 2.0;
    let used = cpu() - before;
    println!(
        "watched, each 2 s:         {:>8.1} ms of CPU a tick, {:.1} MB resident",
        millis(used) / ticks,
        resident_mb()
    );
    drop(engine);
}

async fn logs(dir: &Path) {
    let engine = open(dir, GRANTED).await;
    let line = "x".repeat(LINE - 1);
    let start = Instant::now();
    let id = engine.submit(mock(&format!(r#"{{"print": "{line}", "lines": {LINES}}}"#))).await.unwrap();
    engine.wait(id).await.unwrap();
    let rate = (LINES * LINE) as f64 / 1e6 / start.elapsed().as_secs_f64();
    println!("a log, whole job:          {rate:>8.0} MB/s");
    engine.shutdown().await;
}

/// Time that all threads of this process have spent computing.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the process, which comes second, may hold spaces. Ticks of the kernel are 10 ms.
    let ticks: u64 =
        stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

//! What an item costs beside a plain job, in the same run: 10,000 at once with small inputs and without, and one after the other.
//!
//! `cargo bench --bench items`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may panic")]

#[path = "core/probe.rs"]
mod probe;

use std::path::Path;
use std::time::{Duration, Instant};

use windlass::job::{Item, Items};
use windlass::{Engine, EngineConfig, FunctionError, JobSpec, State};

/// As in the `windlass` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MANY: usize = 10_000;
const LINE: usize = 200;
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let syncs = probe::syncs_per_second(dir.path());
    println!("the disk, one thread:              {syncs:>9.0} syncs/s");
    let plain = median(|| unjoined(&engine, MANY)).await;
    println!("{MANY} plain jobs:                  {:>9.0} ms", millis(plain));
    let items = median(|| items(&engine, MANY, None, false)).await;
    println!("{MANY} items:                       {:>9.0} ms; ratio {:.2}", millis(items), ratio(items, plain));
    let overhead = (items.as_secs_f64() - plain.as_secs_f64()) / MANY as f64;
    println!("  an item more than a job:         {:>9.1} us = {:.3} syncs", overhead * 1e6, overhead * syncs);
    let with_files = median(|| crate::items(&engine, MANY, None, true)).await;
    println!(
        "{MANY} items with a file each:      {:>9.0} ms; ratio {:.2}",
        millis(with_files),
        ratio(with_files, plain)
    );
    let line = median(|| crate::items(&engine, LINE, Some(1), false)).await;
    let each = line.as_secs_f64() / LINE as f64;
    println!("{LINE} items one after the other:     {:>9.0} ms; each {:.2} syncs", millis(line), each * syncs);
    engine.shutdown().await;
}

async fn open(dir: &Path) -> Engine {
    let mut config = EngineConfig { default_slots: 64, ..EngineConfig::default() };
    config.job_limits.submission = MANY;
    let engine = Engine::builder(dir).config(config);
    engine.function("nothing", |_, (): ()| async { Ok::<_, FunctionError>(()) }).open().await.unwrap()
}

fn nothing() -> JobSpec {
    JobSpec::function("nothing", "null")
}

async fn items(engine: &Engine, count: usize, parallel: Option<u32>, with_files: bool) -> Duration {
    let item = |at: usize| match with_files {
        true => Item::new(at.to_string()).input("text", format!("the text of item {at}")),
        false => Item::new(at.to_string()),
    };
    let items = Items { parallel, ..Items::given((0..count).map(item)) };
    let start = Instant::now();
    let id = engine.submit(nothing().with_items(items)).await.unwrap();
    let job = engine.wait(id).await.unwrap().job;
    let took = start.elapsed();
    assert_eq!((job.state(), job.status.items.succeeded as usize), (State::Succeeded, count));
    took
}

async fn unjoined(engine: &Engine, jobs: usize) -> Duration {
    let start = Instant::now();
    let ids = engine.submit_many(vec![nothing(); jobs]).await.unwrap();
    for id in ids {
        engine.wait(id).await.unwrap();
    }
    start.elapsed()
}

async fn median<F: Future<Output = Duration>>(mut once: impl FnMut() -> F) -> Duration {
    let mut all = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        all.push(once().await);
    }
    all.sort_unstable();
    all.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

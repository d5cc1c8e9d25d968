//! What pipelines cost beside the same jobs without edges, in the same run: a line of 40, a fan of 400, and 100,000 nodes.
//!
//! `cargo bench --bench pipelines`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may panic")]

#[path = "core/probe.rs"]
mod probe;

use std::path::Path;
use std::time::{Duration, Instant};

use windlass::job::pipeline::{After, ProcessNode};
use windlass::job::{ChainState, JobConfig, On, PipelineSpec};
use windlass::{Engine, EngineConfig, FunctionError, JobSpec, RunOptions};

/// As in the `windlass` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROJECT: &str = "default";
const LINE: usize = 40;
const FAN: usize = 400;
/// Levels of the largest one, and nodes of each; every node comes after two of the level before.
const LEVELS: usize = 100;
const WIDE: usize = 1_000;
const ROUNDS: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let syncs = probe::syncs_per_second(dir.path());
    println!("the disk, one thread:            {syncs:>9.0} syncs/s");
    let lone = median(ROUNDS * 5, || lone(&engine)).await;
    println!("a job alone, submitted to done:  {:>9.2} ms", millis(lone));

    store(&engine, "line", line()).await;
    let took = median(ROUNDS, || run(&engine, "line")).await;
    let (step, sync) = (millis(took) / LINE as f64, 1_000.0 / syncs);
    println!("a line of {LINE}:                    {:>9.2} ms", millis(took));
    println!("  a step:                        {step:>9.2} ms = {:.2} syncs", step / sync);

    store(&engine, "fan", fan()).await;
    let took = median(ROUNDS, || run(&engine, "fan")).await;
    let plain = median(ROUNDS, || unjoined(&engine, FAN + 2)).await;
    println!("a fan of {FAN}, out and in:         {:>9.2} ms", millis(took));
    println!("  as many jobs without edges:    {:>9.2} ms; ratio {:.2}", millis(plain), ratio(took, plain));

    let start = Instant::now();
    store(&engine, "large", large()).await;
    println!("{} nodes stored:             {:>9.0} ms", LEVELS * WIDE, millis(start.elapsed()));
    let start = Instant::now();
    let id = engine.run_pipeline(PROJECT, "large", RunOptions::new(), None).await.unwrap();
    println!("  accepted:                      {:>9.0} ms", millis(start.elapsed()));
    let run = engine.wait_run(id).await.unwrap();
    let took = start.elapsed();
    assert_eq!(run.summary.state, ChainState::Succeeded);
    println!("  run:                           {:>9.0} nodes/s", (LEVELS * WIDE) as f64 / took.as_secs_f64());
    let plain = unjoined(&engine, LEVELS * WIDE).await;
    println!(
        "  without edges:                 {:>9.0} jobs/s; ratio {:.2}",
        (LEVELS * WIDE) as f64 / plain.as_secs_f64(),
        ratio(took, plain)
    );
    engine.shutdown().await;
}

async fn open(dir: &Path) -> Engine {
    let mut config = EngineConfig { default_slots: 64, ..EngineConfig::default() };
    config.job_limits.submission = LEVELS * WIDE;
    config.pipeline_limits.process_nodes = LEVELS * WIDE;
    let engine = Engine::builder(dir).config(config);
    let engine = engine.function("nothing", |_, (): ()| async { Ok::<_, FunctionError>(()) }).open().await.unwrap();
    let config = JobConfig::new(nothing());
    engine.apply_configs(vec![("nothing".to_owned(), config)], false).await.unwrap();
    engine
}

fn nothing() -> JobSpec {
    JobSpec::function("nothing", "null")
}

async fn store(engine: &Engine, name: &str, spec: PipelineSpec) {
    engine.apply_pipelines(vec![(PROJECT.to_owned(), name.to_owned(), spec)], false).await.unwrap();
}

fn node(name: String, before: impl IntoIterator<Item = String>) -> ProcessNode {
    let after = before.into_iter().map(|node| After { node, on: On::Success }).collect();
    ProcessNode { after, ..ProcessNode::new(name, "nothing") }
}

fn of(process_nodes: Vec<ProcessNode>) -> PipelineSpec {
    PipelineSpec { process_nodes, ..PipelineSpec::default() }
}

fn line() -> PipelineSpec {
    let before = |at: usize| at.checked_sub(1).map(|before| format!("n{before}"));
    of((0..LINE).map(|at| node(format!("n{at}"), before(at))).collect())
}

fn fan() -> PipelineSpec {
    let blades = (0..FAN).map(|at| format!("n{at}"));
    let mut nodes = vec![node("root".to_owned(), [])];
    nodes.extend(blades.clone().map(|name| node(name, ["root".to_owned()])));
    nodes.push(node("join".to_owned(), blades));
    of(nodes)
}

fn large() -> PipelineSpec {
    let name = |level: usize, at: usize| format!("n{level}-{}", at % WIDE);
    let before = |level: usize, at: usize| {
        let above = level.checked_sub(1);
        above.into_iter().flat_map(move |above| [name(above, at), name(above, at + 1)])
    };
    let level = |level: usize| (0..WIDE).map(move |at| node(name(level, at), before(level, at)));
    of((0..LEVELS).flat_map(level).collect())
}

async fn lone(engine: &Engine) -> Duration {
    let start = Instant::now();
    let id = engine.submit(nothing()).await.unwrap();
    engine.wait(id).await.unwrap();
    start.elapsed()
}

async fn run(engine: &Engine, name: &str) -> Duration {
    let start = Instant::now();
    let id = engine.run_pipeline(PROJECT, name, RunOptions::new(), None).await.unwrap();
    let run = engine.wait_run(id).await.unwrap();
    assert_eq!(run.summary.state, ChainState::Succeeded);
    start.elapsed()
}

async fn unjoined(engine: &Engine, jobs: usize) -> Duration {
    let start = Instant::now();
    let ids = engine.submit_many(vec![nothing(); jobs]).await.unwrap();
    for id in ids {
        engine.wait(id).await.unwrap();
    }
    start.elapsed()
}

async fn median<F: Future<Output = Duration>>(rounds: usize, mut once: impl FnMut() -> F) -> Duration {
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        all.push(once().await);
    }
    all.sort_unstable();
    all.get(rounds / 2).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

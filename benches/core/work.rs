//! Submitting, draining, and one job at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use windlass::job::{JobSpec, State};
use windlass::{Engine, EngineConfig};

use crate::Scratch;
use crate::floor::Floor;
use crate::measure::{Latencies, Usage};
use crate::probe::syncs_per_second;

/// About 400 bytes on disk, as a job with a small payload and a few options.
const INPUT_BYTES: usize = 330;

fn scale() -> f64 {
    let jobs = std::env::var("WINDLASS_BENCH_JOBS").ok().and_then(|jobs| jobs.parse::<f64>().ok());
    jobs.map_or(1.0, |jobs| jobs / 1e6)
}

/// The numbers of callers at once that are wanted, with what each is to do.
fn crowds<const N: usize>(all: [(usize, u32); N]) -> impl Iterator<Item = (usize, usize)> {
    let wanted: Option<usize> = std::env::var("WINDLASS_BENCH_CALLERS").ok().and_then(|callers| callers.parse().ok());
    let of_all = all.into_iter().filter(move |(callers, _)| wanted.is_none_or(|wanted| wanted == *callers));
    of_all.map(|(callers, total)| (callers, ((f64::from(total) * scale()) as usize).max(callers * 4)))
}

/// Made once: what is measured is not the caller's own encoding.
static INPUT: LazyLock<String> = LazyLock::new(|| format!("{:?}", "x".repeat(INPUT_BYTES)));

fn spec() -> JobSpec {
    JobSpec::function("noop", INPUT.as_str())
}

async fn engine(scratch: &Scratch, slots: usize) -> Engine {
    let config = EngineConfig { default_slots: slots, ..EngineConfig::default() };
    let builder = Engine::builder(&scratch.0).config(config);
    builder.function("noop", |_context, _input: String| async move { Ok(()) }).open().await.expect("an engine")
}

pub(crate) async fn run(part: &str) {
    match part {
        "submit" => submit().await,
        "bulk" => bulk().await,
        "drain" => drain().await,
        "pipe" => pipe().await,
        _ => idle().await,
    }
}

/// Durable submits, each waited for, by so many callers at once.
async fn submit() {
    println!("\ndurable single submits, queue stopped ({INPUT_BYTES}-byte input)");
    println!(
        "{:>9} {:>10} {:>9} {:>9} {:>11} {:>7} {:>11} {:>7} {:>10} {:>9} {:>9}",
        "in flight",
        "submits/s",
        "p50 us",
        "p99 us",
        "bare log/s",
        "ratio",
        "bare redb/s",
        "ratio",
        "probe/s",
        "syncs/job",
        "bytes/job"
    );
    for (callers, total) in crowds([(1, 4_000), (16, 30_000), (64, 100_000), (256, 200_000), (4_096, 400_000)]) {
        let scratch = Scratch::new("submit");
        let probe = syncs_per_second(&scratch.0);
        let log = floor_rate(Floor::log(&scratch.0), callers, total).await;
        let store = floor_rate(Floor::store(&scratch.0), callers, total).await;
        let engine = engine(&scratch, 0).await;
        let (disk, usage) = (engine.stats().expect("stats").disk, Usage::now());
        let caller = engine.clone();
        let (rate, mut latencies) = many(callers, total, move || {
            let engine = caller.clone();
            async move { assert!(engine.submit(spec()).await.is_ok()) }
        })
        .await;
        let syncs = (engine.stats().expect("stats").disk.syncs - disk.syncs) as f64 / total as f64;
        let bytes = usage.since().2 as f64 / total as f64;
        println!(
            "{callers:>9} {rate:>10.0} {:>9.0} {:>9.0} {log:>11.0} {:>7.2} {store:>11.0} {:>7.2} {probe:>10.0} {syncs:>9.3} {bytes:>9.0}",
            latencies.micros(0.5),
            latencies.micros(0.99),
            rate / log,
            rate / store
        );
        engine.shutdown().await;
    }
}

/// Appends a second of a floor that is filled by so many callers.
async fn floor_rate(floor: Floor, callers: usize, total: usize) -> f64 {
    let (floor, record) = (Arc::new(floor), vec![7_u8; 400]);
    let append = move || {
        let (floor, record) = (floor.clone(), record.clone());
        async move { floor.append(record).await }
    };
    many(callers, total, append).await.0
}

/// `total` calls by `callers` tasks, each waiting for its own; calls a second and their latencies.
async fn many<F, R>(callers: usize, total: usize, call: F) -> (f64, Latencies)
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    let left = Arc::new(AtomicU64::new(total as u64));
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (left, call) = (left.clone(), call.clone());
            tokio::spawn(async move {
                let mut latencies = Latencies::default();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let start = Instant::now();
                    call().await;
                    latencies.add(start.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut all = Latencies::default();
    for task in tasks {
        all.extend(task.await.expect("a caller"));
    }
    (total as f64 / start.elapsed().as_secs_f64(), all)
}

/// Jobs a thousand a call.
async fn bulk() {
    let scratch = Scratch::new("bulk");
    let (probe, engine) = (syncs_per_second(&scratch.0), engine(&scratch, 0).await);
    let calls = ((300.0 * scale()) as usize).max(20);
    let usage = Usage::now();
    for _ in 0..calls {
        engine.submit_many(vec![spec(); 1_000]).await.expect("accepted");
    }
    let (took, cpu, written) = usage.since();
    let jobs = calls as f64 * 1_000.0;
    println!(
        "\nbulk submit, 1,000 a call: {:.0} jobs/s, {:.2} us CPU/job, {:.0} bytes/job (probe {probe:.0}/s)",
        jobs / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / jobs,
        written as f64 / jobs
    );
    engine.shutdown().await;
}

/// A stored backlog through the real executor, history kept.
async fn drain() {
    let scratch = Scratch::new("drain");
    let probe = syncs_per_second(&scratch.0);
    let total = ((300_000.0 * scale()) as usize).max(20_000);
    {
        let engine = engine(&scratch, 0).await;
        for _ in 0..total / 1_000 {
            engine.submit_many(vec![spec(); 1_000]).await.expect("accepted");
        }
        engine.shutdown().await;
    }
    let engine = engine(&scratch, 1_024).await;
    let usage = Usage::now();
    let total = (total / 1_000 * 1_000) as u64;
    while engine.stats().expect("stats").finished < total {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (took, cpu, written) = usage.since();
    println!(
        "\ndrain of {total} no-op functions, 1,024 slots, history kept: {:.0} jobs/s, {:.2} us CPU/job, {:.0} bytes/job (probe {probe:.0}/s)",
        total as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / total as f64,
        written as f64 / total as f64
    );
    engine.shutdown().await;
}

/// From submit to durably done, so many at once.
async fn pipe() {
    println!("\nsubmit -> durably done, no-op function");
    println!(
        "{:>9} {:>10} {:>9} {:>9} {:>10} {:>10}",
        "in flight", "jobs/s", "p50 us", "p99 us", "CPU us/job", "probe/s"
    );
    for (callers, total) in crowds([(1, 2_000), (16, 20_000), (256, 150_000), (4_096, 300_000)]) {
        let scratch = Scratch::new("pipe");
        let (probe, engine) = (syncs_per_second(&scratch.0), engine(&scratch, 1_024).await);
        let usage = Usage::now();
        let caller = engine.clone();
        let (rate, mut latencies) = many(callers, total, move || {
            let engine = caller.clone();
            async move {
                let id = engine.submit(spec()).await.expect("accepted");
                assert_eq!(engine.wait(id).await.expect("an end").state(), State::Succeeded);
            }
        })
        .await;
        let cpu = usage.since().1.as_secs_f64() * 1e6 / total as f64;
        println!(
            "{callers:>9} {rate:>10.0} {:>9.0} {:>9.0} {cpu:>10.1} {probe:>10.0}",
            latencies.micros(0.5),
            latencies.micros(0.99)
        );
        engine.shutdown().await;
    }
}

/// One job now and then: from submit to the acknowledgement, to the start, to the durable end.
async fn idle() {
    let scratch = Scratch::new("idle");
    let probe = syncs_per_second(&scratch.0);
    let started = Arc::new(std::sync::Mutex::new(Instant::now()));
    let engine = {
        let started = started.clone();
        let builder = Engine::builder(&scratch.0);
        builder
            .function("noop", move |_context, _input: String| {
                *started.lock().unwrap() = Instant::now();
                async move { Ok(()) }
            })
            .open()
            .await
            .expect("an engine")
    };
    let (mut acknowledged, mut begun, mut done) = (Latencies::default(), Latencies::default(), Latencies::default());
    let disk = engine.stats().expect("stats").disk;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let start = Instant::now();
        let id = engine.submit(spec()).await.expect("accepted");
        acknowledged.add(start.elapsed());
        engine.wait(id).await.expect("an end");
        done.add(start.elapsed());
        begun.add(started.lock().unwrap().saturating_duration_since(start));
    }
    let syncs = (engine.stats().expect("stats").disk.syncs - disk.syncs) as f64 / 200.0;
    println!("\none job at a time, idle in between (probe {probe:.0}/s, {syncs:.2} syncs/job)");
    for (name, latencies) in [("acknowledged", &mut acknowledged), ("started", &mut begun), ("durably done", &mut done)]
    {
        println!("{name:>14}: p50 {:.0} us, p99 {:.0} us", latencies.micros(0.5), latencies.micros(0.99));
    }
    engine.shutdown().await;
}

//! What schedules cost: many that rest, and many that fire every second; how late their jobs are, beside a bulk of the same
//! jobs in the same run.
//!
//! `cargo bench --bench schedules`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may panic")]

#[path = "core/probe.rs"]
mod probe;

use std::path::Path;
use std::time::{Duration, Instant};

use windlass::job::{CalendarSpec, Filter, JobConfig, Order, ScheduleSpec, Target};
use windlass::{Engine, FunctionError, JobSpec, Plan};

/// As in the `windlass` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RESTING: usize = 100_000;
const FIRING: [usize; 3] = [1_000, 3_000, 5_000];
const SECONDS: u64 = 15;
/// Stored together.
const AT_ONCE: usize = 5_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    println!("the disk, one thread:        {:>9.0} syncs/s", probe::syncs_per_second(dir.path()));
    println!("the same jobs without:       {:>9.0} /s", without(dir.path()).await);
    let engine = open(dir.path()).await;
    let before = resident_mib();
    let start = Instant::now();
    store(&engine, "rest", RESTING, |at| CalendarSpec::cron(format!("{} {} 1 1 *", at % 60, at / 60 % 24))).await;
    println!("{RESTING} schedules stored:    {:>9.0} /s", RESTING as f64 / start.elapsed().as_secs_f64());
    println!("they rest:                   {:>9.1} MiB resident, {:.1} without", resident_mib(), before);
    let busy = cpu();
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("                             {:>9.1} ms of CPU a second", (cpu() - busy).as_secs_f64() * 1_000.0 / 5.0);
    engine.shutdown().await;
    let start = Instant::now();
    let engine = open(dir.path()).await;
    println!("opened:                      {:>9.0} ms, {:.1} MiB", millis(start.elapsed()), resident_mib());
    let mut stored = 0;
    for firing in FIRING {
        store(&engine, "fire", firing - stored, |_| CalendarSpec::cron("@every 1s")).await;
        stored = firing;
        fires(&engine, firing).await;
    }
    engine.shutdown().await;
}

/// Fires for a while: how many came, how late they were accepted, what they cost.
async fn fires(engine: &Engine, firing: usize) {
    // Those that were just stored come into step.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (busy, start) = (cpu(), Instant::now());
    let since = now();
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let (until, took, busy) = (now(), start.elapsed(), cpu() - busy);
    // Those under way come in.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut late = Vec::new();
    let filter = Filter { order: Order::OldestFirst, created_from: Some(since), ..Filter::default() };
    let mut cursor = None;
    loop {
        let page = engine.list(&filter, cursor, 10_000).unwrap();
        for view in &page.jobs {
            let Some(fired) = &view.job.spec.fired else { continue };
            if fired.nominal >= since && fired.nominal < until {
                late.push(view.job.created_at.millis_since(fired.nominal));
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    late.sort_unstable();
    let at = |part: f64| late.get((late.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!("{firing} that fire every second: {:>9.0} fires/s", late.len() as f64 / took.as_secs_f64());
    println!("  late by p50, p99:          {:>9} ms, {} ms", at(0.5), at(0.99));
    println!("  CPU for 10,000:            {:>9.2} s", busy.as_secs_f64() * 10_000.0 / late.len().max(1) as f64);
}

/// The same jobs, submitted in bulk by one caller and run.
async fn without(dir: &Path) -> f64 {
    const JOBS: usize = 50_000;
    let engine = open(&dir.join("without")).await;
    let start = Instant::now();
    let mut last = Vec::new();
    for _ in 0..JOBS / 1_000 {
        last = engine.submit_many(vec![JobSpec::function("nothing", "null"); 1_000]).await.unwrap();
    }
    engine.wait(*last.last().unwrap()).await.unwrap();
    let rate = JOBS as f64 / start.elapsed().as_secs_f64();
    engine.shutdown().await;
    rate
}

async fn open(dir: &Path) -> Engine {
    let config = windlass::EngineConfig { default_slots: 64, ..windlass::EngineConfig::default() };
    let engine = Engine::builder(dir).config(config);
    let engine = engine.function("nothing", |_, (): ()| async { Ok::<_, FunctionError>(()) }).open().await.unwrap();
    let config = JobConfig::new(JobSpec::function("nothing", "null"));
    engine.apply_configs(vec![("nothing".to_owned(), config)], false).await.unwrap();
    engine
}

async fn store(engine: &Engine, name: &str, count: usize, calendar: impl Fn(usize) -> CalendarSpec) {
    let known = engine.schedules("default", None, 1).unwrap().len();
    let tag = format!("{name}-{known}-{}", now().as_millis());
    let all: Vec<usize> = (0..count).collect();
    for numbers in all.chunks(AT_ONCE) {
        let schedule = |at: &usize| {
            let spec = ScheduleSpec::new(calendar(*at), Target::Config("nothing".to_owned()));
            ("default".to_owned(), format!("{tag}-{at}"), spec)
        };
        let schedules = numbers.iter().map(schedule).collect();
        engine.apply_plan(Plan { schedules, ..Plan::default() }, false).await.unwrap();
    }
}

fn now() -> windlass::Timestamp {
    windlass::Clock::system().now()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = [11, 12].iter().map(|at| fields.get(*at).unwrap().parse::<u64>().unwrap()).sum();
    // The kernel counts in hundredths of a second.
    Duration::from_millis(ticks * 10)
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}

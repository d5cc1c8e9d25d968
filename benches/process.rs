//! How fast processes are run: `/bin/true` through the whole engine, beside what the same machine can do at the same time
//! without one.
//!
//! `cargo bench --bench process`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement that fails may panic")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use windlass::{Engine, EngineConfig, JobSpec, State, Supervisor};

const PROGRAM: &str = "/bin/true";
const ONE_AT_A_TIME: usize = 500;
const BACKLOG: usize = 3_000;
const PROBES: usize = 500;

fn main() {
    windlass::supervise_if_asked();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let sync = Times::of(probe_disk(dir.path()));
    let spawn = Times::of(probe_spawn(PROBES));
    let spawn_rate = probe_spawn_rate();
    println!("{:<44}{:>10}{:>10}{:>12}", "", "p50 ms", "p99 ms", "a second");
    row("fdatasync of 4 KiB, one thread", &sync, 1.0 / sync.mean_s());
    row("spawn + wait, one thread", &spawn, 1.0 / spawn.mean_s());
    println!("{:<64}{spawn_rate:>12.0}", "spawn + wait, a thread for each core");
    let times = runtime.block_on(one_at_a_time(&dir.path().join("one")));
    row("submit to durably done, one at a time", &times, 1.0 / times.mean_s());
    println!("{:<44}{:>10.2}", "  over spawn + wait and three syncs", times.p50() / (spawn.p50() + 3.0 * sync.p50()));
    for slots in [4, 16, 64] {
        let rate = runtime.block_on(backlog(&dir.path().join(format!("slots-{slots}")), slots));
        println!("{:<64}{rate:>12.0}", format!("a backlog of {BACKLOG}, {slots} slots"));
        println!("{:<64}{:>12.2}", "  over spawn + wait, a thread for each core", rate / spawn_rate);
    }
}

/// Sorted durations, in seconds.
struct Times(Vec<f64>);

impl Times {
    fn of(times: Vec<Duration>) -> Self {
        let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        Times(seconds)
    }

    fn p50(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    fn p99(&self) -> f64 {
        self.0[self.0.len() * 99 / 100]
    }

    fn mean_s(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }
}

fn row(name: &str, times: &Times, rate: f64) {
    println!("{name:<44}{:>10.2}{:>10.2}{rate:>12.0}", times.p50() * 1e3, times.p99() * 1e3);
}

fn timed(mut work: impl FnMut()) -> Duration {
    let since = Instant::now();
    work();
    since.elapsed()
}

fn probe_disk(dir: &Path) -> Vec<Duration> {
    let mut file = File::create(dir.join("probe")).unwrap();
    let mut append = || {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
    };
    (0..PROBES).map(|_| timed(&mut append)).collect()
}

fn probe_spawn(count: usize) -> Vec<Duration> {
    let spawn = || assert!(Command::new(PROGRAM).status().unwrap().success());
    (0..count).map(|_| timed(spawn)).collect()
}

fn probe_spawn_rate() -> f64 {
    let threads = std::thread::available_parallelism().unwrap().get();
    let all = timed(|| {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| probe_spawn(2 * PROBES));
            }
        });
    });
    (threads * 2 * PROBES) as f64 / all.as_secs_f64()
}

async fn open(dir: &Path, slots: usize) -> Engine {
    let config = EngineConfig { default_slots: slots, ..EngineConfig::default() };
    Engine::builder(dir).config(config).process(Supervisor::current_exe()).open().await.unwrap()
}

fn job() -> JobSpec {
    JobSpec::process(PROGRAM, Vec::<String>::new())
}

async fn one_at_a_time(dir: &Path) -> Times {
    let engine = open(dir, 4).await;
    let mut times = Vec::new();
    for _ in 0..ONE_AT_A_TIME {
        let since = Instant::now();
        let id = engine.submit(job()).await.unwrap();
        let over = engine.wait(id).await.unwrap();
        times.push(since.elapsed());
        assert_eq!(over.state(), State::Succeeded);
    }
    engine.shutdown().await;
    Times::of(times)
}

/// Jobs a second, from the acceptance of the first to the durable end of the last.
async fn backlog(dir: &Path, slots: usize) -> f64 {
    let engine = open(dir, slots).await;
    let since = Instant::now();
    let ids = engine.submit_many((0..BACKLOG).map(|_| job()).collect()).await.unwrap();
    for id in ids {
        assert_eq!(engine.wait(id).await.unwrap().state(), State::Succeeded);
    }
    let rate = BACKLOG as f64 / since.elapsed().as_secs_f64();
    engine.shutdown().await;
    rate
}

//! What it costs to run containers as jobs: the `docker` executor beside the plain API of the same Docker Engine, making,
//! starting, awaiting and removing the same containers; what it asks the Docker Engine for a job; and what it holds and asks
//! while many containers run.
//!
//! `cargo bench --bench docker [NAME…]` runs all parts or those named: trail, lone, flight, watch. As root, with what
//! `tests/support/backends/install` installs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that fails may panic"
)]

mod counter;
mod measure;
mod plain;
#[path = "../core/probe.rs"]
mod probe;
mod stage;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use counter::Call;
use measure::{Pair, Times, load, millis, resident_mib};
use stage::{Files, Stage};
use tokio::runtime::Handle;
use windlass_backends::{Docker, Setup};

/// As in the `windlass` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The sides take turns, so that all have the same neighbours.
const ROUNDS: usize = 4;
/// Containers of each side in a round, one after another.
const LONE: usize = 12;
/// The same with some at once.
const FLIGHT: usize = 40;
const AT_ONCE: usize = 8;
/// Containers that run while nothing happens, how long until logs that say nothing are left alone as long as they ever are,
/// and how long it is looked at.
const RUNNING: usize = 200;
const SETTLE: Duration = Duration::from_secs(90);
const WATCH: Duration = Duration::from_secs(30);

fn main() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let stage = runtime.block_on(Stage::new(&docker));
    let syncs = probe::syncs_per_second(stage.dir.path());
    println!("{syncs:.0} fdatasyncs of 4 KiB a second; load of the machine {}", load());
    if wants("trail") {
        runtime.block_on(trail(&stage));
    }
    if wants("lone") {
        runtime.block_on(lone(&stage));
    }
    if wants("flight") {
        flight(&stage, runtime.handle());
    }
    if wants("watch") {
        runtime.block_on(watch(&stage));
    }
    println!("load of the machine {}", load());
    runtime.block_on(stage.engine.shutdown());
}

/// The four sides: the API and jobs, both without files and then both with them.
const SIDES: [&str; 4] = ["plain", "windlass", "plain with files", "windlass with files"];

/// Everything that is asked for one container and when, on each side.
async fn trail(stage: &Stage) {
    for side in SIDES {
        stage.counter.take();
        let begun = Instant::now();
        let pair = one(stage, side).await;
        println!("{side}: done after {:.1} ms, removed after {:.1} ms", millis(pair.done), millis(pair.removed));
        for call in stage.counter.take() {
            let since = call.begun.saturating_duration_since(begun);
            println!("  at {:>7.1} ms, {:>7.1} ms: {}", millis(since), millis(call.took), call.kind);
        }
    }
}

async fn one(stage: &Stage, side: &str) -> Pair {
    match side {
        "plain" => stage.plain(Files::None),
        "windlass" => stage.job(Files::None).await,
        "plain with files" => stage.plain(Files::Moved),
        _ => stage.job(Files::Moved).await,
    }
}

async fn lone(stage: &Stage) {
    let mut sides = Sides::default();
    for _ in 0..ROUNDS {
        let mut round: [Times; 4] = Default::default();
        for _ in 0..LONE {
            for (number, side) in SIDES.iter().enumerate() {
                round[number].add(one(stage, side).await);
                sides.calls[number].extend(stage.counter.take());
            }
        }
        sides.add("one at a time", round);
    }
    sides.summary("one at a time");
}

fn flight(stage: &Stage, runtime: &Handle) {
    let mut sides = Sides::default();
    let what = format!("{AT_ONCE} at once");
    for _ in 0..ROUNDS {
        let mut round: [Times; 4] = Default::default();
        for (number, side) in SIDES.iter().enumerate() {
            round[number] = match *side {
                "plain" => stage.plain_at_once(FLIGHT, AT_ONCE, Files::None),
                "windlass" => stage.jobs_at_once(runtime, FLIGHT, AT_ONCE, Files::None),
                "plain with files" => stage.plain_at_once(FLIGHT, AT_ONCE, Files::Moved),
                _ => stage.jobs_at_once(runtime, FLIGHT, AT_ONCE, Files::Moved),
            };
            sides.calls[number].extend(stage.counter.take());
        }
        sides.add(&what, round);
    }
    sides.summary(&what);
}

/// All rounds of all sides.
#[derive(Default)]
struct Sides {
    rounds: Vec<[Times; 4]>,
    calls: [Vec<Call>; 4],
}

impl Sides {
    fn add(&mut self, what: &str, round: [Times; 4]) {
        println!("{what}: {}", Times::compared(&round.each_ref()));
        self.rounds.push(round);
    }

    fn summary(&self, what: &str) {
        let mut all: [Times; 4] = Default::default();
        for (number, times) in all.iter_mut().enumerate() {
            self.rounds.iter().for_each(|round| times.extend(&round[number]));
        }
        println!("{what}, all rounds: {}", Times::compared(&all.each_ref()));
        let quickest = |number: usize| {
            let rounds = self.rounds.iter().map(|round| &round[number]);
            rounds.min_by(|one, other| one.removed_p50().total_cmp(&other.removed_p50())).unwrap()
        };
        println!("{what}, the quickest round of each: {}", Times::compared(&[0, 1, 2, 3].map(quickest)));
        for ((side, calls), times) in SIDES.iter().zip(&self.calls).zip(&all) {
            let count = times.count() as f64;
            println!("  {side}: {:.2} calls a container", calls.len() as f64 / count);
            for (kind, (calls, took)) in by_kind(calls) {
                let mean = millis(took) / f64::from(calls);
                println!("    {:>6.2} x {mean:>7.1} ms  {kind}", f64::from(calls) / count);
            }
        }
    }
}

fn by_kind(calls: &[Call]) -> BTreeMap<&str, (u32, Duration)> {
    let mut kinds: BTreeMap<&str, (u32, Duration)> = BTreeMap::new();
    for call in calls {
        let (count, took) = kinds.entry(&call.kind).or_default();
        (*count, *took) = (*count + 1, *took + call.took);
    }
    kinds
}

async fn watch(stage: &Stage) {
    println!("no container runs: {:.1} MiB resident", resident_mib());
    let since = Instant::now();
    let ids = stage.start_sleeping(RUNNING).await;
    println!("{RUNNING} containers run after {:.0} s: {:.1} MiB", since.elapsed().as_secs_f64(), resident_mib());
    for settled in [Duration::ZERO, SETTLE] {
        tokio::time::sleep(settled).await;
        stage.counter.take();
        let cpu = measure::cpu();
        tokio::time::sleep(WATCH).await;
        let (calls, seconds) = (stage.counter.take(), WATCH.as_secs_f64());
        let used = millis(measure::cpu() - cpu) / seconds;
        let rate = calls.len() as f64 / seconds;
        println!(
            "  {} s later: {:.1} MiB, {rate:.1} calls and {used:.1} ms of CPU a second",
            settled.as_secs(),
            resident_mib()
        );
        for (kind, (calls, took)) in by_kind(&calls) {
            let mean = millis(took) / f64::from(calls);
            println!("    {:>6.2} a second x {mean:>7.1} ms  {kind}", f64::from(calls) / seconds);
        }
    }
    let since = Instant::now();
    stage.cancel(&ids).await;
    println!("cancelled and removed after {:.0} s: {:.1} MiB", since.elapsed().as_secs_f64(), resident_mib());
}

//! Opening a large store: time until it is ready and memory after it, clean and after kill -9.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use windlass::job::{Filter, JobSpec, State};
use windlass::{Engine, EngineConfig};

use crate::Scratch;
use crate::measure::{Latencies, rss_mib};
use crate::probe::syncs_per_second;

const ROLE: &str = "WINDLASS_BENCH_OPEN_ROLE";
const DIR: &str = "WINDLASS_BENCH_OPEN_DIR";

pub(crate) fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

fn jobs() -> u64 {
    std::env::var("WINDLASS_BENCH_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1_000_000)
}

/// One life of an engine in a process of its own: it does what its role says, tells, and waits to be killed
/// or, at the end of its input, closes.
pub(crate) fn child() {
    let role = std::env::var(ROLE).expect("a role");
    let dir = PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let start = Instant::now();
        let slots = if role == "finish" { 1_024 } else { 0 };
        let config = EngineConfig { default_slots: slots, ..EngineConfig::default() };
        let builder = Engine::builder(dir).config(config);
        let engine = builder.function("noop", |_context, _input: String| async { Ok(()) }).open().await.expect("open");
        let open_ms = start.elapsed().as_secs_f64() * 1e3;
        match role.as_str() {
            "fill" => fill(&engine).await,
            "finish" => finish(&engine).await,
            _ => {}
        }
        let page_us = list_page(&engine);
        println!("{open_ms} {} {page_us}", rss_mib());
        std::io::stdout().flush().expect("told");
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
        engine.shutdown().await;
    });
}

async fn fill(engine: &Engine) {
    let spec = JobSpec::function("noop", format!("{:?}", "x".repeat(330)));
    for _ in 0..jobs() / 1_000 {
        engine.submit_many(vec![spec.clone(); 1_000]).await.expect("accepted");
    }
}

async fn finish(engine: &Engine) {
    while engine.stats().expect("stats").live.iter().sum::<u64>() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// p99 of pages of 50 jobs, of three kinds.
fn list_page(engine: &Engine) -> f64 {
    let mut latencies = Latencies::default();
    for states in [vec![], vec![State::Succeeded], vec![State::Failed]] {
        let filter = Filter { states, ..Filter::default() };
        for _ in 0..100 {
            let start = Instant::now();
            engine.list(&filter, None, 50).expect("a page");
            latencies.add(start.elapsed());
        }
    }
    latencies.micros(0.99)
}

struct Life {
    child: Child,
    open_ms: f64,
    rss_mib: f64,
    page_us: f64,
}

fn live(role: &str, dir: &Path) -> Life {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(ROLE, role).env(DIR, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a child");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let mut figures = line.split_whitespace().filter_map(|figure| figure.parse().ok());
    let mut next = || figures.next().expect("a figure");
    let (open_ms, rss_mib, page_us) = (next(), next(), next());
    Life { child, open_ms, rss_mib, page_us }
}

impl Life {
    fn close(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("an end");
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("an end");
    }
}

pub(crate) fn run() {
    let scratch = Scratch::new("open");
    let (store, jobs) = (scratch.0.join("store"), jobs());
    println!("\nopening {jobs} jobs (probe {:.0}/s)", syncs_per_second(&scratch.0));
    println!("{:>36} {:>9} {:>9} {:>13}", "", "open ms", "RSS MiB", "list p99 us");
    let show = |name: &str, life: &Life| {
        println!("{name:>36} {:>9.1} {:>9.1} {:>13.0}", life.open_ms, life.rss_mib, life.page_us);
    };
    let empty = live("look", &store);
    show("empty", &empty);
    empty.close();
    live("fill", &store).close();
    let clean = live("look", &store);
    show("queued, after a clean close", &clean);
    clean.kill();
    let idle_kill = live("look", &store);
    show("queued, after kill -9 when idle", &idle_kill);
    idle_kill.close();
    // Killed right after the last group, before the seal that follows a quiet moment.
    let busy = live("fill", &store);
    busy.kill();
    let busy_kill = live("look", &store);
    show("twice as many, after kill -9 when busy", &busy_kill);
    busy_kill.close();
    live("finish", &store).close();
    let finished = live("look", &store);
    show("all finished, after a clean close", &finished);
    finished.kill();
    let killed = live("look", &store);
    show("all finished, after kill -9", &killed);
    killed.close();
    let bytes = std::fs::metadata(store.join("store.redb")).map_or(0, |meta| meta.len());
    println!("{:>36} {:.0} bytes of file a job", "", bytes as f64 / (2 * jobs) as f64);
}

//! How fast WebAssembly programs are run: one that does nothing through the whole engine, durable from end to end, beside
//! the same in-process call without a sandbox and the same chore as a process.
//!
//! `cargo bench --bench wasm`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may panic")]

#[path = "core/probe.rs"]
mod probe;

use std::path::Path;
use std::time::{Duration, Instant};

use windlass::plugin::wasm::WasmTask;
use windlass::{Engine, EngineConfig, JobSpec, Supervisor};

/// As in the `windlass` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
const JOBS: usize = 30_000;
const PROCESSES: usize = 2_000;
const ONE_AT_A_TIME: usize = 300;

fn main() {
    windlass::supervise_if_asked();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    println!("the disk, one thread:     {:>9.0} syncs/s", probe::syncs_per_second(dir.path()));
    let program = dir.path().join("nothing.wasm");
    std::fs::write(&program, wat::parse_str(PROGRAM).unwrap()).unwrap();
    let wasm: JobSpec = WasmTask::new(&program).into();

    let engine = open(&dir.path().join("one"), 4).await;
    let start = Instant::now();
    finish(&engine, std::slice::from_ref(&wasm)).await;
    println!("first use, compiled:      {:>9.2} ms", millis(start.elapsed()));
    let mut times = Vec::new();
    for _ in 0..ONE_AT_A_TIME {
        let start = Instant::now();
        finish(&engine, std::slice::from_ref(&wasm)).await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("one at a time, p50:       {:>9.2} ms", millis(times.get(times.len() / 2).copied().unwrap_or_default()));
    engine.shutdown().await;

    let sandboxed = backlog(&dir.path().join("wasm"), &wasm, JOBS).await;
    let function = backlog(&dir.path().join("function"), &JobSpec::function("nothing", "null"), JOBS).await;
    let process = backlog(&dir.path().join("process"), &JobSpec::process("/bin/true", [""; 0]), PROCESSES).await;
    let bare = bare_loop(&program);
    println!("a backlog of programs:    {sandboxed:>9.0} /s");
    println!("the same as functions:    {function:>9.0} /s, {:.2} of that", sandboxed / function);
    println!("instances, no engine:     {bare:>9.0} /s, {:.2} of that", sandboxed / bare);
    println!("the same as processes:    {process:>9.0} /s, {:.1} times that", sandboxed / process);
}

/// Instances of the program made, run and dropped in a second by one thread, with WASI and nothing of the engine.
fn bare_loop(program: &Path) -> f64 {
    use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::new()));
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let module = wasmtime::Module::from_file(&engine, program).unwrap();
    let mut linker = wasmtime::Linker::new(&engine);
    wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |wasi| wasi).unwrap();
    let ready = linker.instantiate_pre(&module).unwrap();
    let start = Instant::now();
    for _ in 0..JOBS {
        let mut store = wasmtime::Store::new(&engine, wasmtime_wasi::WasiCtxBuilder::new().build_p1());
        store.set_epoch_deadline(1);
        let instance = ready.instantiate(&mut store).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap().call(&mut store, ()).unwrap();
    }
    JOBS as f64 / start.elapsed().as_secs_f64()
}

async fn open(dir: &Path, slots: usize) -> Engine {
    let config = EngineConfig { default_slots: slots, ..EngineConfig::default() };
    let builder = Engine::builder(dir).config(config).wasm().process(Supervisor::current_exe());
    builder.function("nothing", |_context, (): ()| async move { Ok(()) }).open().await.unwrap()
}

async fn finish(engine: &Engine, specs: &[JobSpec]) {
    for id in engine.submit_many(specs.to_vec()).await.unwrap() {
        engine.wait(id).await.unwrap();
    }
}

/// Jobs of a stored backlog that end in a second.
async fn backlog(dir: &Path, spec: &JobSpec, jobs: usize) -> f64 {
    let engine = open(dir, 0).await;
    for _ in 0..jobs / 1_000 {
        engine.submit_many(vec![spec.clone(); 1_000]).await.unwrap();
    }
    engine.shutdown().await;
    drop(engine);
    let engine = open(dir, 128).await;
    let start = Instant::now();
    while engine.stats().unwrap().finished < jobs as u64 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let rate = jobs as f64 / start.elapsed().as_secs_f64();
    engine.shutdown().await;
    rate
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

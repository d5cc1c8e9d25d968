//! The engine of WebAssembly: how code is compiled and guests are confined, and the threads that guests run on.

use std::sync::{Arc, OnceLock};

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use wasmtime::component::Linker as ComponentLinker;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, Linker, Memory as LinearMemory, MemoryType, PoolingAllocationConfig,
    Store,
};

use super::guest::{Budget, Guest};
use super::places::Places;
use super::ticker::Ticker;
use crate::config::WasmConfig;

/// How deep a guest may call.
const GUEST_STACK: usize = 1 << 20;
/// The stack that a guest and what it calls in the host run on.
const FIBER_STACK: usize = 2 << 20;

/// Parts of one component; one with more is no program that was compiled for this.
const CORE_INSTANCES: u32 = 16;

/// Address space of one memory where it is scarce; accesses beyond are checked one by one.
const SMALL_RESERVATION: u64 = 1 << 20;
const SMALL_GUARD: u64 = 64 << 10;

/// What all guests share.
pub(super) struct Sandbox {
    pub(super) engine: Engine,
    pub(super) components: ComponentLinker<Guest>,
    pub(super) modules: Linker<Guest>,
    /// What plugins are given; jobs get nothing of it.
    pub(super) plugins: ComponentLinker<Guest>,
    pub(super) ticker: Ticker,
    pub(super) instances: Arc<Semaphore>,
    pub(super) budget: Arc<Budget>,
    /// Places and memory of plugins: jobs that fill theirs keep no plugin waiting.
    pub(super) calls: Places,
    pub(super) call_budget: Arc<Budget>,
    threads: OnceLock<Runtime>,
}

impl Sandbox {
    /// # Errors
    /// When this machine cannot run WebAssembly.
    pub(super) fn new(config: &WasmConfig) -> wasmtime::Result<Sandbox> {
        let engine = engine(config)?;
        let mut components = ComponentLinker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut components)?;
        let mut modules = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut modules, |guest: &mut Guest| &mut guest.wasi)?;
        let mut plugins = ComponentLinker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut plugins)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut plugins)?;
        super::host::add_to_linker(&mut plugins)?;
        super::net::add_to_linker(&mut plugins)?;
        super::sql::add_to_linker(&mut plugins)?;
        super::written::add_to_linker(&mut plugins)?;
        Ok(Sandbox {
            ticker: Ticker::start(&engine)?,
            engine,
            components,
            modules,
            plugins,
            instances: Arc::new(Semaphore::new(config.instances.max(1) as usize)),
            budget: Budget::new(config.all_memory_bytes),
            calls: Places::new(config.calls.max(2)),
            call_budget: Budget::new(config.all_call_memory_bytes),
            threads: OnceLock::new(),
        })
    }

    /// The threads of guests, started when the first of them comes.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn threads(&self) -> std::io::Result<&Runtime> {
        if let Some(threads) = self.threads.get() {
            return Ok(threads);
        }
        let threads = tokio::runtime::Builder::new_multi_thread().thread_name("windlass-wasm").enable_all().build()?;
        if let Err(second) = self.threads.set(threads) {
            second.shutdown_background();
        }
        self.threads.get().ok_or_else(|| std::io::Error::other("the threads of guests are gone"))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// An engine that gives guests memory from a pool (a third of the cost of an instance), or where there is not enough
/// address space for that one by one, or where there is little of it from small reservations.
fn engine(config: &WasmConfig) -> wasmtime::Result<Engine> {
    let mut pooled = common();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    let mut small = common();
    small
        .memory_reservation(SMALL_RESERVATION)
        .memory_guard_size(SMALL_GUARD)
        .memory_reservation_for_growth(SMALL_GUARD);
    let mut last = None;
    for config in [pooled, common(), small] {
        match Engine::new(&config).and_then(probed) {
            Ok(engine) => return Ok(engine),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| wasmtime::Error::msg("no way to give guests memory")))
}

fn common() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(GUEST_STACK).async_stack_size(FIBER_STACK);
    config
}

fn pool(config: &WasmConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // A component is some core instances: the program and the adapters around it.
    let instances = config.instances.max(1).saturating_add(config.calls.max(2));
    let core = instances.saturating_mul(CORE_INSTANCES);
    pool.max_core_instances_per_component(CORE_INSTANCES).max_memories_per_component(2);
    pool.max_tables_per_component(CORE_INSTANCES);
    pool.total_component_instances(instances).total_core_instances(core);
    pool.total_memories(instances.saturating_mul(2)).total_tables(core).total_stacks(instances);
    pool.table_elements(1 << 16).max_memories_per_module(1).max_memory_size(4 << 30);
    pool.linear_memory_keep_resident(64 << 10).table_keep_resident(0);
    pool
}

/// An engine is made without taking what a guest needs; one memory shows whether there is any.
fn probed(engine: Engine) -> wasmtime::Result<Engine> {
    let mut store = Store::new(&engine, ());
    LinearMemory::new(&mut store, MemoryType::new(1, None))?;
    Ok(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_address_space_is_scarce_guests_still_get_memory() {
        let plenty = WasmConfig { instances: u32::MAX / 8, ..WasmConfig::default() };
        let mut impossible = common();
        impossible.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(&plenty)));
        assert!(Engine::new(&impossible).is_err(), "a pool of half a billion guests fits nowhere");
        assert!(engine(&plenty).is_ok());
    }
}

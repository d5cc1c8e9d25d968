//! WebAssembly: jobs that are `wasi:cli` programs, and plugins that are components. The only module that names wasmtime.
//!
//! *Architecture invariant:* one engine, one state type of a guest, a fresh instance for every run and every call. Guests run on threads
//! of their own, so that one that computes all day takes time from other guests, not from the engine's loops; only a call that
//! is known to be short begins where its caller is. What a guest does (a trap, a limit, a flood) is the outcome of its
//! attempt and nothing else.

mod bindings;
mod call;
mod code;
mod command;
mod convert;
mod cut;
mod executor;
mod executor_world;
mod fetcher_world;
mod guest;
mod host;
mod http;
mod log;
mod machine;
mod net;
mod places;
mod plugin;
mod sandbox;
mod scratch;
mod sink;
mod sink_world;
mod sql;
mod start;
mod task;
mod ticker;
mod work;
mod world;
mod written;

pub(crate) use bindings::ExecutorPlugin as ExecutorWorld;
pub(crate) use bindings::transfer::{fetcher::Fetcher as FetcherWorld, sink::Sink as SinkWorld};
pub(crate) use cut::{Cut, Side};
pub(crate) use executor::{WasmExecutor, WasmSetting};
pub(crate) use http::{Endpoints, Granted};
pub(crate) use machine::Machine;
pub(crate) use net::Connections;
pub(crate) use plugin::{WasmPlugin, WasmPluginSetting};
pub(crate) use task::EXECUTOR;
pub use task::WasmTask;
#[cfg(feature = "cli")]
pub(crate) use task::{command_line, resolve_module};
pub(crate) use world::World;

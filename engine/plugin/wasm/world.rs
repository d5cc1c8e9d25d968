//! The worlds of the contract: what a component of each kind is as a program, and what all of them answer.

use wasmtime::Store;

use super::bindings::ExecutorPlugin as ExecutorWorld;
use super::bindings::transfer::fetcher::Fetcher as FetcherWorld;
use super::bindings::transfer::sink::Sink as SinkWorld;
use super::bindings::windlass::plugin::types::{Descriptor, Error, Problem};
use super::code::Program;
use super::guest::Guest;
use super::plugin::WasmPlugin;
use crate::executors::BoxFuture;
use crate::plugin::PluginKind;
use crate::plugin::contract::{ExecutorPlugin, FetcherPlugin, Plugin, SinkPlugin};

/// An answer of a component.
type Called<'a, T> = BoxFuture<'a, wasmtime::Result<T>>;

/// An instance of a world.
pub(crate) trait World: Send + Sync + Sized + 'static {
    /// What it exports.
    type Exports: Send + Sync;
    /// What it is to the engine.
    type Plugin: Plugin + ?Sized;
    const KIND: PluginKind;

    fn share(plugin: WasmPlugin<Self>) -> std::sync::Arc<Self::Plugin>;
    fn instantiate<'a>(program: &'a Program, store: &'a mut Store<Guest>) -> Called<'a, Self>;
    fn exports(&self) -> &Self::Exports;
    fn describe<'a>(exports: &'a Self::Exports, store: &'a mut Store<Guest>) -> Called<'a, Descriptor>;
    fn check<'a>(exports: &'a Self::Exports, store: &'a mut Store<Guest>) -> Called<'a, Result<(), Error>>;
    fn validate<'a>(
        exports: &'a Self::Exports,
        store: &'a mut Store<Guest>,
        options: String,
    ) -> Called<'a, Vec<Problem>>;
}

/// The three worlds differ in names only.
macro_rules! world {
    ($world:ty, $plugin:ident, $kind:ident, $exports:ty, $interface:ident) => {
        impl World for $world {
            type Exports = $exports;
            type Plugin = dyn $plugin;
            const KIND: PluginKind = PluginKind::$kind;

            fn share(plugin: WasmPlugin<$world>) -> std::sync::Arc<dyn $plugin> {
                std::sync::Arc::new(plugin)
            }

            fn instantiate<'a>(program: &'a Program, store: &'a mut Store<Guest>) -> Called<'a, $world> {
                Box::pin(async move {
                    match program {
                        Program::$kind(program) => program.instantiate_async(store).await,
                        _ => Err(wasmtime::Error::msg(concat!("it is no ", stringify!($kind)))),
                    }
                })
            }

            fn exports(&self) -> &$exports {
                self.$interface()
            }

            fn describe<'a>(exports: &'a $exports, store: &'a mut Store<Guest>) -> Called<'a, Descriptor> {
                Box::pin(exports.call_describe(store))
            }

            fn check<'a>(exports: &'a $exports, store: &'a mut Store<Guest>) -> Called<'a, Result<(), Error>> {
                Box::pin(exports.call_check(store))
            }

            fn validate<'a>(
                exports: &'a $exports,
                store: &'a mut Store<Guest>,
                options: String,
            ) -> Called<'a, Vec<Problem>> {
                Box::pin(async move { exports.call_validate(store, &options).await })
            }
        }
    };
}

world!(
    ExecutorWorld,
    ExecutorPlugin,
    Executor,
    super::bindings::exports::windlass::plugin::executor::Guest,
    windlass_plugin_executor
);
world!(
    FetcherWorld,
    FetcherPlugin,
    Fetcher,
    super::bindings::transfer::fetcher::exports::windlass::plugin::fetcher::Guest,
    windlass_plugin_fetcher
);
world!(
    SinkWorld,
    SinkPlugin,
    Sink,
    super::bindings::transfer::sink::exports::windlass::plugin::sink::Guest,
    windlass_plugin_sink
);

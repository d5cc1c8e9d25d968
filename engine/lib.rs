#![doc = include_str!("../README.md")]

#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod config;
mod engine;
pub mod error;
pub mod executors;
pub mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod job;
#[cfg(feature = "plugin")]
pub mod plugin;
mod runtime;
pub mod secret;
pub mod store;
pub mod testing;

pub use clock::Clock;
#[cfg(feature = "native")]
pub use config::NativeConfig;
#[cfg(feature = "wasm")]
pub use config::WasmConfig;
pub use config::{EngineConfig, KeepWork, PlatformConfig, Retention};
#[cfg(feature = "plugin")]
pub use config::{PluginBounds, PluginLimits};
pub use engine::{
    Applied, Backfill, Builder, ChainView, Change, ConfigView, Engine, EngineStats, ItemPage, ItemView, JobPage,
    JobView, KeyRotation, Missed, Missing, NodeView, OutputCursor, OutputPage, OutputTypeView, OutputView,
    PipelineView, Plan, Prune, RunPage, RunView, ScheduleView, Subscription, supervise_if_asked,
};
pub use error::{Error, Problem};
pub use executors::function::{Function, FunctionContext, FunctionError, Progress};
pub use executors::process::Supervisor;
pub use files::{FileLimits, FilePage, FileView};
pub use job::config::ChainElement;
pub use job::{JobId, JobSpec, OutputId, OutputType, RunOptions, State, Timestamp};
pub use store::DocumentKind;

//! Windlass: a durable job engine.

#[doc(hidden)]
pub mod executors;
#[doc(hidden)]
pub mod files;

pub use executors::process::supervise_if_asked;

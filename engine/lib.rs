#![doc = include_str!("../README.md")]

#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod error;
#[doc(hidden)]
pub mod executors;
#[doc(hidden)]
pub mod files;
pub mod job;
pub mod secret;
mod store;

pub use executors::process::supervise_if_asked;

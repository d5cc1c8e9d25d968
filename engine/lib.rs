#![doc = include_str!("../README.md")]

#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;

pub mod executors;

pub mod files;
pub mod job;
pub mod secret;
pub mod store;

pub use executors::process::supervise_if_asked;

#![doc = include_str!("../README.md")]

pub mod clock;
pub mod error;
pub mod job;
#[cfg(feature = "cli")]
pub mod cli;

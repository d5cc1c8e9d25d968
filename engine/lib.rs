#![doc = include_str!("../README.md")]

pub mod clock;
pub mod error;
pub mod job;
pub mod secret;
mod store;

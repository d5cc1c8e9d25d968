//! The built-in executors.

pub mod process;

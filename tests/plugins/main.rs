//! What runs in a sandbox, as real WebAssembly that the toolchain of this repository makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod conformance;
mod executors;
mod hostile;
#[cfg(feature = "cli")]
mod kill;
mod programs;
mod shelf;
mod shell;
mod siege;
mod stage;
mod transfers;
mod wasm_jobs;

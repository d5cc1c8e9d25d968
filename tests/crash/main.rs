//! The hard promises: what was acknowledged survives power cuts at every write, failing disks and `kill -9`.
//!
//! `WINDLASS_CRASH_IMAGES` and `WINDLASS_KILL_CYCLES` raise how many cuts and kills there are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod acts;
mod drain;
mod faults;
mod fires;
mod items;
mod kill;
mod power;
mod promises;
mod refusals;
mod stage;
mod stories;
mod world;

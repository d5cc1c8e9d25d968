//! Native plugins: shared libraries that are compiled here, called as the engine calls them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod command;
mod contract;
mod failures;
mod journeys;
mod loading;
mod rig;
mod rust;

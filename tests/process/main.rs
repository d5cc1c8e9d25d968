//! Jobs as processes, with the real supervisor: how they end, what they say, what they may use, and that they outlive
//! whoever launched them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod exits;
mod limits;
mod output;
mod reuse;
mod rig;
mod stops;
mod survival;

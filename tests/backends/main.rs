//! Real platforms: a Docker Engine and an image registry that are started here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod lab;
mod siege;

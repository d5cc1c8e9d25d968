//! Real platforms: a Docker Engine, an image registry and an S3 store that are started here, and what runs on them; JDBC
//! drivers in a JVM.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod docker;
mod jvm;
mod lab;
mod s3;
mod siege;

//! Endpoints against real servers on loopback: plain, Unix, TLS with certificates made here, HTTP/2.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and its rig with it"
)]

mod auth;
mod aws;
mod bodies;
mod connections;
mod limits;
mod lines;
mod mistakes;
mod names;
mod realms;
mod registry;
mod server;
mod stage;
mod tls;
mod tokens;

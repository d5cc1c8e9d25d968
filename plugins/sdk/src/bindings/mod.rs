//! The contract in Rust, as `wit-bindgen` makes it from `wit/`; `tests/bindings.rs` keeps it so.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::panic,
    clippy::unwrap_used,
    reason = "generated code"
)]

#[rustfmt::skip]
pub mod executor;
#[rustfmt::skip]
pub mod fetcher;
#[rustfmt::skip]
pub mod imports;
#[rustfmt::skip]
pub mod sink;

pub(crate) use executor::exports::windlass::plugin::executor as exports_of_executor;
pub(crate) use fetcher::exports::windlass::plugin::fetcher as exports_of_fetcher;
pub(crate) use fetcher::windlass::plugin::sql;
pub(crate) use imports::windlass::plugin::types;
pub(crate) use sink::exports::windlass::plugin::sink as exports_of_sink;

//! Work that is not part of this program and runs in a sandbox.

pub mod endpoint;
#[cfg(feature = "wasm")]
pub mod wasm;

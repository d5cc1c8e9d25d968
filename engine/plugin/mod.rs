//! Work that is not part of this program and runs in a sandbox.

mod contract;
pub mod wasm;

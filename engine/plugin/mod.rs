//! Work that is not part of this program and runs in a sandbox.

pub mod wasm;

//! Work that is not part of this program: plugins that run jobs, and programs in a sandbox.

pub mod contract;
#[cfg(feature = "native")]
pub mod native;
#[cfg(feature = "wasm")]
pub mod wasm;

//! Work that is not part of this program and runs in a sandbox.

#[cfg(feature = "wasm")]
mod component;
mod contract;
pub mod endpoint;
mod fields;
mod grants;
mod limits;
mod manifest;
mod rights;
#[cfg(feature = "wasm")]
pub mod wasm;

#[cfg(feature = "wasm")]
pub use component::{ComponentError, ComponentInfo, Interface, read_component};
pub use grants::{Grants, PluginConfig, parse_config};
pub use limits::SomeLimits;
pub use manifest::{EndpointRequest, Manifest, PluginKind, WorkAccess, parse_manifest};
pub use rights::{Difference, EndpointRight, PluginRights};

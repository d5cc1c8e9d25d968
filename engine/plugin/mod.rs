//! Work that is not part of this program and runs in a sandbox.

#[cfg(feature = "wasm")]
mod candidate;
#[cfg(feature = "wasm")]
mod component;
mod contract;
#[cfg(feature = "wasm")]
mod embedded;
pub mod endpoint;
mod fields;
mod grants;
mod limits;
mod manifest;
#[cfg(feature = "wasm")]
mod registered;
#[cfg(feature = "wasm")]
mod registry;
mod rights;
#[cfg(feature = "wasm")]
pub mod wasm;

#[cfg(feature = "wasm")]
pub use candidate::{Candidate, Refusal};
#[cfg(feature = "wasm")]
pub use component::{ComponentError, ComponentInfo, Interface, read_component};
#[cfg(feature = "wasm")]
pub use embedded::{EMBEDDED, Embedded};
pub use grants::{Grants, PluginConfig, parse_config};
pub use limits::SomeLimits;
pub use manifest::{EndpointRequest, Manifest, PluginKind, WorkAccess, parse_manifest};
#[cfg(feature = "wasm")]
pub use registry::{Addition, Changes, Found, Origin, Plugin, Registry};
pub use rights::{Difference, EndpointRight, PluginRights};

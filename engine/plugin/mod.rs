//! Work that is not part of this program and runs in a sandbox.

mod component;
mod contract;
mod fields;
mod limits;
mod manifest;
mod pattern;
pub mod wasm;

pub use component::{ComponentError, ComponentInfo, Interface, read_component};
pub use limits::SomeLimits;
pub use manifest::{EndpointRequest, Manifest, PluginKind, WorkAccess, parse_manifest};
pub use pattern::PathPattern;

//! Work that is not part of this program: plugins that run jobs, and programs in a sandbox.

#[cfg(feature = "component")]
mod archive;
#[cfg(feature = "component")]
mod candidate;
#[cfg(any(feature = "native", feature = "wasm"))]
mod child;
#[cfg(feature = "component")]
mod claims;
#[cfg(feature = "component")]
mod component;
#[cfg(feature = "wasm")]
pub mod conformance;
pub mod contract;
#[cfg(feature = "wasm")]
mod embedded;
pub mod endpoint;
mod fields;
#[cfg(feature = "wasm")]
mod fleet;
#[cfg(all(fuzzing, feature = "component"))]
mod fuzz;
mod grants;
mod limits;
#[cfg(feature = "wasm")]
mod load;
mod manifest;
#[cfg(feature = "native")]
pub mod native;
mod platform;
#[cfg(feature = "wasm")]
mod registered;
#[cfg(feature = "wasm")]
mod registry;
mod rights;
#[cfg(feature = "component")]
mod room;
pub mod sql;
#[cfg(feature = "wasm")]
mod transfers;
#[cfg(feature = "wasm")]
pub mod wasm;

#[cfg(feature = "component")]
pub use candidate::{Candidate, Refusal};
#[cfg(feature = "component")]
pub use component::{ComponentError, ComponentInfo, Interface, read_component};
#[cfg(feature = "wasm")]
pub use embedded::{EMBEDDED, Embedded};
#[cfg(feature = "wasm")]
pub(crate) use fleet::{Fleet, Places};
#[cfg(all(fuzzing, feature = "component"))]
pub(crate) use fuzz::{fuzz_claims, fuzz_component, fuzz_pack, fuzz_unpack};
#[cfg(all(feature = "cli", feature = "wasm"))]
pub(crate) use grants::RESERVED;
pub use grants::{Grants, NativeGrant, PluginConfig, parse_config};
pub use limits::SomeLimits;
#[cfg(feature = "wasm")]
pub(crate) use load::Host;
pub use manifest::{ConnectionRequest, EndpointRequest, Manifest, PluginKind, WorkAccess, parse_manifest};
#[cfg(all(feature = "cli", feature = "wasm"))]
pub(crate) use manifest::{NAME_ALLOWED, is_name};
#[cfg(feature = "native")]
pub(crate) use platform::{PlatformSetting, PluginPlatform};
#[cfg(feature = "wasm")]
pub use registry::{Addition, Changes, Found, Origin, Plugin, Registry};
pub use rights::{ConnectionRight, Difference, EndpointRight, PluginRights};

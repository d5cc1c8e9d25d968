//! Work that is not part of this program and runs in a sandbox.

#[cfg(feature = "wasm")]
mod component;
mod contract;
pub mod endpoint;
mod fields;
mod grants;
mod limits;
#[cfg(feature = "wasm")]
mod load;
mod manifest;
mod platform;
mod rights;
#[cfg(feature = "wasm")]
pub mod wasm;

#[cfg(feature = "wasm")]
pub use component::{ComponentError, ComponentInfo, Interface, read_component};
pub use grants::{Grants, PluginConfig, parse_config};
pub use limits::SomeLimits;
pub use manifest::{EndpointRequest, Manifest, PluginKind, WorkAccess, parse_manifest};
pub use rights::{Difference, EndpointRight, PluginRights};

/// Cuts a text that came from a plugin; at most `most` bytes are kept.
fn bounded(mut text: String, most: usize) -> String {
    if text.len() > most {
        let cut = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

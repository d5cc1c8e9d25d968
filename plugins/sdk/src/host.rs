//! What every plugin may ask of the engine.

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::handle::{self, Handle};
use crate::options;

pub use crate::bindings::imports::windlass::plugin::host::Level;

#[cfg(not(target_arch = "wasm32"))]
use crate::native::host as engine;
#[cfg(target_arch = "wasm32")]
use wasm as engine;

/// The settings that the operator gave this plugin.
pub fn settings<T: DeserializeOwned>() -> Result<T> {
    options::read_again(&engine::settings(), "the settings of the plugin")
}

/// The id of this engine. Whatever a plugin makes on a platform it marks with this.
pub fn engine_id() -> String {
    engine::engine_id()
}

/// Says something to the operator: it goes to the engine's own log.
pub fn log(level: Level, message: &str) {
    engine::log(level, message);
}

/// Makes a handle durable: it is on disk when this returns. Within `submit` only, for what could not be found by the name
/// of the attempt.
pub fn checkpoint(handle: &impl Handle) -> Result<()> {
    engine::checkpoint(&handle::encode(handle)?)
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use crate::bindings::imports::windlass::plugin::host;
    pub(super) use crate::bindings::imports::windlass::plugin::host::{engine_id, log, settings};
    use crate::bindings::types;
    use crate::error::Result;

    pub(super) fn checkpoint(handle: &types::Handle) -> Result<()> {
        Ok(host::checkpoint(handle)?)
    }
}

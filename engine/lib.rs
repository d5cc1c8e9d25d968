//! Windlass: a durable job engine.

#[doc(hidden)]
pub mod files;

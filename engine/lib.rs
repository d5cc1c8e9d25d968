//! Windlass: a durable job engine.

pub mod secret;

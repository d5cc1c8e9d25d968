//! Windlass: a durable job engine.

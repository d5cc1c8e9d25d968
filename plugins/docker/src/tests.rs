//! The plugin against a scripted Docker Engine.

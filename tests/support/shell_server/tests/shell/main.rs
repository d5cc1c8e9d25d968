//! The shell server by itself, and the plugin for it against it: real processes, real connections that break.
#![cfg(test)]

mod platform;
mod plugin;
mod stage;

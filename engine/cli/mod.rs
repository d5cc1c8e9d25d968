//! The `windlass` command.

pub mod jobfile;

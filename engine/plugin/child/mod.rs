//! Processes of the engine's own, this program again, for code that may crash, hang or leak: what fails there costs what it was
//! started for and nothing else. They end with the engine, however that ends, are told nothing by argument or environment,
//! and leave no core dumps.

pub(crate) mod frame;
mod inside;
mod nursery;
mod process;

pub(crate) use frame::{FrameError, encode};
pub(crate) use inside::{enter, listen};
pub(crate) use nursery::Nursery;
pub(crate) use process::{News, Process};

/// This program, also after its file was replaced.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

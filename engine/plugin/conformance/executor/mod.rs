//! The suite for executors.

mod cases;
mod checks;
mod stage;
mod tape;

pub use cases::ExecutorCases;

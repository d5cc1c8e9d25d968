//! What a plugin asks of the engine: the one that calls, or that of a test.

use std::path::PathBuf;

use super::{ENGINE, abi, give, read};
use crate::bindings::types;
use crate::error::{Error, Result};
use crate::host::Level;
use crate::testing::host as testing;

pub(crate) fn settings() -> String {
    with(testing::settings, |engine| read::text(engine.settings))
}

pub(crate) fn engine_id() -> String {
    with(testing::engine_id, |engine| read::text(engine.engine_id))
}

/// The work tree of the call.
pub(super) fn work() -> Option<PathBuf> {
    with(|| None, |engine| read::optional(engine.work).map(PathBuf::from))
}

pub(crate) fn log(level: Level, message: &str) {
    let number = match level {
        Level::Trace => 1,
        Level::Debug => 2,
        Level::Info => 3,
        Level::Warn => 4,
        Level::Error => 5,
    };
    #[expect(unsafe_code, reason = "the engine is called")]
    // SAFETY: the text lives until the call returns.
    with(|| testing::log(level, message), |engine| unsafe { (engine.log)(engine, number, give::text(message)) });
}

pub(crate) fn checkpoint(handle: &types::Handle) -> Result<()> {
    #[expect(unsafe_code, reason = "the engine is called")]
    let kept = |engine: &abi::Host| {
        // SAFETY: the handle lives until the call returns.
        match unsafe { (engine.checkpoint)(engine, give::handle(handle)) } {
            abi::OK => Ok(()),
            _ => Err(Error::unavailable("the engine could not keep the handle")),
        }
    };
    with(|| testing::checkpoint(handle), kept)
}

fn with<T>(in_test: impl FnOnce() -> T, ask: impl FnOnce(&abi::Host) -> T) -> T {
    // SAFETY: it is there while the engine calls, and taken away when that is over.
    #[expect(unsafe_code, reason = "the engine is behind a pointer")]
    match unsafe { ENGINE.get().as_ref() } {
        Some(engine) => ask(engine),
        None => in_test(),
    }
}

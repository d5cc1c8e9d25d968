//! Doors for the fuzz targets in `tests/fuzz`, which see the crate from outside. Only built for them.

#[cfg(feature = "component")]
use std::{io, path::Path};

use crate::job::RunOptions;

/// Any bytes as each kind of stored record.
pub fn records(bytes: &[u8]) {
    crate::store::fuzz_records(bytes);
}

/// Any bytes as content that is embedded in a text.
///
/// # Panics
/// When what is encoded does not come back as it was.
pub fn embedded(bytes: &[u8]) {
    crate::job::embedded::fuzz_embedded(bytes);
}

/// Any bytes as a request of a plugin.
///
/// # Panics
/// When one is let through that must not be.
#[cfg(feature = "plugin")]
pub fn plugin_request(bytes: &[u8]) {
    crate::plugin::endpoint::fuzz_request(bytes);
}

/// Any bytes as what a process with a plugin says, and as what it is told.
///
/// # Panics
/// When a message takes more bytes than there are, or does not come back as it was.
#[cfg(feature = "native")]
pub fn plugin_frames(bytes: &[u8]) {
    crate::plugin::native::fuzz_frames(bytes);
}

/// Any bytes as a component, with a manifest beside it or none.
///
/// # Panics
/// When two ways to look at it tell different things, or what is told of it does not end.
#[cfg(feature = "component")]
pub fn plugin_component(bytes: &[u8], beside: Option<&[u8]>) {
    crate::plugin::fuzz_component(bytes, beside);
}

/// Any texts, bytes and numbers as what a plugin says in a call.
///
/// # Panics
/// When more is believed than may be, or something else than was said.
#[cfg(feature = "component")]
pub fn plugin_claims(texts: &[String], data: &[u8], count: usize) {
    crate::plugin::fuzz_claims(texts, data, count);
}

/// Unpacks an archive beneath a work tree, as a plugin would have it done.
///
/// # Errors
/// Why it is refused.
#[cfg(feature = "component")]
pub fn unpack(archive: &[u8], dir: &Path, most_bytes: u64) -> io::Result<()> {
    crate::plugin::fuzz_unpack(archive, dir, most_bytes)
}

/// Packs a directory.
///
/// # Errors
/// Why it cannot be packed.
#[cfg(feature = "component")]
pub fn pack(dir: &Path) -> io::Result<Vec<u8>> {
    crate::plugin::fuzz_pack(dir)
}

/// Seals options and opens them again.
///
/// # Panics
/// When they come back changed, or the seal shows them.
pub fn seal_options(options: &RunOptions) {
    crate::store::fuzz_options(options);
}

/// Any text as the cron text of a calendar in some zone, and what comes after some time.
///
/// # Panics
/// When the calendar contradicts itself.
pub fn calendar(text: &str, zone: usize, after_ms: u64) {
    crate::job::calendar::fuzz_calendar(text, zone, after_ms);
}

/// Any bytes as the text of a pipeline, run to its end in some way.
///
/// # Panics
/// When the pipeline contradicts itself, or what is printed of it is read as another.
pub fn pipeline(text: &[u8], way: u64) {
    crate::job::pipeline::fuzz_pipeline(text, way);
}

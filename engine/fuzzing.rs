//! Doors for the fuzz targets in `tests/fuzz`, which see the crate from outside. Only built for them.

use crate::job::RunOptions;

/// Any bytes as each kind of stored record.
pub fn records(bytes: &[u8]) {
    crate::store::fuzz_records(bytes);
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

//! Doors for the fuzz targets in `tests/fuzz`, which see the crate from outside. Only built for them.

use crate::job::RunOptions;

/// Any bytes as each kind of stored record.
pub fn records(bytes: &[u8]) {
    crate::store::fuzz_records(bytes);
}

/// Seals options and opens them again.
///
/// # Panics
/// When they come back changed, or the seal shows them.
pub fn seal_options(options: &RunOptions) {
    crate::store::fuzz_options(options);
}

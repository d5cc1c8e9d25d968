//! Inputs and outputs that are too large for the store: one file each, on disk before the store names it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a payload; returns when it and its name are on disk.
///
/// # Errors
/// What the file system says.
pub fn write_payload(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a payload has no directory"))?;
    let draft = path.with_extension("draft");
    fs::create_dir_all(dir)?;
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&draft, path)?;
    // The directory may be new, and so may the one above it.
    for dir in path.ancestors().skip(1).take(3) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Reads a payload.
///
/// # Errors
/// What the file system says.
pub fn read_payload(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

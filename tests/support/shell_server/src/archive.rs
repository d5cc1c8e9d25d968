//! The work of a run, in and out as tar archives.

use std::fs;
use std::path::Path;

use crate::Result;

/// Puts what is in an archive into a directory, whole or not at all.
pub(crate) fn unpack(archive: &[u8], directory: &Path) -> Result<()> {
    let staged = directory.with_extension("staged");
    remove(&staged)?;
    fs::create_dir_all(&staged)?;
    tar::Archive::new(archive).unpack(&staged)?;
    remove(directory)?;
    fs::rename(&staged, directory)?;
    Ok(())
}

/// All that is in a directory; nothing where there is none.
pub(crate) fn pack(directory: &Path) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    if directory.is_dir() {
        archive.append_dir_all("", directory)?;
    }
    Ok(archive.into_inner()?)
}

/// Removes a directory that may not be there.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

//! Small files that others may replace: certificates, keys, tokens.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one state of a file from another. A replaced file is another inode, one written in place has another time
/// of change, which nobody can set back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// The state the file is in now.
    pub(super) fn of(path: &Path) -> io::Result<Stamp> {
        let found = std::fs::metadata(path)?;
        if !found.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let changed = (found.ctime(), found.ctime_nsec());
        Ok(Stamp { device: found.dev(), inode: found.ino(), bytes: found.len(), changed })
    }
}

/// The text of a file of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    // A pipe would be waited for.
    Stamp::of(path)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text"))
}

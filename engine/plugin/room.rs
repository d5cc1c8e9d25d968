//! How much one call of a plugin may put into a work tree, in an archive or as files of its own: bytes and entries are counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Entries that one call may make.
const MOST_ENTRIES: u64 = 1_000_000;

/// What is left of what a call may put into a work tree. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Left>);

#[derive(Debug)]
struct Left {
    bytes: AtomicU64,
    entries: AtomicU64,
    most_bytes: u64,
    /// More was wanted.
    refused: AtomicBool,
}

impl Room {
    pub(crate) fn new(most_bytes: u64) -> Room {
        let (bytes, entries) = (AtomicU64::new(most_bytes), AtomicU64::new(MOST_ENTRIES));
        Room(Arc::new(Left { bytes, entries, most_bytes, refused: AtomicBool::new(false) }))
    }

    /// Takes so many bytes; all or none.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        self.take_of(&self.0.bytes, bytes)
    }

    /// Takes an entry.
    pub(crate) fn take_entry(&self) -> bool {
        self.take_of(&self.0.entries, 1)
    }

    fn take_of(&self, left: &AtomicU64, wanted: u64) -> bool {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(wanted)).is_ok();
        if !taken {
            self.0.refused.store(true, Ordering::Relaxed);
        }
        taken
    }

    pub(crate) fn most_bytes(&self) -> u64 {
        self.0.most_bytes
    }

    /// Why more is refused.
    pub(crate) fn is_full(&self) -> io::Error {
        let message = format!(
            "more than {} bytes or {MOST_ENTRIES} entries were to be put into the work tree",
            self.0.most_bytes
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

/// A plugin that writes files of its own asks for these.
#[cfg(feature = "wasm")]
impl Room {
    /// Whether more was wanted than there was room for: a plugin hears of an error on the way only.
    pub(crate) fn was_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn left(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

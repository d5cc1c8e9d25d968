//! What is below the store: a file that counts what is done to it, or a disk that a test makes.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::error::Error;

/// A disk for the store: one growable array of bytes. Tests make their own to lose power or to fail.
#[expect(clippy::len_without_is_empty, reason = "a disk is not a collection")]
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `out` from `offset`.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Cuts or grows it; what is new is zero.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns when everything written before is safe.
    fn sync(&self) -> io::Result<()>;
    /// Writes at `offset`.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
}

/// What was done to the disk since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Calls of fdatasync.
    pub syncs: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    syncs: AtomicU64,
    written_bytes: AtomicU64,
}

impl Meter {
    pub(super) fn read(&self) -> DiskUse {
        DiskUse { syncs: self.syncs.load(Ordering::Relaxed), written_bytes: self.written_bytes.load(Ordering::Relaxed) }
    }
}

/// A backend for redb that counts.
#[derive(Debug)]
pub(super) struct Metered<B> {
    inner: B,
    meter: Arc<Meter>,
}

impl<B> Metered<B> {
    pub(super) fn new(inner: B) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (Metered { inner, meter: meter.clone() }, meter)
    }
}

impl<B: StorageBackend> StorageBackend for Metered<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.meter.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.meter.written_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

/// A [`Disk`] as redb wants it.
#[derive(Debug)]
pub(super) struct OnDisk(pub(super) Arc<dyn Disk>);

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The file of the store, locked against other processes. The lock is given up when the store is closed, not
/// when the last descriptor goes: a process that is just being started holds a copy of it for a moment.
#[derive(Debug)]
pub(super) struct LockedFile {
    file: FileBackend,
    lock: File,
}

impl StorageBackend for LockedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()?;
        self.lock.unlock()
    }
}

/// Opens or makes the file of the store, readable by its owner only, and locks it against other processes
/// for as long as this process lives.
pub(super) fn open_file(path: &Path) -> Result<LockedFile, Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| Error::io(path.display(), &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(Error::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => return Err(Error::io(path.display(), &error)),
    }
    let lock = file.try_clone().map_err(|error| Error::io(path.display(), &error))?;
    let file = FileBackend::new(file).map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => Error::InUse(path.to_owned()),
        error => Error::Unusable(format!("{}: {error}", path.display())),
    })?;
    Ok(LockedFile { file, lock })
}

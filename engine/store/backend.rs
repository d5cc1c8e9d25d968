//! What is below the store: a file that counts what is done to it, or a disk that a test makes.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::lock;
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

/// How far ahead a file is filled with zeros.
pub(super) const FILL_BYTES: u64 = 1 << 20;
static ZEROS: [u8; FILL_BYTES as usize] = [0; FILL_BYTES as usize];

/// How much of it at a time, in a file: pages of their own, since the system would write larger ones whole for every
/// block that changes in them.
pub(super) const FILE_FILL_PIECE: u64 = 4_096;

#[derive(Debug, Default)]
pub(super) struct Meter {
    syncs: AtomicU64,
    written_bytes: AtomicU64,
    file_bytes: AtomicU64,
    /// Whether the next writes fill ahead.
    fills: AtomicBool,
}

impl Meter {
    /// Whether writes from now on fill the file ahead of them with zeros. A sync of blocks that the file has already
    /// need not write where they are, which makes a small commit about a third faster; a large one would only write
    /// more.
    pub(super) fn fill_ahead(&self, fills: bool) {
        self.fills.store(fills, Ordering::Relaxed);
    }

    /// The length of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> DiskUse {
        DiskUse { syncs: self.syncs.load(Ordering::Relaxed), written_bytes: self.written_bytes.load(Ordering::Relaxed) }
    }
}

/// A backend for redb that counts, and that writes nothing more after the first failure: redb may try a write
/// again, and then nobody would hear of it.
#[derive(Debug)]
pub(super) struct Metered<B> {
    inner: B,
    meter: Arc<Meter>,
    failure: OnceLock<String>,
    /// Filled ahead at a time, in bytes.
    fill_piece: u64,
    /// Nothing was ever written from here on, so the file may have no blocks there yet.
    untouched: Mutex<u64>,
}

impl<B: StorageBackend> Metered<B> {
    pub(super) fn new(inner: B, fill_piece: u64) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        // Of a file that does not tell its length all may have been written.
        let len = inner.len().ok();
        meter.file_bytes.store(len.unwrap_or(0), Ordering::Relaxed);
        let untouched = Mutex::new(len.unwrap_or(u64::MAX));
        (Metered { inner, meter: meter.clone(), failure: OnceLock::new(), fill_piece, untouched }, meter)
    }

    /// Fills with zeros what lies before the end of a write that goes beyond everything written before, and a piece
    /// more.
    fn fill_before(&self, end: u64) -> io::Result<()> {
        let mut untouched = lock(&self.untouched);
        if end <= *untouched {
            return Ok(());
        }
        if !self.meter.fills.load(Ordering::Relaxed) {
            *untouched = end;
            return Ok(());
        }
        let until = end.next_multiple_of(FILL_BYTES).min(self.meter.file_bytes());
        while *untouched < until {
            let piece = (until - *untouched).min(self.fill_piece);
            self.write_through(*untouched, ZEROS.get(..piece as usize).unwrap_or(&ZEROS))?;
            *untouched += piece;
        }
        *untouched = end.max(*untouched);
        Ok(())
    }

    fn write_through(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.meter.written_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.unless_failed(|inner| inner.write(offset, data))
    }

    fn unless_failed(&self, change: impl FnOnce(&B) -> io::Result<()>) -> io::Result<()> {
        if let Some(failure) = self.failure.get() {
            return Err(io::Error::other(format!("nothing is written after a failure: {failure}")));
        }
        change(&self.inner).inspect_err(|error| drop(self.failure.set(error.to_string())))
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
        self.unless_failed(|inner| inner.set_len(len))?;
        self.meter.file_bytes.store(len, Ordering::Relaxed);
        let mut untouched = lock(&self.untouched);
        *untouched = len.min(*untouched);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.meter.syncs.fetch_add(1, Ordering::Relaxed);
        self.unless_failed(StorageBackend::sync_data)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fill_before(offset + data.len() as u64)?;
        self.write_through(offset, data)
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

/// An owner that was killed while it started a process leaves the lock to that one until it has become another
/// program: so long a file in use is looked at again.
const LOCK_WAIT: Duration = Duration::from_millis(500);
const LOCK_LOOK: Duration = Duration::from_millis(5);

/// The first bytes of a file that redb has made; it writes them last, after a sync.
const MAGIC_BYTES: usize = 9;
/// Until then there is nothing but zeros behind this many bytes.
const HEAD_BYTES: usize = 4_096;
/// More than redb grows a new file to before it writes anything.
const NEW_FILE_BYTES: u64 = 8 << 20;

/// Empties a file whose making was cut short: redb would refuse it, and nothing was ever stored in it. A file
/// with anything in it but the head of a new one is left alone.
pub(super) fn clear_unfinished(backend: &impl StorageBackend) -> io::Result<()> {
    let len = backend.len()?;
    if len == 0 || len > NEW_FILE_BYTES {
        return Ok(());
    }
    let mut head = vec![0; HEAD_BYTES.min(len as usize)];
    backend.read(0, &mut head)?;
    if head.iter().take(MAGIC_BYTES).any(|byte| *byte != 0) {
        return Ok(());
    }
    let mut rest = vec![0; len as usize - head.len()];
    backend.read(head.len() as u64, &mut rest)?;
    if rest.iter().all(|byte| *byte == 0) { backend.set_len(0) } else { Ok(()) }
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
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_LOOK),
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::io(path.display(), &error)),
        }
    }
    let lock = file.try_clone().map_err(|error| Error::io(path.display(), &error))?;
    let file = FileBackend::new(file).map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => Error::InUse(path.to_owned()),
        error => Error::Unusable(format!("{}: {error}", path.display())),
    })?;
    Ok(LockedFile { file, lock })
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::secret::Entropy;

    /// Whatever is written is there, filled ahead or not, while the file grows and shrinks.
    #[test]
    fn filling_ahead_touches_nothing_that_was_written() {
        for seed in 0..20 {
            let dice = Entropy::seeded(seed);
            let below = |most: u64| dice.next_u64() % most;
            let first = below(2 * FILL_BYTES);
            let inner = InMemoryBackend::new();
            inner.set_len(first).unwrap();
            let (file, meter) = Metered::new(inner, 5_000);
            let mut expected = vec![0_u8; first as usize];
            for _ in 0..200 {
                meter.fill_ahead(below(3) > 0);
                if below(20) == 0 || expected.len() < 10_000 {
                    let len = 10_000 + below(4 * FILL_BYTES);
                    file.set_len(len).unwrap();
                    expected.resize(len as usize, 0);
                }
                let size = 1 + below(9_000);
                let at = below(expected.len() as u64 - size);
                let data = vec![dice.next_u64() as u8 | 1; size as usize];
                file.write(at, &data).unwrap();
                expected[at as usize..][..data.len()].copy_from_slice(&data);
            }
            let mut found = vec![1; expected.len()];
            file.read(0, &mut found).unwrap();
            assert!(found == expected, "seed {seed}");
            assert_eq!(meter.file_bytes(), expected.len() as u64);
        }
    }

    #[test]
    fn a_small_write_at_the_end_fills_what_comes_next() {
        let (file, meter) = Metered::new(InMemoryBackend::new(), FILL_BYTES);
        file.set_len(3 * FILL_BYTES).unwrap();
        let written = || meter.read().written_bytes;
        file.write(0, &[1; 100]).unwrap();
        assert_eq!(written(), 100, "nothing is filled unless it is asked for");
        meter.fill_ahead(true);
        file.write(100, &[1; 100]).unwrap();
        assert_eq!(written(), 200 + (FILL_BYTES - 100));
        file.write(200, &[1; 100]).unwrap();
        assert_eq!(written(), 300 + (FILL_BYTES - 100), "what is filled is not filled again");
    }
}

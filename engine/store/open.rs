//! Opening: lock, check, build the index, start the writer.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableError};

use super::backend::{Disk, FILE_FILL_PIECE, FILL_BYTES, Meter, Metered, OnDisk, clear_unfinished, open_file};
use super::commit::{Names, read_u64};
use super::group::Listener;
use super::index::Index;
use super::tables::{
    BY_ITEM, BY_NAME, BY_OUTPUT_TYPE, BY_STATE, DOCUMENT, DONE, EVENT, FIRE, IDEMPOTENCY, LIVE, META, NAME, OUTPUT,
    OUTPUT_RECORD, REVISION, SCHEDULE, SPEC, meta,
};
use super::verbs::NextJob;
use super::writer::Writer;
use super::{Store, keys, lock, records, storage};
use crate::error::Error;
use crate::job::JobId;
use crate::secret::{Entropy, Keyring};

/// The format that this program writes and reads.
const FORMAT: u32 = 1;

/// How a store is opened.
pub(crate) struct StoreOptions {
    /// The file; unused when there is a disk.
    pub(crate) path: PathBuf,
    /// A disk in place of the file.
    pub(crate) disk: Option<Arc<dyn Disk>>,
    /// The file of the keys.
    pub(crate) key_path: PathBuf,
    /// The text of the keys in place of their file.
    pub(crate) key_text: Option<String>,
    /// Bytes of redb's page cache.
    pub(crate) cache_bytes: usize,
    /// Head start of one level of priority.
    pub(crate) ageing_ms: u64,
    /// Bytes of live jobs kept in memory.
    pub(crate) recent_bytes: usize,
    /// Live jobs of one queue at most.
    pub(crate) queue_limit: u64,
    /// Whether groups are sealed so that the open after a crash is fast.
    pub(crate) quick_repair: bool,
    /// Where tags and secrets come from.
    pub(crate) entropy: Entropy,
}

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(super) enum KeySource {
    /// A file that this program may write.
    File(PathBuf),
    /// The environment.
    Text,
}

impl Store {
    /// Opens the store, making it when there is none.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Unusable`] (newer format, damage), [`Error::Key`] (missing or wrong key),
    /// [`Error::Storage`].
    pub(crate) fn open(options: StoreOptions, listener: Arc<dyn Listener>) -> Result<Store, Error> {
        let path = options.path.clone();
        // redb trusts the pages of a file that was closed well, and panics where they hold something else.
        let opened = catch_unwind(AssertUnwindSafe(|| Store::open_trusting(options, listener)));
        opened.unwrap_or_else(|_| {
            let path = path.display();
            Err(Error::Unusable(format!("{path} is damaged: put a copy of it back, or begin a new store elsewhere")))
        })
    }

    fn open_trusting(options: StoreOptions, listener: Arc<dyn Listener>) -> Result<Store, Error> {
        let (db, meter) = match &options.disk {
            Some(disk) => build(&options, Metered::new(OnDisk(disk.clone()), FILL_BYTES))?,
            None => build(&options, Metered::new(open_file(&options.path)?, FILE_FILL_PIECE))?,
        };
        prepare(&db)?;
        let keyring = load_keys(&db, &options)?;
        let digest_secret = keys::digest_secret(&db, &keyring, &options.entropy)?;
        let (index, next, names) = load(&db, Index::new(options.ageing_ms, options.recent_bytes))?;
        let index = Arc::new(Mutex::new(index));
        let writer = Arc::new(Writer::new(db, meter.clone(), index.clone(), listener, names, options.quick_repair));
        let thread = {
            let writer = writer.clone();
            let thread = std::thread::Builder::new().name("windlass-writer".into());
            thread.spawn(move || writer.run()).map_err(|error| Error::io("the writer thread", &error))?
        };
        let key_source = match &options.key_text {
            Some(_) => KeySource::Text,
            None => KeySource::File(options.key_path),
        };
        Ok(Store {
            writer,
            index,
            meter,
            keyring: RwLock::new(keyring),
            key_source,
            digest_secret,
            next: Mutex::new(next),
            queue_limit: options.queue_limit,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Writes what is left, seals the file and closes it.
    pub(crate) fn close(&self) {
        self.writer.close();
        self.join();
        self.release();
    }

    /// Closes the file, although tasks that are about to end may hold the store for a while.
    pub(crate) fn release(&self) {
        self.writer.release();
    }

    /// Ends as a crash would: nothing more is written.
    pub(crate) fn abandon(&self) {
        self.writer.abandon();
        self.join();
    }

    fn join(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            // The thread cannot panic on its own account; if it did, there is nothing left to write.
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

fn build<B: StorageBackend>(
    options: &StoreOptions,
    (backend, meter): (Metered<B>, Arc<Meter>),
) -> Result<(Database, Arc<Meter>), Error> {
    clear_unfinished(&backend).map_err(|error| Error::io(options.path.display(), &error))?;
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes);
    let db = builder.create_with_backend(backend).map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => Error::InUse(options.path.clone()),
        // What the file holds is not an error of the disk.
        redb::DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() != ErrorKind::InvalidData => {
            Error::io(options.path.display(), &error)
        }
        error => Error::Unusable(format!("{} is no store of windlass, or is damaged: {error}", options.path.display())),
    })?;
    Ok((db, meter))
}

/// The keys. A fresh one is made for a new store only: it would open nothing of another one.
fn load_keys(db: &Database, options: &StoreOptions) -> Result<Keyring, Error> {
    let path = &options.key_path;
    if options.key_text.is_none() && !path.exists() && keys::needs_key(db)? {
        return Err(Error::Key(format!(
            "the key file {} is missing and the store is sealed with a key that was in it: put the file back, or give \
             its text in the environment",
            path.display()
        )));
    }
    let keyring = Keyring::load_or_create(path, options.key_text.as_deref());
    keyring.map_err(|error| Error::Key(error.to_string()))
}

/// Checks the format and, in a new file, makes the tables.
fn prepare(db: &Database) -> Result<(), Error> {
    let read = db.begin_read().map_err(storage)?;
    let found = match read.open_table(META) {
        Ok(table) => table.get(meta::FORMAT).map_err(storage)?.map(|row| row.value().to_vec()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(storage(error)),
    };
    drop(read);
    match found.as_deref().map(|bytes| bytes.try_into().map(u32::from_le_bytes)) {
        Some(Ok(FORMAT)) => Ok(()),
        Some(Ok(newer)) if newer > FORMAT => Err(Error::Unusable(format!(
            "the store has format {newer}, written by a newer windlass; this is windlass {}, which reads format \
             {FORMAT}: start the newer windlass again, or point this one at another store directory",
            env!("CARGO_PKG_VERSION")
        ))),
        Some(_) => Err(Error::Unusable("the store has a format number that no windlass has written".into())),
        None => create(db),
    }
}

fn create(db: &Database) -> Result<(), Error> {
    let mut txn = db.begin_write().map_err(storage)?;
    txn.set_quick_repair(true);
    {
        txn.open_table(META)
            .map_err(storage)?
            .insert(meta::FORMAT, FORMAT.to_le_bytes().as_slice())
            .map_err(storage)?;
        txn.open_table(SPEC).map_err(storage)?;
        txn.open_table(LIVE).map_err(storage)?;
        txn.open_table(DONE).map_err(storage)?;
        txn.open_table(OUTPUT).map_err(storage)?;
        txn.open_table(EVENT).map_err(storage)?;
        txn.open_table(IDEMPOTENCY).map_err(storage)?;
        txn.open_table(NAME).map_err(storage)?;
        txn.open_table(BY_NAME).map_err(storage)?;
        txn.open_table(BY_STATE).map_err(storage)?;
        txn.open_table(BY_ITEM).map_err(storage)?;
        txn.open_table(DOCUMENT).map_err(storage)?;
        txn.open_table(REVISION).map_err(storage)?;
        txn.open_table(SCHEDULE).map_err(storage)?;
        txn.open_table(FIRE).map_err(storage)?;
        txn.open_table(OUTPUT_RECORD).map_err(storage)?;
        txn.open_table(BY_OUTPUT_TYPE).map_err(storage)?;
    }
    txn.commit().map_err(storage)
}

/// Reads the placements of all live jobs into the index, the names, and the next free sequence number.
fn load(db: &Database, mut index: Index) -> Result<(Index, NextJob, Names), Error> {
    let read = db.begin_read().map_err(storage)?;
    for row in read.open_table(LIVE).map_err(storage)?.iter().map_err(storage)? {
        let (seq, bytes) = row.map_err(storage)?;
        index.insert(seq.value(), &records::decode_placement(bytes.value())?);
    }
    let mut names = Names::default();
    for row in read.open_table(NAME).map_err(storage)?.iter().map_err(storage)? {
        let (key, number) = row.map_err(storage)?;
        let (kind, name) = key.value();
        names.numbers.insert((kind, name.to_owned()), number.value());
    }
    let specs = read.open_table(SPEC).map_err(storage)?;
    let last = specs.last().map_err(storage)?;
    let last = last.map(|(seq, spec)| records::decode_id(seq.value(), spec.value())).transpose()?;
    let meta = read.open_table(META).map_err(storage)?;
    let floor = meta.get(meta::SEQ_FLOOR).map_err(storage)?.and_then(|row| read_u64(row.value())).unwrap_or(0);
    let next = NextJob {
        seq: last.map_or(0, |id| id.seq() + 1).max(floor),
        created_at: last.map(JobId::created_at).unwrap_or_default(),
    };
    Ok((index, next, names))
}

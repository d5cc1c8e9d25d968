//! The store: what is on disk, and the order of the live jobs in memory. The only module that names redb and
//! rmp-serde.
//!
//! *Architecture invariant:* one writer, group commit. Callers decide, encode and seal; the writer compares
//! revisions, checks uniqueness and limits, and handles bytes. Reads use snapshots and never wait for it.

mod backend;
mod changes;
mod commit;
mod document_records;
mod documents;
mod followers;
#[cfg(fuzzing)]
mod fuzz;
mod group;
mod index;
mod keys;
mod list;
mod open;
mod outputs;
mod plans;
mod prune;
mod read;
mod recent;
mod records;
mod schedules;
mod tables;
mod verbs;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use backend::{Disk, DiskUse};
pub(crate) use document_records::{
    StoredSchedule, decode_config, decode_output_type, decode_pipeline, decode_schedule_spec, encode_config,
    encode_output_type, encode_pipeline, encode_schedule_spec,
};
pub use documents::DocumentKind;
pub(crate) use documents::{Document, DocumentChange, DocumentContent, DocumentName, Written};
#[cfg(fuzzing)]
pub(crate) use fuzz::{fuzz_options, fuzz_records};
pub(crate) use group::{Committed, Listener};
pub(crate) use open::StoreOptions;
pub(crate) use outputs::{Left, OutputPlace, OutputRows, StoredOutput};
pub(crate) use prune::Finished;
pub(crate) use records::Stored;
pub(crate) use schedules::{Fired, NewFire, ScheduleChange};
pub(crate) use verbs::{Moved, NewJob, inputs_lie_beside, with_files};

use crate::error::Error;
use crate::job::JobSpec;
use crate::secret::Keyring;
use index::Index;
use writer::Writer;

/// Facts kept of one job beside its records; later ones are dropped.
const EVENTS_OF_A_JOB: u32 = 10_000;

/// The store of one engine. Its file is locked against other processes while it lives.
pub(crate) struct Store {
    writer: Arc<Writer>,
    index: Arc<Mutex<Index>>,
    meter: Arc<backend::Meter>,
    keyring: RwLock<Keyring>,
    key_source: open::KeySource,
    digest_secret: [u8; 32],
    next: Mutex<verbs::NextJob>,
    queue_limit: u64,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// The data behind these locks is valid after every step, so a panic elsewhere does not poison it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "plugin")]
impl Store {
    /// What this engine is known by elsewhere: 16 hexadecimal digits that stay the same as long as the store does, in a
    /// restored backup too. Says nothing about the keys.
    pub(crate) fn engine_id(&self) -> String {
        let digest = crate::secret::keyed_digest(&self.digest_secret, &[b"engine id"]);
        crate::secret::hex(digest.get(..8).unwrap_or(&digest))
    }
}

fn storage(error: impl Into<redb::Error>) -> Error {
    Error::Storage(error.into().to_string())
}

/// A job's idempotency key as a key of its table.
fn idempotency_key(spec: &JobSpec) -> Option<Vec<u8>> {
    let key = spec.idempotency_key.as_deref()?;
    Some([spec.project.as_bytes(), b"\0", key.as_bytes()].concat())
}

//! The floors: a bare append-only log with the same group commit, which keeps nothing but the bytes, so no store
//! can be faster on this disk with one stream; and the bare library of the store with the same group commit and two
//! rows a job, which knows no states, limits, waits or reads.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use redb::{Database, TableDefinition};
use tokio::sync::oneshot;

const SPECS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("spec");
const LIVE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("live");

/// A live record without anything to wait for.
const LIVE_BYTES: usize = 28;

/// The file is written once beforehand: syncing blocks that exist costs no journal commit.
const ZEROED: usize = 64 << 20;

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// What is to be written, and whether the end has come.
type Shared = (Mutex<(Vec<Waiting>, bool)>, Condvar);

pub(crate) struct Floor {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Floor {
    /// The bare store.
    pub(crate) fn store(dir: &Path) -> Floor {
        let database = Database::create(dir.join("floor.redb")).expect("a store");
        Floor::of(move |shared| insert(&database, shared))
    }

    /// The bare log.
    pub(crate) fn log(dir: &Path) -> Floor {
        let mut file = File::create(dir.join("floor")).expect("a file");
        file.write_all(&vec![0; ZEROED]).expect("zeroes");
        file.sync_all().expect("a sync");
        Floor::of(move |shared| write(&mut file, shared))
    }

    fn of(run: impl FnOnce(&Shared) + Send + 'static) -> Floor {
        let shared = Arc::new((Mutex::new((Vec::new(), false)), Condvar::new()));
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || run(&shared)
        });
        Floor { shared, thread: Some(thread) }
    }

    /// Returns when the record is on disk.
    pub(crate) async fn append(&self, record: Vec<u8>) {
        let (done, wait) = oneshot::channel();
        self.shared.0.lock().unwrap().0.push((record, done));
        self.shared.1.notify_one();
        wait.await.expect("the floor lives");
    }
}

/// Whatever came during the last sync; `None` when the end has come.
fn next_group(shared: &Shared) -> Option<Vec<Waiting>> {
    let mut pending = shared.0.lock().unwrap();
    while pending.0.is_empty() && !pending.1 {
        pending = shared.1.wait(pending).unwrap();
    }
    (!pending.0.is_empty()).then(|| std::mem::take(&mut pending.0))
}

fn insert(database: &Database, shared: &Shared) {
    let mut key = 0;
    while let Some(group) = next_group(shared) {
        let txn = database.begin_write().expect("a transaction");
        {
            let mut specs = txn.open_table(SPECS).expect("a table");
            let mut live = txn.open_table(LIVE).expect("a table");
            for (record, _) in &group {
                specs.insert(key, record.as_slice()).expect("a row");
                live.insert(key, &[1; LIVE_BYTES][..]).expect("a row");
                key += 1;
            }
        }
        txn.commit().expect("a commit");
        answer(group);
    }
}

fn answer(group: Vec<Waiting>) {
    for (_, done) in group {
        let _ = done.send(());
    }
}

fn write(file: &mut File, shared: &Shared) {
    let mut at = 0;
    while let Some(group) = next_group(shared) {
        let mut bytes = Vec::with_capacity(group.len() * 512);
        for (record, _) in &group {
            bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&checksum(record).to_le_bytes());
            bytes.extend_from_slice(record);
        }
        if at + bytes.len() > ZEROED {
            at = 0;
        }
        file.seek(SeekFrom::Start(at as u64)).expect("a seek");
        file.write_all(&bytes).expect("a write");
        file.sync_data().expect("a sync");
        at += bytes.len();
        answer(group);
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.shared.0.lock().unwrap().1 = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! The floor: a bare append-only log with the same group commit. It keeps nothing but the bytes, so no store
//! can be faster on this disk with one stream.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::oneshot;

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
    pub(crate) fn open(dir: &Path) -> Floor {
        let mut file = File::create(dir.join("floor")).expect("a file");
        file.write_all(&vec![0; ZEROED]).expect("zeroes");
        file.sync_all().expect("a sync");
        let shared = Arc::new((Mutex::new((Vec::new(), false)), Condvar::new()));
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || write(&mut file, &shared)
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

fn write(file: &mut File, shared: &Shared) {
    let mut at = 0;
    loop {
        let group = {
            let mut pending = shared.0.lock().unwrap();
            while pending.0.is_empty() && !pending.1 {
                pending = shared.1.wait(pending).unwrap();
            }
            if pending.0.is_empty() {
                return;
            }
            std::mem::take(&mut pending.0)
        };
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
        for (_, done) in group {
            let _ = done.send(());
        }
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

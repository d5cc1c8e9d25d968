//! The files of a run directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::leftovers::Owner;
use super::record::{Entry, ExitRecord, Started};

/// A run that this process supervises: holds the lock.
#[derive(Debug)]
pub(super) struct Claim {
    lock: File,
    len: u64,
    run_dir: RunDir,
}

/// What the file `lock` tells.
#[derive(Debug)]
pub(super) struct RunRecord {
    pub(super) owner: Owner,
    pub(super) started: Option<Started>,
    pub(super) ended: Option<ExitRecord>,
}

/// How a stop is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StopOrder {
    pub(super) grace_ms: u64,
}

/// Names and reads the files of one run directory.
#[derive(Debug, Clone)]
pub(super) struct RunDir(PathBuf);

impl RunDir {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Claims the run for `owner`: `None` when it was claimed before. The file appears under its name written and locked,
    /// so nobody ever sees a claim without its owner, and a second claim fails whatever became of the first.
    pub(super) fn claim(&self, owner: &Owner) -> io::Result<Option<Claim>> {
        let unclaimed = self.0.join(format!("lock.{}", owner.supervisor.pid));
        let mut lock = File::create(&unclaimed)?;
        let line = to_line(owner)?;
        lock.write_all(&line)?;
        lock.try_lock()?;
        match renameat_with(CWD, &unclaimed, CWD, self.lock_path(), RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Some(Claim { lock, len: line.len() as u64, run_dir: self.clone() })),
            Err(error) => {
                fs::remove_file(&unclaimed)?;
                if error == Errno::EXIST { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// `None` when there is no claim.
    pub(super) fn read(&self) -> io::Result<Option<RunRecord>> {
        let bytes = match fs::read(self.lock_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let (owner, entries) = text.split_once('\n').unwrap_or((&text, ""));
        let mut record = RunRecord { owner: serde_json::from_str(owner)?, started: None, ended: None };
        // A line without its end is just being written.
        for line in entries.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            match serde_json::from_str(line)? {
                Entry::Started(started) => record.started = Some(started),
                Entry::Ended(ended) => record.ended = Some(ended),
            }
        }
        Ok(Some(record))
    }

    /// Has the supervisor of this run end with it, instead of taking another run, for as long as the result lives. Who
    /// waits for the process to end needs that. Of use only if the run is seen not to have ended after this.
    pub(super) fn watch(&self) -> io::Result<File> {
        let dir = File::open(&self.0)?;
        dir.lock_shared()?;
        Ok(dir)
    }

    pub(super) fn read_stop(&self) -> io::Result<Option<StopOrder>> {
        read_json(&self.0.join("stop.json"))
    }

    pub(super) fn write_stop(&self, stop: &StopOrder) -> io::Result<()> {
        self.write_json("stop.json", stop)
    }

    /// Written aside and renamed: a reader sees the whole file or none.
    fn write_json(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.0.join(format!("{name}.{}.{write}", process::id()));
        fs::write(&unfinished, serde_json::to_vec(value)?)?;
        fs::rename(&unfinished, self.0.join(name))
    }
}

impl Claim {
    /// Adds a line. One that does not fit on the disk leaves nothing behind.
    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let line = to_line(entry)?;
        if let Err(error) = self.lock.write_all_at(&line, self.len) {
            let _ = self.lock.set_len(self.len);
            return Err(error);
        }
        self.len += line.len() as u64;
        Ok(())
    }

    /// Whether the run was removed, by an engine that had our report of the end.
    pub(super) fn is_removed(&self) -> bool {
        self.lock.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Lets go of the run, whose end is written down. Whether nobody waits for this process to end.
    pub(super) fn release(self) -> io::Result<bool> {
        self.lock.unlock()?;
        // Who gets to watch later than this sees that the run has ended, and does not wait.
        Ok(File::open(self.run_dir.path())?.try_lock().is_ok())
    }
}

fn to_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// `None` when there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

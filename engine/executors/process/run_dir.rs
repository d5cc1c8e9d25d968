//! The files of a run directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::leftovers::Owner;
use super::record::{ExitRecord, Started};

/// A run that this process supervises: holds the lock.
#[derive(Debug)]
pub(super) struct Claim {
    lock: File,
    pub(super) run_dir: RunDir,
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
        lock.write_all(&to_line(owner)?)?;
        lock.try_lock()?;
        match renameat_with(CWD, &unclaimed, CWD, self.lock_path(), RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Some(Claim { lock, run_dir: self.clone() })),
            Err(error) => {
                fs::remove_file(&unclaimed)?;
                if error == Errno::EXIST { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    /// Who claimed the run, and which process it is if that was written down; `None` when there is no claim.
    pub(super) fn read_claim(&self) -> io::Result<Option<(Owner, Option<Started>)>> {
        let text = match fs::read_to_string(self.lock_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let (owner, rest) = text.split_once('\n').unwrap_or((&text, ""));
        // Just being written, or cut short by a full disk.
        let started = rest.split_once('\n').and_then(|(line, _)| serde_json::from_str(line).ok());
        Ok(Some((serde_json::from_str(owner)?, started)))
    }

    /// Has the supervisor of this run end with it, instead of taking another run, for as long as the result lives. Who
    /// waits for the process to end needs that. Of use only if the run is seen not to have ended after this.
    pub(super) fn watch(&self) -> io::Result<File> {
        let dir = File::open(&self.0)?;
        dir.lock_shared()?;
        Ok(dir)
    }

    pub(super) fn read_exit(&self) -> io::Result<Option<ExitRecord>> {
        read_json(&self.0.join("exit.json"))
    }

    pub(super) fn write_exit(&self, record: &ExitRecord) -> io::Result<()> {
        self.write_json("exit.json", record)
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
    /// Adds which process the job is.
    pub(super) fn write_started(&self, started: &Started) -> io::Result<()> {
        (&self.lock).write_all(&to_line(started)?)
    }

    /// Lets go of the run, whose record is in place. Whether nobody waits for this process to end.
    pub(super) fn release(self) -> io::Result<bool> {
        self.lock.unlock()?;
        match File::open(self.run_dir.path()) {
            // Whoever reads the record before this lock sees that the run has ended, and does not wait.
            Ok(dir) => Ok(dir.try_lock().is_ok()),
            // Removed by an engine that has read the record: a waiter reads it before it is removed.
            Err(error) => Err(error),
        }
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

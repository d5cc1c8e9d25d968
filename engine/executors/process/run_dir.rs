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
    pub(super) fn claim(&self, owner: &Owner) -> io::Result<Option<File>> {
        let unclaimed = self.0.join(format!("lock.{}", owner.supervisor.pid));
        let mut file = File::create(&unclaimed)?;
        file.write_all(&serde_json::to_vec(owner)?)?;
        file.try_lock()?;
        match renameat_with(CWD, &unclaimed, CWD, self.lock_path(), RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Some(file)),
            Err(error) => {
                fs::remove_file(&unclaimed)?;
                if error == Errno::EXIST { Ok(None) } else { Err(error.into()) }
            }
        }
    }

    pub(super) fn read_owner(&self) -> io::Result<Option<Owner>> {
        read_json(&self.lock_path())
    }

    pub(super) fn read_started(&self) -> io::Result<Option<Started>> {
        read_json(&self.0.join("started.json"))
    }

    pub(super) fn write_started(&self, started: &Started) -> io::Result<()> {
        self.write_json("started.json", started)
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

/// `None` when there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

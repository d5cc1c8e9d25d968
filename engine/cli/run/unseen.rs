//! Notes of the runs whose end nobody has seen yet.
//!
//! A run that was killed may find all its jobs finished when it is started again: they went on without it, and any command
//! that opened the store since has written their end down. The note says that they belong to a run that is to be shown to
//! its end, not repeated.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::job::ChainId;

/// The directory of the notes in that of the store.
const DIR: &str = "runs";

/// The note of the run of one job file.
pub(super) struct Unseen {
    path: PathBuf,
}

impl Unseen {
    /// The note, whether it is there or not; `config` is a good name, and so a good file name.
    pub(super) fn of(store_dir: &Path, config: &str) -> Self {
        Unseen { path: store_dir.join(DIR).join(config) }
    }

    /// The chain of the run that nobody has seen the end of.
    pub(super) fn read(&self) -> Option<ChainId> {
        fs::read_to_string(&self.path).ok()?.trim().parse().ok()
    }

    /// Makes the note.
    pub(super) fn write(&self, chain: ChainId) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = File::create(&self.path)?;
        writeln!(file, "{chain}")?;
        file.sync_all()
    }

    /// Takes the note away: the end was shown.
    pub(super) fn remove(&self) {
        // One that stays makes the next run show that end once more.
        let _ = fs::remove_file(&self.path);
    }
}

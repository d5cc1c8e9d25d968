//! Staging: where what is new is made, on the file system where it is to be, and where what is old goes.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mkdirat, openat, renameat, renameat_with, statat};
use rustix::io::Errno;

use super::error::FileError;
use super::{FOLDER, kind_of};
use crate::files::remove_tree;

/// What is staged is called so in its directory.
pub(super) const NAME: &str = "it";

/// No project has such a name.
const STAGING: &str = ".staging";

/// A directory for one thing on its way in or out; removed with what it holds unless [`Stage::doomed`] takes it over.
#[derive(Debug)]
pub(super) struct Stage {
    path: Option<PathBuf>,
}

impl Stage {
    /// Where all of them are.
    pub(super) fn all(dir: &Path) -> PathBuf {
        dir.join(STAGING)
    }

    pub(super) fn make(dir: &Path) -> io::Result<Stage> {
        static STAGES: AtomicU64 = AtomicU64::new(0);
        let path = Stage::all(dir).join(STAGES.fetch_add(1, Ordering::Relaxed).to_string());
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(Stage::all(dir))?;
                let store = dir.parent().unwrap_or(dir);
                File::open(store)?.sync_all()?;
                fs::create_dir(&path)?;
            }
            made => made?,
        }
        Ok(Stage { path: Some(path) })
    }

    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    fn staged(&self) -> PathBuf {
        self.path().join(NAME)
    }

    /// Its directory, with what was replaced in it, to be removed when nobody reads that.
    pub(super) fn doomed(mut self) -> PathBuf {
        self.path.take().unwrap_or_default()
    }

    /// What is under the name where it is to go, where that can give way to it.
    pub(super) fn fits(&self, parent: &OwnedFd, name: &str, path: &str) -> Result<Option<FileType>, FileError> {
        let there = kind_of(parent, name, path)?;
        let staged = statat(CWD, self.staged(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW).map_err(FileError::io(path))?;
        let is_folder = |kind: FileType| kind == FileType::Directory;
        match (there.map(is_folder), is_folder(FileType::from_raw_mode(staged.st_mode))) {
            (Some(true), false) => Err(FileError::refused(path, "is a folder", "a file, or nothing there before")),
            (Some(false), true) => Err(FileError::refused(path, "is a file", "a folder, or nothing there before")),
            _ => Ok(there),
        }
    }

    /// Gives what is staged its name. What has had the name is here then.
    pub(super) fn give_name(&self, parent: &OwnedFd, name: &str, path: &str) -> Result<(), FileError> {
        let renamed = match self.fits(parent, name, path)? {
            Some(FileType::Directory) => renameat_with(CWD, self.staged(), parent, name, RenameFlags::EXCHANGE),
            _ => renameat(CWD, self.staged(), parent, name),
        };
        match renamed {
            Ok(()) => sync(parent).map_err(FileError::io(path)),
            Err(Errno::INVAL | Errno::NOSYS) => {
                let allowed = "a file system that can, or a path where nothing is yet";
                Err(FileError::refused(path, "is a folder, and its file system cannot replace one at once", allowed))
            }
            Err(error) => Err(FileError::io(path)(error)),
        }
    }

    /// Takes what is under a name out of its folder.
    pub(super) fn take(&self, parent: &OwnedFd, name: &str) -> io::Result<()> {
        renameat(parent, name, CWD, self.staged())?;
        sync(parent)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = remove_tree(&path)
        {
            tracing::warn!(%error, path = %path.display(), "staged files stay until the next start");
        }
    }
}

/// Opens the folder `parents` of a project, which is made where it is not there; then it is on disk.
pub(super) fn make_folder(dir: &Path, project: &str, parents: &str, path: &str) -> Result<OwnedFd, FileError> {
    let mut folder = openat(CWD, dir, FOLDER, Mode::empty()).map_err(FileError::io(path))?;
    let mut way = String::new();
    for name in std::iter::once(project).chain(parents.split('/').filter(|name| !name.is_empty())) {
        way = if way.is_empty() { name.to_owned() } else { format!("{way}/{name}") };
        match mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => sync(&folder).map_err(FileError::io(path))?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(FileError::io(path)(error)),
        }
        folder = match openat(&folder, name, FOLDER, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let problem =
                    format!("is beneath {:?}, which is a file", way.trim_start_matches(project).trim_matches('/'));
                return Err(FileError::refused(
                    path,
                    problem,
                    "a path whose folders are folders, or are not there yet",
                ));
            }
            Err(error) => return Err(FileError::io(path)(error)),
        };
    }
    Ok(folder)
}

fn sync(folder: &impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(folder)?)
}

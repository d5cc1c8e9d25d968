//! The files of projects: a tree of files and folders for each, which people put things into and jobs read and write.
//!
//! *Architecture invariant:* whoever reads sees what was there before a change or what is there after it, whole. What is new
//! is made aside, is on disk, and then gets its name; what it replaces goes when nobody reads it any more.

mod copy;
mod error;
mod list;
mod readers;
mod stage;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use rustix::fs::{CWD, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::{create_file_beneath, open_beneath, remove_tree};
use crate::job::Timestamp;
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, is_file_path};
use copy::{Copy, READ, Room, not_copied};
pub use error::FileError;
pub use list::FilePage;
use list::List;
use readers::Readers;
use stage::{NAME, Stage};

const FOLDER: OFlags = READ.union(OFlags::DIRECTORY);

/// The files of all projects of a store. Clones are the same files. Everything here may block for long.
#[derive(Clone, Debug)]
pub struct ProjectFiles {
    /// The directory with one of each project in it, and the staging.
    dir: PathBuf,
    limits: FileLimits,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    readers: Readers,
    /// Held while names change, so that nothing is put into a folder that is on its way out. True once nothing may change
    /// any more.
    closed: Mutex<bool>,
}

/// Bounds on the files of projects. All are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes of one file, or of all files together of a folder that a job writes.
    pub bytes: u64,
    /// Files and folders in a folder that a job writes.
    pub entries: usize,
    /// Files on one page of a list.
    pub page: usize,
    /// Bytes of a file that are read at once.
    pub piece_bytes: usize,
    /// Bytes of the output value of a job that has a work tree.
    pub value_bytes: usize,
}

impl Default for FileLimits {
    /// 16 GiB, 100,000 entries, 1,000 files on a page, 4 MiB at once, 64 KiB of an output value.
    fn default() -> Self {
        FileLimits { bytes: 16 << 30, entries: 100_000, page: 1_000, piece_bytes: 4 << 20, value_bytes: 64 << 10 }
    }
}

/// A file or a folder of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Where it is among the files of the project.
    pub path: String,
    /// Its bytes; 0 for a folder.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Whether it is a folder.
    pub is_folder: bool,
}

impl ProjectFiles {
    /// The files in `dir`. What a crash has left half done is removed, so nobody else may use the directory.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(dir: PathBuf, limits: FileLimits) -> io::Result<ProjectFiles> {
        remove_tree(&Stage::all(&dir))?;
        Ok(ProjectFiles { dir, limits, shared: Arc::default() })
    }

    /// Bounds on them.
    pub fn limits(&self) -> FileLimits {
        self.limits
    }

    fn root(&self, project: &str) -> Result<PathBuf, FileError> {
        // The staging is no project.
        if project.is_empty() || project.contains('/') || project.starts_with('.') {
            return Err(FileError::refused(project, "is no project", "the name of a project"));
        }
        Ok(self.dir.join(project))
    }

    /// The data is valid after every step, so a panic elsewhere does not poison it.
    fn closed(&self) -> MutexGuard<'_, bool> {
        self.shared.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> Result<MutexGuard<'_, bool>, FileError> {
        let closed = self.closed();
        if *closed { Err(FileError::Closed) } else { Ok(closed) }
    }

    /// Has nothing change any more: the next engine may begin to use them.
    pub fn close(&self) {
        *self.closed() = true;
    }

    /// Puts a file there, in the place of one that is there; on disk when this returns.
    ///
    /// # Errors
    /// The reader fails or has too much; something is in the way; what the file system says.
    pub fn put(&self, project: &str, path: &str, content: impl Read) -> Result<FileView, FileError> {
        check(path)?;
        self.root(project)?;
        let stage = Stage::make(&self.dir).map_err(FileError::io(path))?;
        let mut file = create_file_beneath(stage.path(), NAME).map_err(FileError::io(path))?;
        let most = self.limits.bytes;
        let bytes = io::copy(&mut content.take(most.saturating_add(1)), &mut file).map_err(FileError::io(path))?;
        if bytes > most {
            let problem = format!("has more than {most} bytes");
            return Err(FileError::refused(path, problem, format!("at most {most} bytes")));
        }
        file.sync_all().map_err(FileError::io(path))?;
        let view = view_of(&file, path)?.ok_or_else(|| not_copied(path))?;
        self.promote(project, path, stage)?;
        Ok(view)
    }

    /// What there is under a path.
    ///
    /// # Errors
    /// [`FileError::Gone`], also where something on the way is no folder; what the file system says.
    pub fn stat(&self, project: &str, path: &str) -> Result<FileView, FileError> {
        let _reader = self.shared.readers.begin();
        let found = self.find(project, path)?;
        view_of(&found, path)?.ok_or_else(|| not_copied(path))
    }

    /// Opens a file. It stays what it is, also when another takes its place meanwhile.
    ///
    /// # Errors
    /// As [`ProjectFiles::stat`]; it is a folder.
    pub fn open_file(&self, project: &str, path: &str) -> Result<(FileView, File), FileError> {
        let _reader = self.shared.readers.begin();
        let found = self.find(project, path)?;
        let view = view_of(&found, path)?.ok_or_else(|| not_copied(path))?;
        if view.is_folder {
            return Err(FileError::refused(path, "is a folder", "a file"));
        }
        Ok((view, found))
    }

    /// The files whose paths begin with `prefix`, those after the path `after`, at most `limit` and [`FileLimits::page`].
    ///
    /// # Errors
    /// What the file system says.
    pub fn list(&self, project: &str, prefix: &str, after: &str, limit: usize) -> Result<FilePage, FileError> {
        let _reader = self.shared.readers.begin();
        let limit = limit.min(self.limits.page);
        let mut list = List { prefix, after, limit, page: FilePage::default() };
        let root = match openat(CWD, self.root(project)?, FOLDER, Mode::empty()) {
            Ok(root) => File::from(root),
            Err(Errno::NOENT) => return Ok(list.page),
            Err(error) => return Err(FileError::io(prefix)(error)),
        };
        list.folder(&root, "")?;
        Ok(list.page)
    }

    /// Deletes a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// As [`ProjectFiles::stat`].
    pub fn delete(&self, project: &str, path: &str) -> Result<(), FileError> {
        check(path)?;
        let stage = Stage::make(&self.dir).map_err(FileError::io(path))?;
        let changes = self.changes()?;
        let (parents, name) = split(path);
        let parent = self.folder(project, parents, path)?;
        kind_of(&parent, name, path)?.ok_or_else(|| FileError::Gone(path.to_owned()))?;
        stage.take(&parent, name).map_err(FileError::io(path))?;
        drop(changes);
        self.shared.readers.remove(stage.doomed());
        Ok(())
    }

    /// Copies a file or a folder to the same path beneath `to`, which exists. Files that are there are replaced.
    ///
    /// # Errors
    /// As [`ProjectFiles::stat`]; there is a link in it.
    pub fn place(&self, project: &str, path: &str, to: &Path) -> Result<(), FileError> {
        let _reader = self.shared.readers.begin();
        let found = self.find(project, path)?;
        let most = Room { bytes: u64::MAX, entries: usize::MAX };
        Copy { path, to, name: path, durable: false, most, left: most }.all(found)
    }

    /// Copies a file to a path beneath `to`, which exists. A file that is there is replaced. How many bytes it has.
    ///
    /// # Errors
    /// As [`ProjectFiles::open_file`].
    pub fn place_as(&self, project: &str, path: &str, to: &Path, name: &str) -> Result<u64, FileError> {
        let (view, found) = self.open_file(project, path)?;
        let most = Room { bytes: u64::MAX, entries: 1 };
        Copy { path, to, name, durable: false, most, left: most }.all(found)?;
        Ok(view.bytes)
    }

    /// Copies files and folders that a finished attempt has left beneath `from`, each under its path, to where they can
    /// become those of the project.
    ///
    /// # Errors
    /// One is not there, holds a link or too much, or has something in its way; what the file system says.
    pub fn stage(&self, project: &str, paths: &[String], from: &Path) -> Result<Staged, FileError> {
        let mut staged = Vec::with_capacity(paths.len());
        for path in paths {
            let stage = self.stage_one(path, from)?;
            self.check_way(project, path, &stage)?;
            staged.push((path.clone(), stage));
        }
        Ok(Staged { files: self.clone(), project: project.to_owned(), staged })
    }

    fn stage_one(&self, path: &str, from: &Path) -> Result<Stage, FileError> {
        check(path)?;
        let missing = || {
            let allowed = "a file or folder that the job leaves there when it succeeds";
            FileError::refused(path, "is to be written, and is not in the output of the job", allowed)
        };
        let found = match open_beneath(from, Path::new(path)) {
            Ok(Some(found)) => found.into_file(),
            Ok(None) => return Err(not_copied(path)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) => return Err(missing()),
            Err(error) => return Err(FileError::io(path)(error)),
        };
        let stage = Stage::make(&self.dir).map_err(FileError::io(path))?;
        let most = Room { bytes: self.limits.bytes, entries: self.limits.entries };
        Copy { path, to: stage.path(), name: NAME, durable: true, most, left: most }.all(found)?;
        Ok(stage)
    }

    /// Whether what is staged can take its place, as far as that can be told before it does.
    fn check_way(&self, project: &str, path: &str, stage: &Stage) -> Result<(), FileError> {
        let (parents, name) = split(path);
        match self.folder(project, parents, path) {
            Ok(parent) => stage.fits(&parent, name, path).map(drop),
            Err(FileError::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives what is staged its name.
    fn promote(&self, project: &str, path: &str, stage: Stage) -> Result<(), FileError> {
        let changes = self.changes()?;
        let (parents, name) = split(path);
        let parent = stage::make_folder(&self.dir, project, parents, path)?;
        stage.give_name(&parent, name, path)?;
        drop(changes);
        self.shared.readers.remove(stage.doomed());
        Ok(())
    }

    fn find(&self, project: &str, path: &str) -> Result<File, FileError> {
        check(path)?;
        let (parents, name) = split(path);
        let parent = self.folder(project, parents, path)?;
        match openat(&parent, name, READ, Mode::empty()) {
            Ok(found) => Ok(found.into()),
            Err(Errno::NOENT) => Err(FileError::Gone(path.to_owned())),
            Err(Errno::LOOP | Errno::NXIO) => Err(not_copied(path)),
            Err(error) => Err(FileError::io(path)(error)),
        }
    }

    /// Opens the folder that something called `path` is in.
    fn folder(&self, project: &str, parents: &str, path: &str) -> Result<OwnedFd, FileError> {
        let gone = |error| match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => FileError::Gone(path.to_owned()),
            error => FileError::io(path)(error),
        };
        let mut folder = openat(CWD, self.root(project)?, FOLDER, Mode::empty()).map_err(gone)?;
        for name in parents.split('/').filter(|name| !name.is_empty()) {
            folder = openat(&folder, name, FOLDER, Mode::empty()).map_err(gone)?;
        }
        Ok(folder)
    }
}

/// Files and folders that wait to become those of a project. They are removed when that is dropped.
#[derive(Debug)]
pub struct Staged {
    files: ProjectFiles,
    project: String,
    staged: Vec<(String, Stage)>,
}

impl Staged {
    /// Has them become those of the project, in the place of what is there: one by one, each at once and whole. They are on
    /// disk when this returns.
    ///
    /// # Errors
    /// Something has come in the way of one, or what the file system says; those before it are published.
    pub fn publish(self) -> Result<(), FileError> {
        let Staged { files, project, staged } = self;
        staged.into_iter().try_for_each(|(path, stage)| files.promote(&project, &path, stage))
    }
}

/// The folder of a path, and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn check(path: &str) -> Result<(), FileError> {
    if is_file_path(path, MOST_PATH_BYTES) {
        return Ok(());
    }
    Err(FileError::refused(path, "is no path of a file", file_path_allowed(MOST_PATH_BYTES)))
}

/// What there is under a name; a link is what it is itself.
fn kind_of(parent: &OwnedFd, name: &str, path: &str) -> Result<Option<FileType>, FileError> {
    match statat(parent, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) => Ok(Some(FileType::from_raw_mode(about.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(FileError::io(path)(error)),
    }
}

/// `None` for what is neither file nor folder.
fn view_of(found: &File, path: &str) -> Result<Option<FileView>, FileError> {
    let about = found.metadata().map_err(FileError::io(path))?;
    let is_folder = about.is_dir();
    if !is_folder && !about.is_file() {
        return Ok(None);
    }
    let modified = about.modified().map_err(FileError::io(path))?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = Timestamp::from_millis(u64::try_from(modified.as_millis()).unwrap_or(u64::MAX));
    let bytes = if is_folder { 0 } else { about.len() };
    Ok(Some(FileView { path: path.to_owned(), bytes, modified, is_folder }))
}

#[cfg(test)]
mod tests;

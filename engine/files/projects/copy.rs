//! Copies of files and folders, out of what nobody is trusted to leave alone meanwhile.

use std::fs::{File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use super::error::FileError;
use crate::files::{create_file_beneath, create_work_tree};
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, is_file_path};

/// A pipe in the place of a file must not be waited for.
pub(super) const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The owner may run it.
const RUNS: u32 = 0o100;

/// How much one copy may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes: u64,
    pub(super) entries: usize,
}

/// One copy: of what is called `path` in a project, to what is called `name` in the directory `to`.
pub(super) struct Copy<'a> {
    pub(super) path: &'a str,
    pub(super) to: &'a Path,
    pub(super) name: &'a str,
    /// Everything is on disk when the copy is made.
    pub(super) durable: bool,
    pub(super) most: Room,
    pub(super) left: Room,
}

impl Copy<'_> {
    /// Copies an open file or directory.
    pub(super) fn all(mut self, from: File) -> Result<(), FileError> {
        self.entry(from, "")
    }

    /// `inner` is where it is beneath the top, with a `/` before it.
    fn entry(&mut self, from: File, inner: &str) -> Result<(), FileError> {
        let path = format!("{}{inner}", self.path);
        if !is_file_path(&path, MOST_PATH_BYTES) {
            return Err(FileError::refused(&path, "is no path of a file", file_path_allowed(MOST_PATH_BYTES)));
        }
        self.left.entries = self.left.entries.checked_sub(1).ok_or_else(|| self.too_many())?;
        let kind = from.metadata().map_err(FileError::io(&path))?.file_type();
        if kind.is_file() {
            self.file(&from, inner, &path)
        } else if kind.is_dir() {
            self.folder(&from, inner, &path)
        } else {
            Err(not_copied(&path))
        }
    }

    fn file(&mut self, from: &File, inner: &str, path: &str) -> Result<(), FileError> {
        let io = FileError::io(path);
        let mut copy = create_file_beneath(self.to, &format!("{}{inner}", self.name)).map_err(&io)?;
        // Not through a buffer of ours: the kernel may share the blocks.
        let copied = io::copy(&mut from.take(self.left.bytes.saturating_add(1)), &mut copy).map_err(&io)?;
        self.left.bytes = self.left.bytes.checked_sub(copied).ok_or_else(|| self.too_large())?;
        let may_run = from.metadata().map_err(&io)?.permissions().mode() & RUNS != 0;
        if may_run {
            // Who may read it may run it.
            let mode = copy.metadata().map_err(&io)?.permissions().mode();
            copy.set_permissions(Permissions::from_mode(mode | (mode & 0o444) >> 2)).map_err(&io)?;
        }
        if self.durable { copy.sync_all().map_err(&io) } else { Ok(()) }
    }

    fn folder(&mut self, from: &File, inner: &str, path: &str) -> Result<(), FileError> {
        let io = FileError::io(path);
        let target = format!("{}{inner}", self.name);
        create_work_tree(self.to, &[&target]).map_err(&io)?;
        for entry in Dir::read_from(from).map_err(FileError::io(path))? {
            let entry = entry.map_err(FileError::io(path))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let shown = std::ffi::OsStr::from_bytes(name.to_bytes());
            let Some(utf8) = shown.to_str() else {
                let problem = format!("holds {shown:?}, whose name is not UTF-8");
                return Err(FileError::refused(path, problem, file_path_allowed(MOST_PATH_BYTES)));
            };
            let inner = format!("{inner}/{utf8}");
            let opened = match openat(from, name, READ, Mode::empty()) {
                Ok(opened) => opened,
                Err(Errno::LOOP | Errno::NXIO) => return Err(not_copied(&format!("{}{inner}", self.path))),
                Err(error) => return Err(FileError::io(path)(error)),
            };
            self.entry(opened.into(), &inner)?;
        }
        if self.durable {
            File::open(self.to.join(&target)).and_then(|dir| dir.sync_all()).map_err(&io)
        } else {
            Ok(())
        }
    }

    fn too_large(&self) -> FileError {
        let most = self.most.bytes;
        FileError::refused(self.path, format!("has more than {most} bytes"), format!("at most {most} bytes"))
    }

    fn too_many(&self) -> FileError {
        let most = self.most.entries;
        let problem = format!("holds more than {most} files and folders");
        FileError::refused(self.path, problem, format!("at most {most} files and folders"))
    }
}

pub(super) fn not_copied(path: &str) -> FileError {
    FileError::refused(path, "is a link, or neither file nor folder", "files and folders")
}

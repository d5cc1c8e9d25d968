//! A directory that is its owner's alone. What is in it is read and written without following a link out of it, and
//! written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// A pipe in the place of a file must not be waited for.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
const DRAFT: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Rights to write of the group and of others.
const OTHERS_WRITE: u32 = 0o022;

/// An open directory.
#[derive(Debug)]
pub struct PrivateDir {
    path: PathBuf,
    dir: File,
}

impl PrivateDir {
    /// Opens a directory; `None` when there is none.
    ///
    /// # Errors
    /// A link, a file, and a directory that is another user's or that others may write are refused.
    pub fn open(path: &Path) -> io::Result<Option<PrivateDir>> {
        PrivateDir::checked(path.to_owned(), openat(CWD, path, DIRECTORY, Mode::empty()))
    }

    /// Opens a directory, which is made when there is none.
    ///
    /// # Errors
    /// As [`PrivateDir::open`].
    pub fn create(path: &Path) -> io::Result<PrivateDir> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        PrivateDir::open(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn checked(path: PathBuf, opened: rustix::io::Result<std::os::fd::OwnedFd>) -> io::Result<Option<PrivateDir>> {
        let dir = match opened {
            Ok(dir) => File::from(dir),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(refused(&path, "is a link or no directory")),
            Err(error) => return Err(error.into()),
        };
        let about = dir.metadata()?;
        if about.uid() != geteuid().as_raw() {
            return Err(refused(&path, "belongs to another user"));
        }
        if about.mode() & OTHERS_WRITE != 0 {
            return Err(refused(&path, "may be written by others; chmod go-w keeps them out"));
        }
        Ok(Some(PrivateDir { path, dir }))
    }

    /// Waits until no other process has it locked, and has it locked until dropped.
    ///
    /// # Errors
    /// What the file system says.
    pub fn lock(&self) -> io::Result<()> {
        self.dir.lock()
    }

    /// The names of the directories in it, in order; no links, nothing that begins with a dot.
    ///
    /// # Errors
    /// What the file system says.
    pub fn directories(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_directory = match entry.file_type() {
                FileType::Unknown => {
                    let about = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(about.st_mode) == FileType::Directory
                }
                kind => kind == FileType::Directory,
            };
            if is_directory && !name.starts_with('.') {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a directory in it; `None` when there is none.
    ///
    /// # Errors
    /// As [`PrivateDir::open`].
    pub fn directory(&self, name: &str) -> io::Result<Option<PrivateDir>> {
        let opened = openat(&self.dir, plain(name)?, DIRECTORY, Mode::empty());
        PrivateDir::checked(self.path.join(name), opened)
    }

    /// Opens a directory in it, which is made when there is none.
    ///
    /// # Errors
    /// As [`PrivateDir::open`].
    pub fn make_directory(&self, name: &str) -> io::Result<PrivateDir> {
        match mkdirat(&self.dir, plain(name)?, Mode::from_raw_mode(0o700)) {
            Ok(()) => self.dir.sync_all()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.directory(name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The content of a file in it; `None` when there is none.
    ///
    /// # Errors
    /// A link, what is no file, and a file of more than `most_bytes` are refused.
    pub fn read(&self, name: &str, most_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        let file = match openat(&self.dir, plain(name)?, READ, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(refused(&path, "is a link")),
            Err(error) => return Err(error.into()),
        };
        read_bounded(&file, &path, most_bytes).map(Some)
    }

    /// Puts a file in it, in the place of one that is there; on disk when this returns.
    ///
    /// # Errors
    /// What the file system says; then what was there is as it was.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = format!(".{}.new", plain(name)?);
        // What a crash has left. Two that write at once lock the directory.
        self.remove(&draft)?;
        let mut file = File::from(openat(&self.dir, &draft, DRAFT, Mode::from_raw_mode(0o600))?);
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        renameat(&self.dir, &draft, &self.dir, name)?;
        self.dir.sync_all()
    }

    /// Removes a file in it; one that is not there is fine.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.dir, plain(name)?, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a directory in it with all that is in that; one that is not there is fine.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove_directory(&self, name: &str) -> io::Result<()> {
        super::remove_tree(&self.path.join(plain(name)?))?;
        self.dir.sync_all()
    }
}

/// The content of a plain file anywhere, of at most `most_bytes`.
///
/// # Errors
/// What is no file and what is larger is refused.
pub fn read_file(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let flags = READ.difference(OFlags::NOFOLLOW);
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    read_bounded(&file, path, most_bytes)
}

fn read_bounded(file: &File, path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(refused(path, "is no file"));
    }
    let mut bytes = Vec::new();
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Err(refused(path, &format!("has more than {most_bytes} bytes")));
    }
    Ok(bytes)
}

/// A name that stays in its directory.
fn plain(name: &str) -> io::Result<&str> {
    if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a file")));
    }
    Ok(name)
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("dir");
        (place, path)
    }

    #[test]
    fn files_are_written_whole_and_for_the_owner() {
        let (_place, path) = place();
        assert!(PrivateDir::open(&path).unwrap().is_none());
        let dir = PrivateDir::create(&path).unwrap();
        // Left by a crash.
        fs::write(path.join(".a.new"), "half").unwrap();
        dir.write("a", b"one").unwrap();
        dir.write("a", b"two").unwrap();
        assert_eq!(dir.read("a", 3).unwrap().unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("a"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        dir.remove("a").unwrap();
        dir.remove("a").unwrap();
        assert!(dir.read("a", 3).unwrap().is_none());
    }

    #[test]
    fn no_link_is_followed_and_nothing_else_is_read() {
        let (place, path) = place();
        let dir = PrivateDir::create(&path).unwrap();
        fs::write(place.path().join("outside"), "x").unwrap();
        symlink(place.path().join("outside"), path.join("link")).unwrap();
        symlink(place.path(), path.join("linked")).unwrap();
        fs::create_dir(path.join("sub")).unwrap();
        fs::create_dir(path.join(".hidden")).unwrap();
        assert!(dir.read("link", 10).unwrap_err().to_string().contains("is a link"));
        assert!(dir.read("sub", 10).unwrap_err().to_string().contains("is no file"));
        assert!(dir.directory("linked").is_err());
        assert_eq!(dir.directories().unwrap(), ["sub"]);
        // A link is replaced, not written through.
        dir.write("link", b"own").unwrap();
        assert_eq!(fs::read(place.path().join("outside")).unwrap(), b"x");
        let pipe = path.join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
        assert!(dir.read("pipe", 10).unwrap_err().to_string().contains("is no file"));
        assert!(read_file(&pipe, 10).is_err());
        for name in ["", ".", "..", "../outside", "a/b"] {
            assert!(dir.read(name, 10).is_err() && dir.write(name, b"").is_err(), "{name}");
        }
        symlink(&path, place.path().join("way")).unwrap();
        assert!(PrivateDir::open(&place.path().join("way")).is_err());
    }

    #[test]
    fn what_others_may_write_and_what_is_too_large_is_refused() {
        let (_place, path) = place();
        let dir = PrivateDir::create(&path).unwrap();
        dir.write("a", &[7; 11]).unwrap();
        assert!(dir.read("a", 10).unwrap_err().to_string().contains("more than 10 bytes"));
        let sub = dir.make_directory("sub").unwrap();
        sub.write("b", b"b").unwrap();
        assert_eq!(dir.make_directory("sub").unwrap().read("b", 1).unwrap().unwrap(), b"b");
        fs::set_permissions(path.join("sub"), Permissions::from_mode(0o770)).unwrap();
        assert!(dir.directory("sub").unwrap_err().to_string().contains("by others"));
        dir.remove_directory("sub").unwrap();
        dir.remove_directory("sub").unwrap();
        assert!(dir.directories().unwrap().is_empty());
    }
}

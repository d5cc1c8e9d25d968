//! The work tree of an attempt as a tar archive, while its bytes pass.
//!
//! What is packed and unpacked is regular files and directories; what is unpacked lands under `output` only.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::room::Room;
use crate::files::{Opened, create_file_beneath, create_work_tree, open_beneath};

/// Bytes before the content of an entry: its header and those that extend it, which are read into memory.
const MOST_HEADER_BYTES: u64 = 1 << 20;
/// Bytes of the path of an entry, as many as the system takes.
const MOST_PATH_BYTES: usize = 4_096;
/// Where what is unpacked goes.
const OUTPUT: &str = "output";

/// The way out of an archive that is being packed; it closes when that fails, or the archive would write its end marker all
/// the same.
struct Outlet<W> {
    pipe: W,
    closed: Rc<Cell<bool>>,
}

impl<W: Write> Write for Outlet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed.get() {
            return Err(refused("it was not packed to its end".to_owned()));
        }
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

/// Writes an archive of all that is in `dir`.
///
/// # Errors
/// What is written then has no end marker, which whoever reads it notices.
pub(super) fn pack(dir: &Path, pipe: impl Write) -> io::Result<()> {
    let closed = Rc::new(Cell::new(false));
    let mut archive = tar::Builder::new(Outlet { pipe, closed: closed.clone() });
    let packed = pack_all(&mut archive, dir);
    closed.set(packed.is_err());
    packed?;
    archive.into_inner()?.flush()
}

/// Each thing is opened by its way from the top and without following a link: whoever may write the tree may exchange
/// anything in it meanwhile.
fn pack_all<W: Write>(archive: &mut tar::Builder<W>, root: &Path) -> io::Result<()> {
    let mut ahead = vec![PathBuf::new()];
    while let Some(path) = ahead.pop() {
        match open_beneath(root, &path)? {
            Some(Opened::Directory(dir, mut names)) => {
                if path != Path::new("") {
                    append(archive, &path, &dir, 0)?;
                }
                names.sort_unstable_by(|one, other| other.cmp(one));
                ahead.extend(names.into_iter().map(|name| path.join(name)));
            }
            Some(Opened::File(file)) => append(archive, &path, &file, file.metadata()?.len())?,
            None => {}
        }
    }
    Ok(())
}

/// Appends an entry with as many bytes of content, which may have become more or fewer since they were counted.
fn append<W: Write>(archive: &mut tar::Builder<W>, path: &Path, file: &File, bytes: u64) -> io::Result<()> {
    if path.as_os_str().len() > MOST_PATH_BYTES {
        return Err(refused(format!("a path of more than {MOST_PATH_BYTES} bytes")));
    }
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&file.metadata()?, tar::HeaderMode::Deterministic);
    header.set_size(bytes);
    let mut content = file.take(bytes);
    archive.append_data(&mut header, path, &mut content)?;
    if content.limit() > 0 {
        return Err(refused(format!("{} has become shorter", path.display())));
    }
    Ok(())
}

/// Lets as many bytes of an archive through as it may have.
struct Bounded<'r, R> {
    pipe: R,
    left: u64,
    room: &'r Room,
    /// Of those, until the content of the next entry.
    header_left: Rc<Cell<u64>>,
    /// There is no more, and its reader wanted more.
    broken_off: Rc<Cell<bool>>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(self.room.is_full());
        }
        let most = self.left.min(self.header_left.get());
        if most == 0 {
            let message = format!("what comes before an entry is longer than {MOST_HEADER_BYTES} bytes");
            return Err(refused(message));
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
        let size = self.pipe.read(bytes.get_mut(..most).unwrap_or_default())?;
        self.broken_off.set(size == 0);
        self.left -= size as u64;
        self.header_left.set(self.header_left.get().saturating_sub(size as u64));
        Ok(size)
    }
}

/// Unpacks an archive into a work tree, as far as there is room.
///
/// # Errors
/// It is no archive, breaks off, holds too much or something else than files and directories, or leads out of the outputs.
/// What came before that is in place.
pub(super) fn unpack(pipe: impl Read, dir: &Path, room: &Room) -> io::Result<()> {
    let (header_left, broken_off) = (Rc::new(Cell::new(MOST_HEADER_BYTES)), Rc::new(Cell::new(false)));
    let left = room.most_bytes().saturating_add(1);
    let bounded = Bounded { pipe, left, room, header_left: header_left.clone(), broken_off: broken_off.clone() };
    let mut archive = tar::Archive::new(bounded);
    for entry in archive.entries()? {
        let mut entry = entry?;
        header_left.set(u64::MAX);
        if !room.take_entry() || !room.take(entry.size()) {
            return Err(room.is_full());
        }
        let path = target(&entry.path()?)?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => create_work_tree(dir, &[&path])?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                io::copy(&mut entry, &mut create_file_beneath(dir, &path)?)?;
            }
            // Extended headers are read by the archive itself.
            tar::EntryType::XGlobalHeader => {}
            kind => return Err(refused(format!("{path} is no file and no directory but {kind:?}"))),
        }
        header_left.set(MOST_HEADER_BYTES);
    }
    // After its end marker nothing is read.
    if broken_off.get() {
        return Err(refused("it breaks off before its end".to_owned()));
    }
    Ok(())
}

/// Where an entry goes, beneath the work tree; paths that lead elsewhere are refused where it is made.
fn target(path: &Path) -> io::Result<String> {
    let bytes = path.as_os_str().len();
    if bytes > MOST_PATH_BYTES {
        return Err(refused(format!("a path of {bytes} bytes; allowed: at most {MOST_PATH_BYTES}")));
    }
    let mut target = OUTPUT.to_owned();
    for part in path.components() {
        match part {
            Component::Normal(part) => {
                let part = part.to_str().ok_or_else(|| refused(format!("{} is not UTF-8", path.display())))?;
                target.push('/');
                target.push_str(part);
            }
            Component::CurDir => {}
            _ => return Err(refused(format!("{} leads out of the directory", path.display()))),
        }
    }
    Ok(target)
}

fn refused(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(archive: &[u8], dir: &Path) -> io::Result<()> {
        create_work_tree(dir, &[OUTPUT])?;
        unpack(archive, dir, &Room::new(64 << 20))
    }

    #[test]
    fn a_name_as_long_as_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        let content = vec![b'x'; 3 << 20];
        header.set_size(content.len() as u64);
        archive.append_data(&mut header.clone(), format!("{}/file", "long/".repeat(100)), content.as_slice()).unwrap();
        let end = [0; 1_024];
        unpacked(&[archive.get_ref().as_slice(), &end].concat(), dir.path()).unwrap();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_cksum();
        archive.append(&header, content.as_slice()).unwrap();
        let error = unpacked(&archive.into_inner().unwrap(), dir.path()).unwrap_err();
        assert!(error.to_string().contains("before an entry"), "{error}");
    }

    fn packed(dir: &Path) -> (io::Result<()>, Vec<u8>) {
        let mut archive = Vec::new();
        (pack(dir, &mut archive), archive)
    }

    #[test]
    fn what_is_packed_is_unpacked_the_same() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        create_work_tree(from.path(), &["b/empty", "a"]).unwrap();
        std::fs::write(from.path().join("b/file"), vec![b'x'; 5_000]).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("a/link")).unwrap();
        let (result, archive) = packed(from.path());
        result.unwrap();
        let mut read = tar::Archive::new(archive.as_slice());
        let names: Vec<PathBuf> =
            read.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, ["a", "b", "b/empty", "b/file"].map(PathBuf::from));
        unpacked(&archive, to.path()).unwrap();
        assert_eq!(packed(&to.path().join(OUTPUT)).1, archive);
    }

    #[test]
    fn an_archive_that_breaks_off_has_no_end() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "first").unwrap();
        create_work_tree(dir.path(), &[&["d".repeat(250).as_str(); 20].join("/")]).unwrap();
        let (result, archive) = packed(dir.path());
        result.unwrap_err();
        let error = unpacked(&archive, tempfile::tempdir().unwrap().path()).unwrap_err();
        assert!(error.to_string().contains("breaks off"), "{error}");
    }

    /// Puts a link in the place of a directory as soon as that is in the archive.
    struct Exchange<'a> {
        dir: &'a Path,
        link_to: &'a Path,
        archive: Vec<u8>,
    }

    impl Write for Exchange<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.archive.is_empty() {
                std::fs::rename(self.dir, self.dir.with_file_name("z")).unwrap();
                std::os::unix::fs::symlink(self.link_to, self.dir).unwrap();
            }
            self.archive.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_exchanged_for_a_link_meanwhile_is_not_followed() {
        let (work, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("file"), "a secret of somebody else").unwrap();
        create_work_tree(work.path(), &["a"]).unwrap();
        std::fs::write(work.path().join("a/file"), "what belongs to the job").unwrap();
        let mut pipe = Exchange { dir: &work.path().join("a"), link_to: outside.path(), archive: Vec::new() };
        pack(work.path(), &mut pipe).unwrap_err();
        assert!(!pipe.archive.is_empty() && !pipe.archive.windows(8).any(|it| it == b"a secret"));
    }
}

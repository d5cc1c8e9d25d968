//! The work tree of an attempt as a tar archive: packed as a plugin reads it, unpacked as it writes it.
//!
//! What is packed and unpacked is regular files and directories; what is unpacked lands under `output` only.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::pipe::AsyncReadStream;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::call::WorkTree;
use super::room::Room;
use crate::files::{create_file_beneath, create_work_tree};
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// Bytes between the archive and whoever reads or writes it.
const PIECE: usize = 256 << 10;
/// Pieces that were written and are not unpacked yet.
const PIECES: usize = 4;
/// Bytes before the content of an entry: its header and those that extend it, which are read into memory.
const MOST_HEADER_BYTES: u64 = 1 << 20;
/// Bytes of the path of an entry, as many as the system takes.
const MOST_PATH_BYTES: usize = 4_096;
/// Where what is unpacked goes.
const OUTPUT: &str = "output";

/// The blocking end of a pipe.
struct Blocking(DuplexStream, Handle);

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.block_on(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive that is being packed.
pub(super) struct Packing(JoinHandle<()>);

impl Packing {
    pub(super) fn goes_on(&self) -> bool {
        !self.0.is_finished()
    }
}

/// An archive of all that is in `dir`. An error on the way breaks the archive off before its end marker, which whoever
/// reads it notices.
pub(super) fn pack(dir: PathBuf) -> (AsyncReadStream, Packing) {
    let (near, far) = duplex(PIECE);
    let threads = Handle::current();
    let pipe = Blocking(far, threads.clone());
    let task = threads.spawn_blocking(move || {
        let mut archive = tar::Builder::new(io::BufWriter::with_capacity(PIECE / 4, pipe));
        archive.mode(tar::HeaderMode::Deterministic);
        let packed = pack_dir(&mut archive, &dir, Path::new("")).and_then(|()| archive.into_inner()?.flush());
        if let Err(error) = packed {
            tracing::debug!(%error, "a work tree was not packed to its end");
        }
    });
    (AsyncReadStream::new(near), Packing(task))
}

fn pack_dir<W: Write>(archive: &mut tar::Builder<W>, dir: &Path, name: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            archive.append_dir(&name, &path)?;
            pack_dir(archive, &path, &name)?;
        } else if kind.is_file() {
            archive.append_file(&name, &mut File::open(&path)?)?;
        }
    }
    Ok(())
}

/// An archive that is being unpacked.
pub(super) struct Unpacking(JoinHandle<io::Result<()>>);

impl Unpacking {
    /// Returns when everything is in place.
    pub(super) async fn finish(self) -> Answer<()> {
        let unpacked = self.0.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        unpacked.map_err(|error| {
            let message = format!("the archive could not be unpacked: {error}");
            PluginError::new(ErrorKind::Invalid, Retry::Backoff, message)
        })
    }
}

/// Unpacks what is written to the stream. The end is a stream that was dropped, so `finish` is called after that.
pub(super) fn unpack(work: WorkTree) -> (Intake, Unpacking) {
    let (pieces, taken) = mpsc::channel(PIECES);
    let pipe = Taken { pieces: taken, left: Bytes::new() };
    let task = Handle::current().spawn_blocking(move || unpack_all(pipe, &work));
    (Intake(pieces), Unpacking(task))
}

/// The stream that a plugin writes an archive to. What was written is unpacked also when the stream is dropped right after.
pub(super) struct Intake(mpsc::Sender<Bytes>);

impl OutputStream for Intake {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.0.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(StreamError::Closed),
            Err(TrySendError::Full(_)) => Err(StreamError::trap("more was written than there was room for")),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.0.capacity() {
            _ if self.0.is_closed() => Err(StreamError::Closed),
            0 => Ok(0),
            _ => Ok(PIECE),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Intake {
    async fn ready(&mut self) {
        // One that nobody reads any more is ready to say so.
        let _ = self.0.reserve().await;
    }
}

/// What was written, for a thread that may wait for it.
struct Taken {
    pieces: mpsc::Receiver<Bytes>,
    left: Bytes,
}

impl Read for Taken {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.left.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.left = piece,
                None => return Ok(0),
            }
        }
        let size = bytes.len().min(self.left.len());
        let (bytes, _) = bytes.split_at_mut(size);
        bytes.copy_from_slice(&self.left.split_to(size));
        Ok(size)
    }
}

/// Lets as many bytes of an archive through as it may have.
struct Bounded<R> {
    pipe: R,
    left: u64,
    room: Room,
    /// Of those, until the content of the next entry.
    header_left: Rc<Cell<u64>>,
    /// There is no more, and its reader wanted more.
    broken_off: Rc<Cell<bool>>,
}

impl<R: Read> Read for Bounded<R> {
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

fn unpack_all(pipe: impl Read, work: &WorkTree) -> io::Result<()> {
    let (header_left, broken_off) = (Rc::new(Cell::new(MOST_HEADER_BYTES)), Rc::new(Cell::new(false)));
    let (left, room) = (work.room.most_bytes().saturating_add(1), work.room.clone());
    let bounded = Bounded { pipe, left, room, header_left: header_left.clone(), broken_off: broken_off.clone() };
    let mut archive = tar::Archive::new(bounded);
    for entry in archive.entries()? {
        let mut entry = entry?;
        header_left.set(u64::MAX);
        if !work.room.take_entry() || !work.room.take(entry.size()) {
            return Err(work.room.is_full());
        }
        let path = target(&entry.path()?)?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => create_work_tree(&work.dir, &[&path])?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                io::copy(&mut entry, &mut create_file_beneath(&work.dir, &path)?)?;
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
        unpack_all(archive, &WorkTree { dir: dir.to_owned(), host_path: false, write: true, room: Room::new(64 << 20) })
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
}

//! The work tree of an attempt as a tar archive: packed as a plugin reads it, unpacked as it writes it.
//!
//! What is packed and unpacked is regular files and directories; what is unpacked lands under `output` only.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::pipe::{AsyncReadStream, AsyncWriteStream};

use super::call::WorkTree;
use crate::files::{create_file_beneath, create_work_tree};
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// Bytes between the archive and whoever reads or writes it.
const PIECE: usize = 256 << 10;
/// Entries of one archive that is unpacked.
const MOST_ENTRIES: u64 = 1_000_000;
/// Where what is unpacked goes.
const OUTPUT: &str = "output";

/// The blocking end of a pipe.
struct Blocking(DuplexStream, Handle);

impl Read for Blocking {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.1.block_on(self.0.read(bytes))
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.block_on(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive of all that is in `dir`. An error on the way breaks the archive off before its end marker, which whoever
/// reads it notices.
pub(super) fn pack(dir: PathBuf) -> AsyncReadStream {
    let (near, far) = duplex(PIECE);
    let threads = Handle::current();
    let pipe = Blocking(far, threads.clone());
    threads.spawn_blocking(move || {
        let mut archive = tar::Builder::new(io::BufWriter::with_capacity(PIECE / 4, pipe));
        archive.mode(tar::HeaderMode::Deterministic);
        let packed = pack_dir(&mut archive, &dir, Path::new("")).and_then(|()| archive.into_inner()?.flush());
        if let Err(error) = packed {
            tracing::debug!(%error, "a work tree was not packed to its end");
        }
    });
    AsyncReadStream::new(near)
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
pub(super) fn unpack(work: WorkTree) -> (AsyncWriteStream, Unpacking) {
    let (near, far) = duplex(PIECE);
    let threads = Handle::current();
    let pipe = Blocking(far, threads.clone());
    let task = threads.spawn_blocking(move || unpack_all(pipe, &work));
    (AsyncWriteStream::new(PIECE, near), Unpacking(task))
}

fn unpack_all(pipe: impl Read, work: &WorkTree) -> io::Result<()> {
    let mut archive = tar::Archive::new(pipe.take(work.most_bytes.saturating_add(1)));
    let (mut bytes, mut count) = (0_u64, 0_u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        count += 1;
        bytes = bytes.saturating_add(entry.size());
        if count > MOST_ENTRIES || bytes > work.most_bytes {
            return Err(refused(format!("it holds more than {} bytes or {MOST_ENTRIES} entries", work.most_bytes)));
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
    }
    Ok(())
}

/// Where an entry goes, beneath the work tree; paths that lead elsewhere are refused where it is made.
fn target(path: &Path) -> io::Result<String> {
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

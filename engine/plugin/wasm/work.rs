//! The work tree of an attempt as a stream: packed as a plugin reads it, unpacked as it writes it.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::pipe::AsyncReadStream;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::call::WorkTree;
use crate::plugin::archive;
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// Bytes between the archive and whoever reads or writes it.
const PIECE: usize = 256 << 10;
/// Pieces that were written and are not unpacked yet.
const PIECES: usize = 4;

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
        if let Err(error) = archive::pack(&dir, io::BufWriter::with_capacity(PIECE / 4, pipe)) {
            tracing::debug!(%error, "a work tree was not packed to its end");
        }
    });
    (AsyncReadStream::new(near), Packing(task))
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
    let task = Handle::current().spawn_blocking(move || archive::unpack(pipe, &work.dir, &work.room));
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

//! What a plugin pushes into a log, recorded piece by piece.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::executors::BoxFuture;
use crate::files::LogStream;
use crate::plugin::contract::LogSink;

/// One piece.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) stream: LogStream,
    pub(super) bytes: Vec<u8>,
    /// Where the log goes on after it.
    pub(super) cursor: String,
}

/// Takes pieces until it has enough.
pub(super) struct Tape {
    pieces: Mutex<Vec<Piece>>,
    most: usize,
}

impl Tape {
    /// Says that it wants no more when it has as many.
    pub(super) fn of_at_most(most: usize) -> Arc<Tape> {
        Arc::new(Tape { pieces: Mutex::default(), most })
    }

    pub(super) fn endless() -> Arc<Tape> {
        Tape::of_at_most(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was recorded; the tape is empty then.
    pub(super) fn take(&self) -> Vec<Piece> {
        std::mem::take(&mut self.lock())
    }
}

impl LogSink for Tape {
    fn write<'a>(&'a self, stream: LogStream, bytes: &'a [u8], cursor: &'a str) -> BoxFuture<'a, bool> {
        let mut pieces = self.lock();
        pieces.push(Piece { stream, bytes: bytes.to_vec(), cursor: cursor.to_owned() });
        let wants_more = pieces.len() < self.most;
        Box::pin(async move { wants_more })
    }
}

/// What the work itself has printed to one of its streams. How the pieces are cut does not matter.
pub(super) fn printed(pieces: &[Piece], stream: LogStream) -> Vec<u8> {
    pieces.iter().filter(|piece| piece.stream == stream).flat_map(|piece| piece.bytes.iter().copied()).collect()
}

/// Where two readings of the same log differ, in words; what the platform itself says is left out.
pub(super) fn difference(wanted: &[Piece], got: &[Piece]) -> Option<String> {
    for (stream, name) in [(LogStream::Stdout, "standard output"), (LogStream::Stderr, "standard error")] {
        let (wanted, got) = (printed(wanted, stream), printed(got, stream));
        if wanted != got {
            let same = wanted.iter().zip(&got).take_while(|(a, b)| a == b).count();
            let (wanted, got) = (wanted.len(), got.len());
            return Some(format!("{name} has {got} bytes instead of {wanted} and differs from byte {same} on"));
        }
    }
    None
}

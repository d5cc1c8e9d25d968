//! What a guest prints goes to the log of its attempt as it is printed, with the secrets masked.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::clock::Clock;
use crate::files::{LogStream, LogWriter, Masker};

/// The most that a guest may hand over at once.
const PIECE: usize = 64 << 10;

/// The log of one attempt.
pub(super) struct AttemptLog {
    inner: Mutex<Inner>,
    clock: Clock,
}

struct Inner {
    writer: LogWriter,
    out: Masker,
    err: Masker,
    /// The log could not be written; said once.
    failed: bool,
}

impl AttemptLog {
    pub(super) fn new(writer: LogWriter, secrets: &[String], clock: Clock) -> Arc<AttemptLog> {
        let (out, err) = (Masker::new(secrets), Masker::new(secrets));
        Arc::new(AttemptLog { inner: Mutex::new(Inner { writer, out, err, failed: false }), clock })
    }

    pub(super) fn stream(self: &Arc<Self>, stream: LogStream) -> Printed {
        Printed { log: self.clone(), stream }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log that cannot be written stops no guest: it says less, and the engine's own log says why.
    fn write(&self, stream: LogStream, bytes: &[u8]) {
        let mut inner = self.lock();
        let masker = if stream == LogStream::Stdout { &mut inner.out } else { &mut inner.err };
        let masked = masker.push(bytes);
        self.append(&mut inner, stream, &masked);
    }

    /// Writes what was held back because a secret might have begun in it.
    pub(super) fn finish(&self) {
        let mut inner = self.lock();
        let (out, err) = (inner.out.flush(), inner.err.flush());
        self.append(&mut inner, LogStream::Stdout, &out);
        self.append(&mut inner, LogStream::Stderr, &err);
    }

    fn append(&self, inner: &mut Inner, stream: LogStream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let now = self.clock.now().as_millis();
        if let Err(error) = inner.writer.write(stream, now, bytes)
            && !std::mem::replace(&mut inner.failed, true)
        {
            tracing::warn!(%error, "the log of a WebAssembly job cannot be written");
        }
    }
}

/// Standard output or error of a guest.
pub(super) struct Printed {
    log: Arc<AttemptLog>,
    stream: LogStream,
}

impl Printed {
    fn again(&self) -> Printed {
        Printed { log: self.log.clone(), stream: self.stream }
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.again())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.again())
    }
}

impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        self.log.write(self.stream, piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

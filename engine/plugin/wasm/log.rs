//! What a guest prints: a program's goes to the log of its attempt as it is printed, a plugin's last words into its errors.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::call::LastWords;
use crate::files::{AttemptLog, LogStream};

/// The most that a guest may hand over at once.
const PIECE: usize = 64 << 10;

/// What takes the output of a guest, a piece at a time.
pub(super) trait Listener: Clone + Send + Sync + Unpin + 'static {
    fn hear(&self, bytes: &[u8]);
}

/// Standard output or error of a program.
#[derive(Clone)]
pub(super) struct Printed {
    log: Arc<AttemptLog>,
    stream: LogStream,
}

impl Printed {
    pub(super) fn to(log: Arc<AttemptLog>, stream: LogStream) -> Output<Printed> {
        Output(Printed { log, stream })
    }
}

impl Listener for Printed {
    fn hear(&self, bytes: &[u8]) {
        self.log.write(self.stream, bytes);
    }
}

impl Listener for LastWords {
    fn hear(&self, bytes: &[u8]) {
        self.push(bytes);
    }
}

/// An output stream of a guest. It never waits.
pub(super) struct Output<L>(pub(super) L);

impl<L: Listener> IsTerminal for Output<L> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl<L: Listener> StdoutStream for Output<L> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Output(self.0.clone()))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Output(self.0.clone()))
    }
}

impl<L: Listener> OutputStream for Output<L> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.hear(&bytes);
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
impl<L: Listener> Pollable for Output<L> {
    async fn ready(&mut self) {}
}

impl<L: Listener> AsyncWrite for Output<L> {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        self.0.hear(piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! One connection that is open: bytes in, bytes out, and TLS from some point on.
//!
//! There is no task and no thread behind it: everything happens while somebody waits for it, so what is dropped ends at
//! once.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;

use super::super::EndpointError;
use super::super::error::{Part, Wait};
use super::super::tls;
use super::verify::{self, Verify};

/// Bytes that are read at once, and that are taken for writing at once.
const PIECE: usize = 64 << 10;

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) between_bytes: Option<Duration>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// What carries the bytes.
trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// An open connection. Dropping it closes it.
pub struct Line {
    state: Mutex<State>,
    /// For TLS.
    ca: Option<PathBuf>,
    handshake: Duration,
    bounds: Bounds,
    _turn: OwnedSemaphorePermit,
}

struct State {
    /// Not there when it is closed, or while a handshake takes place.
    carrier: Option<Box<dyn Carrier>>,
    is_tls: bool,
    /// Taken to be written.
    pending: BytesMut,
    /// It is written and may still be held back.
    is_unflushed: bool,
    scratch: Box<[u8]>,
    received: u64,
    sent: u64,
    failure: Option<EndpointError>,
}

impl Line {
    pub(super) fn new(
        stream: TcpStream,
        ca: Option<PathBuf>,
        handshake: Duration,
        bounds: Bounds,
        turn: OwnedSemaphorePermit,
    ) -> Line {
        let state = State {
            carrier: Some(Box::new(stream)),
            is_tls: false,
            pending: BytesMut::new(),
            is_unflushed: false,
            scratch: vec![0; PIECE].into_boxed_slice(),
            received: 0,
            sent: 0,
            failure: None,
        };
        Line { state: Mutex::new(state), ca, handshake, bounds, _turn: turn }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it broke, if it did.
    pub fn failure(&self) -> Option<EndpointError> {
        self.state().failure.clone()
    }

    /// Closes it. Whoever still reads or writes meets the end.
    pub fn close(&self) {
        self.state().carrier = None;
    }

    /// Waits for some bytes; `None` at the end. What was taken for writing is written meanwhile.
    ///
    /// # Errors
    /// When the connection breaks or goes over a limit.
    pub async fn read(&self) -> Result<Option<Bytes>, EndpointError> {
        let read = poll_fn(|context| {
            let mut state = self.state();
            // A server that closes has often said why before: that is to be read, whatever became of the writing.
            let _ = state.poll_sent(context);
            state.poll_read(context, self.bounds.received)
        });
        let read = self.in_time(read).await;
        self.noted(read)
    }

    /// How many bytes may be written now.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn room(&self) -> Result<usize, EndpointError> {
        let state = self.state();
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None if state.carrier.is_none() => Err(closed()),
            None if !state.pending.is_empty() => Ok(0),
            None => Ok(PIECE),
        }
    }

    /// Takes bytes to be written, and writes what goes at once.
    ///
    /// # Errors
    /// When the connection breaks or goes over a limit.
    pub fn write(&self, bytes: &[u8]) -> Result<(), EndpointError> {
        let written = {
            let mut state = self.state();
            state.take(bytes, self.bounds.sent).and_then(|()| {
                match state.poll_sent(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(sent) => sent,
                    Poll::Pending => Ok(()),
                }
            })
        };
        self.noted(written)
    }

    /// Waits until all that was taken is on its way.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn sent(&self) -> Result<(), EndpointError> {
        let sent = self.in_time(poll_fn(|context| self.state().poll_sent(context))).await;
        self.noted(sent)
    }

    /// Speaks TLS from here on, with a server of that name. `authorities` are certificates in PEM, in place of those of the
    /// operator.
    ///
    /// # Errors
    /// When no TLS can be agreed on; the connection is over then.
    pub async fn start_tls(
        &self,
        server_name: &str,
        verify: Verify,
        authorities: Option<&str>,
    ) -> Result<(), EndpointError> {
        self.sent().await?;
        let secured = self.secure(server_name, verify, authorities).await;
        self.noted(secured)
    }

    async fn secure(&self, name: &str, verify: Verify, authorities: Option<&str>) -> Result<(), EndpointError> {
        let bad = |reason: String| EndpointError::Tls { reason, certificate: true };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| EndpointError::Request("the name of the server is none".to_owned()))?;
        let roots = match authorities {
            Some(text) => tls::authorities_in(text).map_err(bad)?,
            None => tls::authorities(self.ca.as_deref()).map_err(|file| bad(file.problem))?,
        };
        let config = verify::config(verify, roots).map_err(bad)?;
        let carrier = {
            let mut state = self.state();
            if state.is_tls {
                return Err(EndpointError::Request("the connection speaks TLS already".to_owned()));
            }
            state.carrier.take().ok_or_else(closed)?
        };
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, carrier);
        let timeout = EndpointError::Timeout { wait: Wait::Connection, limit: self.handshake };
        let secured = tokio::time::timeout(self.handshake, handshake).await.map_err(|_| timeout)?;
        let secured = secured.map_err(|error| tls::handshake(&error, false))?;
        let mut state = self.state();
        state.carrier = Some(Box::new(secured));
        state.is_tls = true;
        Ok(())
    }

    async fn in_time<T>(&self, wait: impl Future<Output = Result<T, EndpointError>>) -> Result<T, EndpointError> {
        let Some(limit) = self.bounds.between_bytes else { return wait.await };
        let late = EndpointError::Timeout { wait: Wait::Bytes, limit };
        tokio::time::timeout(limit, wait).await.unwrap_or(Err(late))
    }

    /// The first failure is the one that counts.
    fn noted<T>(&self, result: Result<T, EndpointError>) -> Result<T, EndpointError> {
        if let Err(error) = &result {
            self.state().failure.get_or_insert_with(|| error.clone());
        }
        result
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

fn closed() -> EndpointError {
    EndpointError::Closed("it was closed".to_owned())
}

fn broken(error: &io::Error) -> EndpointError {
    match tls::inside(error) {
        Some(inside) => tls::failure(inside, false),
        None => EndpointError::Closed(error.to_string()),
    }
}

impl State {
    fn take(&mut self, bytes: &[u8], most: u64) -> Result<(), EndpointError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.sent = self.sent.saturating_add(bytes.len() as u64);
        if self.sent > most {
            return Err(EndpointError::TooLarge { part: Part::Request, limit: most });
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn poll_read(&mut self, context: &mut Context<'_>, most: u64) -> Poll<Result<Option<Bytes>, EndpointError>> {
        let Some(carrier) = &mut self.carrier else { return Poll::Ready(Err(closed())) };
        let mut buffer = ReadBuf::new(&mut self.scratch);
        match Pin::new(carrier).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(broken(&error))),
            Poll::Ready(Ok(())) => {
                let bytes = Bytes::copy_from_slice(buffer.filled());
                self.received = self.received.saturating_add(bytes.len() as u64);
                if self.received > most {
                    return Poll::Ready(Err(EndpointError::TooLarge { part: Part::Response, limit: most }));
                }
                Poll::Ready(Ok(Some(bytes).filter(|bytes| !bytes.is_empty())))
            }
        }
    }

    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), EndpointError>> {
        if self.pending.is_empty() && !self.is_unflushed {
            return Poll::Ready(Ok(()));
        }
        let Some(carrier) = &mut self.carrier else { return Poll::Ready(Err(closed())) };
        while !self.pending.is_empty() {
            match Pin::new(&mut *carrier).poll_write(context, &self.pending) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(closed())),
                Poll::Ready(Ok(count)) => self.pending.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(&error))),
            }
            self.is_unflushed = true;
        }
        match Pin::new(carrier).poll_flush(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(flushed) => {
                self.is_unflushed = false;
                Poll::Ready(flushed.map_err(|error| broken(&error)))
            }
        }
    }
}

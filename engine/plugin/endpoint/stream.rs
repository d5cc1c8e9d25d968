//! A connection to a platform, whatever it is made of.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

use super::tls;

/// What is known of a connection apart from what hyper says about it.
#[derive(Clone, Debug, Default)]
pub(super) struct History(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    served: AtomicBool,
    tls: Mutex<Option<rustls::Error>>,
    /// It is gone.
    gone: watch::Sender<bool>,
}

impl History {
    /// Notes that it serves a request, and says whether it has served one before: one that has may have been closed by
    /// the server meanwhile.
    pub(super) fn serve(&self) -> bool {
        self.0.served.swap(true, Ordering::Relaxed)
    }

    /// How TLS failed. hyper keeps that to itself when it fails before the request is taken on.
    pub(super) fn tls_failure(&self) -> Option<rustls::Error> {
        self.0.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when the connection is gone.
    pub(super) async fn gone(&self) {
        // The sender is here, so there is no other end to wait for.
        let _ = self.0.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Whether both are of one connection.
    pub(super) fn is(&self, other: &History) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn read(&self, result: &io::Result<()>) {
        if let Err(error) = result
            && let Some(error) = tls::inside(error)
        {
            *self.0.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    }
}

/// A connection.
pub(super) struct Stream {
    inner: Inner,
    history: History,
    /// The server has not said anything yet.
    is_silent: bool,
}

enum Inner {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn unix(stream: UnixStream) -> Stream {
        Stream::new(Inner::Unix(stream))
    }

    pub(super) fn tcp(stream: TcpStream) -> Stream {
        Stream::new(Inner::Tcp(stream))
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Stream {
        Stream::new(Inner::Tls(Box::new(stream)))
    }

    fn new(inner: Inner) -> Stream {
        Stream { inner, history: History::default(), is_silent: true }
    }

    /// A server that refuses us (our certificate, with TLS 1.3, or a request that is too long) says so and closes, and our
    /// write may meet the closed connection before what it said was read. So the first word is left to reading, which the
    /// same task waits for and which a closed connection always wakes.
    fn written<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(Err(error)) if self.is_silent && is_closed(&error) => Poll::Pending,
            other => other,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.history.0.gone.send_replace(true);
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.history.clone());
        match &self.inner {
            Inner::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if let Poll::Ready(result) = &read {
            self.is_silent = false;
            self.history.read(result);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.written(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.written(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Inner::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Inner::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Unix(stream) => stream.is_write_vectored(),
            Inner::Tcp(stream) => stream.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

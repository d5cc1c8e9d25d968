//! A connection to a platform, whatever it is made of.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// Whether a connection has served a request before: one that has may have been closed by the server meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Served(Arc<AtomicBool>);

impl Served {
    /// Notes that it has, and says whether it had.
    pub(super) fn mark(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// A connection.
pub(super) struct Stream {
    inner: Inner,
    served: Served,
}

enum Inner {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn unix(stream: UnixStream) -> Stream {
        Stream { inner: Inner::Unix(stream), served: Served::default() }
    }

    pub(super) fn tcp(stream: TcpStream) -> Stream {
        Stream { inner: Inner::Tcp(stream), served: Served::default() }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Stream {
        Stream { inner: Inner::Tls(Box::new(stream)), served: Served::default() }
    }

    /// With TLS 1.3 a server refuses our certificate after the handshake, and its reason may lie unread while our write
    /// meets the closed connection. The reason is the better error.
    fn reason(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let Inner::Tls(stream) = &mut self.inner else {
            return error;
        };
        let mut space = [0; 256];
        match Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut space)) {
            Poll::Ready(Err(reason)) if super::tls::inside(&reason).is_some() => reason,
            _ => error,
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.served.clone());
        match &self.inner {
            Inner::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        written.map_err(|error| self.reason(cx, error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.inner {
            Inner::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        flushed.map_err(|error| self.reason(cx, error))
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
        written.map_err(|error| self.reason(cx, error))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Unix(stream) => stream.is_write_vectored(),
            Inner::Tcp(stream) => stream.is_write_vectored(),
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

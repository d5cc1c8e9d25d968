//! Connections whose bytes a plugin speaks itself: for platforms with a protocol of their own. The engine looks names up,
//! connects and encrypts, as far as the operator grants it.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use windlass_plugin::net::{Connection, Verify};
//! use windlass_plugin::testing;
//!
//! testing::connection("queue", |host, port| {
//!     assert_eq!((host, port), ("queue.example.com", 7000));
//!     Ok(testing::Talk::saying("+OK\n"))
//! });
//! let mut connection = Connection::open("queue", "queue.example.com", 7000, None)?;
//! connection.start_tls("queue.example.com", Verify::Full, None)?;
//! connection.write_all(b"HELLO\n")?;
//! connection.flush()?;
//! let mut answer = [0; 4];
//! connection.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"+OK\n");
//! # Ok::<(), windlass_plugin::Error>(())
//! ```

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::error::Result;

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::net as engine;
#[cfg(target_arch = "wasm32")]
use wasm as engine;

/// What the certificate of a server must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: whoever is on the way may read and change everything.
    None,
    /// That an authority has signed it, for whatever name.
    Authority,
    /// That an authority has signed it for the name.
    Full,
}

/// An open connection. What is written is on its way after a `flush`. Nothing is read ahead here.
pub struct Connection(engine::Connection);

/// Whether the operator grants connections of this name; an error that says so where not.
pub fn granted(name: &str) -> Result<()> {
    engine::granted(name)
}

impl Connection {
    /// Connects to a machine, over a connection that the manifest asks for.
    pub fn open(name: &str, host: &str, port: u16, timeout: Option<Duration>) -> Result<Connection> {
        Ok(Connection(engine::Connection::open(name, host, port, timeout)?))
    }

    /// Speaks TLS from here on. `authorities` are certificates in PEM that are accepted in place of the operator's.
    pub fn start_tls(&mut self, server_name: &str, verify: Verify, authorities: Option<&str>) -> Result<()> {
        self.0.start_tls(server_name, verify, authorities)
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() { Ok(0) } else { self.0.read(buffer) }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::io;
    use std::time::Duration;

    use wasip2::io::streams::{InputStream, OutputStream, StreamError};

    use super::Verify;
    use crate::bindings::imports::windlass::plugin::net;
    use crate::error::{Error, Result};

    /// Bytes that are asked for at once.
    const PIECE: usize = 64 << 10;

    pub(super) fn granted(name: &str) -> Result<()> {
        Ok(net::granted(name)?)
    }

    /// The streams belong to the connection, and are dropped before it.
    pub(super) struct Connection {
        streams: Option<(InputStream, OutputStream)>,
        connection: net::Connection,
    }

    impl Connection {
        pub(super) fn open(name: &str, host: &str, port: u16, timeout: Option<Duration>) -> Result<Connection> {
            let millis = timeout.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
            Ok(Connection { streams: None, connection: net::Connection::open(name, host, port, millis)? })
        }

        pub(super) fn start_tls(&mut self, name: &str, verify: Verify, authorities: Option<&str>) -> Result<()> {
            let verify = match verify {
                Verify::None => net::Verify::None,
                Verify::Authority => net::Verify::Authority,
                Verify::Full => net::Verify::Full,
            };
            self.streams = None;
            Ok(self.connection.start_tls(name, verify, authorities)?)
        }

        fn streams(&mut self) -> Result<&(InputStream, OutputStream)> {
            let streams = match self.streams.take() {
                Some(streams) => streams,
                None => self.connection.streams()?,
            };
            Ok(self.streams.insert(streams))
        }

        pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = u64::try_from(buffer.len().min(PIECE)).unwrap_or(u64::MAX);
            let read = loop {
                match self.streams()?.0.blocking_read(most) {
                    // An empty piece is not the end.
                    Ok(piece) if piece.is_empty() => {}
                    read => break read,
                }
            };
            let piece = match read {
                Ok(piece) => piece,
                Err(StreamError::Closed) => return Ok(0),
                Err(error) => return Err(self.told(&error)),
            };
            if let Some(place) = buffer.get_mut(..piece.len()) {
                place.copy_from_slice(&piece);
            }
            Ok(piece.len())
        }

        pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            loop {
                let output = &self.streams()?.1;
                let room = match output.check_write() {
                    Ok(room) => usize::try_from(room).unwrap_or(usize::MAX),
                    Err(error) => return Err(self.told(&error)),
                };
                if room == 0 && !bytes.is_empty() {
                    output.subscribe().block();
                    continue;
                }
                let (now, _) = bytes.split_at(bytes.len().min(room));
                return match output.write(now) {
                    Ok(()) => Ok(now.len()),
                    Err(error) => Err(self.told(&error)),
                };
            }
        }

        pub(super) fn flush(&mut self) -> io::Result<()> {
            match self.streams()?.1.blocking_flush() {
                Ok(()) => Ok(()),
                Err(error) => Err(self.told(&error)),
            }
        }

        /// The engine knows more than a stream can say.
        fn told(&self, error: &StreamError) -> io::Error {
            let known = self.connection.failure().map(Error::from);
            let error = known.unwrap_or_else(|| match error {
                StreamError::Closed => Error::unavailable("the connection was closed"),
                StreamError::LastOperationFailed(error) => Error::unavailable(error.to_debug_string()),
            });
            error.into()
        }
    }
}

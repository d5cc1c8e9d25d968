//! The connection, with what was read of it and is not taken yet.

use std::io::{Read, Write};

use bytes::BytesMut;
use windlass_plugin::net::{Connection, Verify};
use windlass_plugin::{Error, ErrorKind, Result, Retry};

use crate::CONNECTION;
use crate::target::{Target, Tls};

const PIECE: usize = 64 << 10;
/// Bytes of one message, and so of one row.
pub(crate) const MOST_MESSAGE: usize = 8 << 20;

/// A connection to a database.
pub(crate) struct Wire {
    connection: Connection,
    pub(crate) incoming: BytesMut,
    is_tls: bool,
}

impl Wire {
    pub(crate) fn open(target: &Target) -> Result<Wire> {
        let connection = Connection::open(CONNECTION, &target.host, target.port, target.connect)?;
        Ok(Wire { connection, incoming: BytesMut::new(), is_tls: false })
    }

    /// Whether what is said from now on can be read by nobody on the way.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Speaks TLS from here on, as the target wants it.
    pub(crate) fn start_tls(&mut self, target: &Target) -> Result<()> {
        if !self.incoming.is_empty() {
            // Whoever is on the way could have put it there.
            return Err(Error::new(ErrorKind::Denied, "the database has said more before TLS than it may"));
        }
        let verify = if let Tls::Always(verify) = target.tls { verify } else { Verify::None };
        self.connection.start_tls(&target.host, verify, target.authorities.as_deref())?;
        self.is_tls = true;
        Ok(())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.connection.write_all(bytes)?;
        Ok(self.connection.flush()?)
    }

    /// One byte, and nothing after it.
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.connection.read_exact(&mut byte).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ended(),
            _ => error.into(),
        })?;
        let [byte] = byte;
        Ok(byte)
    }

    /// Waits for more.
    pub(crate) fn fill(&mut self) -> Result<()> {
        let before = self.incoming.len();
        self.incoming.resize(before + PIECE, 0);
        let read = self.connection.read(self.incoming.get_mut(before..).unwrap_or_default());
        self.incoming.truncate(before + *read.as_ref().unwrap_or(&0));
        if read? == 0 { Err(ended()) } else { Ok(()) }
    }

    /// Waits until there are so many bytes.
    pub(crate) fn fill_to(&mut self, count: usize) -> Result<()> {
        while self.incoming.len() < count {
            self.fill()?;
        }
        Ok(())
    }
}

fn ended() -> Error {
    Error::unavailable("the database has ended the connection")
}

/// The error of a message that is longer than any may be.
pub(crate) fn too_long(bytes: usize) -> Error {
    let message = format!("a row or a message of the database has {bytes} bytes, more than {MOST_MESSAGE}");
    Error::new(ErrorKind::Exhausted, message).retry(Retry::Never)
}

/// The error of a database that does not keep to its protocol.
pub(crate) fn broken(why: impl std::fmt::Display) -> Error {
    Error::unavailable(format!("the server does not speak the protocol of the database: {why}"))
}

/// The error of a server without TLS where that is wanted.
pub(crate) fn no_tls() -> Error {
    Error::new(ErrorKind::Unavailable, "the database offers no TLS, and the URL wants it").retry(Retry::Never)
}

/// The error of a server that wants to see the password where others could.
pub(crate) fn in_the_clear() -> Error {
    let message = "the database wants the password itself, and the connection has no TLS";
    Error::new(ErrorKind::Denied, message)
}

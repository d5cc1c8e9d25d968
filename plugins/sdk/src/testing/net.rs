//! Servers that a test has made, behind connections of a plugin's own.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use super::not_scripted;
use crate::error::Result;
use crate::net::Verify;

type Server = Rc<RefCell<dyn FnMut(&str, u16) -> Result<Box<dyn Both>>>>;

thread_local! {
    static SERVERS: RefCell<BTreeMap<String, Server>> = const { RefCell::new(BTreeMap::new()) };
    static SECURED: RefCell<Vec<Secured>> = const { RefCell::new(Vec::new()) };
}

trait Both: Read + Write {}

impl<T: Read + Write> Both for T {}

/// TLS that a plugin has asked for. Under test what follows is in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// The name of the server.
    pub server_name: String,
    /// What its certificate must show.
    pub verify: Verify,
    /// The authorities that were brought along.
    pub authorities: Option<String>,
}

/// What stands behind the connections of a name, for this test: a stream for each that is opened, to a machine and a port.
/// It may be a `TcpStream`.
pub fn connection<S: Read + Write + 'static>(name: &str, mut open: impl FnMut(&str, u16) -> Result<S> + 'static) {
    let open = move |host: &str, port| open(host, port).map(|stream| Box::new(stream) as Box<dyn Both>);
    SERVERS.with_borrow_mut(|servers| servers.insert(name.to_owned(), Rc::new(RefCell::new(open))));
}

/// All TLS that was asked for so far.
pub fn secured() -> Vec<Secured> {
    SECURED.with_borrow(Vec::clone)
}

pub(super) fn reset() {
    SERVERS.with_borrow_mut(BTreeMap::clear);
    SECURED.with_borrow_mut(Vec::clear);
}

/// A server that says the same whatever it is told.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    said: VecDeque<io::Cursor<Vec<u8>>>,
    heard: Rc<RefCell<Vec<u8>>>,
}

impl Talk {
    /// It says these bytes, and then ends the connection.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Talk {
        Talk::default().and(bytes)
    }

    /// It says these bytes too. Nobody who reads finds them together with those before.
    pub fn and(mut self, bytes: impl Into<Vec<u8>>) -> Talk {
        self.said.push_back(io::Cursor::new(bytes.into()));
        self
    }

    /// What it has been told. Clones of it hear the same.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.borrow().clone()
    }
}

impl Read for Talk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.said.front_mut() {
            match piece.read(buffer)? {
                0 => self.said.pop_front(),
                count => return Ok(count),
            };
        }
        Ok(0)
    }
}

impl Write for Talk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn server(name: &str) -> Result<Server> {
    let server = SERVERS.with_borrow(|servers| servers.get(name).cloned());
    server.ok_or_else(|| not_scripted(&format!("what stands behind the connection {name}; see `connection`")))
}

pub(crate) fn granted(name: &str) -> Result<()> {
    server(name).map(|_| ())
}

pub(crate) struct Connection(Box<dyn Both>);

impl Connection {
    pub(crate) fn open(name: &str, host: &str, port: u16, _: Option<Duration>) -> Result<Connection> {
        let server = server(name)?;
        let stream = (server.borrow_mut())(host, port)?;
        Ok(Connection(stream))
    }

    pub(crate) fn start_tls(&mut self, name: &str, verify: Verify, authorities: Option<&str>) -> Result<()> {
        let secured = Secured { server_name: name.to_owned(), verify, authorities: authorities.map(str::to_owned) };
        SECURED.with_borrow_mut(|all| all.push(secured));
        Ok(())
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

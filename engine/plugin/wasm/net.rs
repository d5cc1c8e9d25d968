//! Connections whose bytes a plugin speaks itself: the interface `net`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::bindings::transfer::fetcher::windlass::plugin::net;
use super::bindings::windlass::plugin::types;
use super::convert::to_wit_error;
use super::cut::step;
use super::guest::Guest;
use crate::plugin::contract::{ErrorKind, PluginError, Retry};
use crate::plugin::endpoint::{ConnectionGrant, EndpointError, ErrorKind as Failure, Line, Verify};

/// The connections of a plugin by name.
pub(crate) type Connections = Arc<BTreeMap<String, ConnectionGrant>>;

/// A connection as a plugin holds it.
#[expect(unreachable_pub, reason = "the generated bindings name it in public")]
pub struct Connection {
    line: Arc<Line>,
    reads: Arc<Reads>,
}

/// What is to be known of the streams of a connection before it speaks TLS.
#[derive(Default)]
struct Reads {
    /// How many there are.
    lent: Mutex<u32>,
    /// Bytes were read that no one has taken.
    is_ahead: AtomicBool,
}

impl Reads {
    fn lent(&self) -> std::sync::MutexGuard<'_, u32> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the interface.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    net::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

type Answered<T> = Result<Result<T, types::Error>>;

fn refuse<T>(kind: ErrorKind, message: impl Into<String>) -> Answered<T> {
    Ok(Err(to_wit_error(PluginError::new(kind, Retry::Never, message))))
}

impl Guest {
    fn grant(&self, name: &str) -> Result<&ConnectionGrant, String> {
        let connections = &self.call.connections;
        connections.get(name).ok_or_else(|| {
            let known: Vec<&str> = connections.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("{name:?} is no connection that was asked for and granted; there is {known}")
        })
    }
}

impl net::Host for Guest {
    async fn granted(&mut self, name: String) -> Answered<()> {
        match self.grant(&name) {
            Ok(_) => Ok(Ok(())),
            Err(why) => refuse(ErrorKind::Denied, why),
        }
    }
}

impl net::HostConnection for Guest {
    async fn open(
        &mut self,
        name: String,
        host: String,
        port: u16,
        timeout: Option<u64>,
    ) -> Answered<Resource<Connection>> {
        let connections = self.call.connections.clone();
        let Some(grant) = connections.get(&name) else {
            let why = self.grant(&name).err().unwrap_or_default();
            return refuse(ErrorKind::Denied, why);
        };
        let open = grant.open(&host, port, timeout.map(Duration::from_millis));
        let line = match step(self.call.cut.as_deref(), open).await {
            Ok(line) => line,
            Err(error) => return Ok(Err(to_wit_error(told(&error)))),
        };
        let connection = Connection { line: Arc::new(line), reads: Arc::default() };
        Ok(Ok(WasiView::ctx(self).table.push(connection)?))
    }

    async fn streams(
        &mut self,
        connection: Resource<Connection>,
    ) -> Answered<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let table = WasiView::ctx(self).table;
        let Connection { line, reads } = table.get(&connection)?;
        let (line, reads) = (line.clone(), reads.clone());
        if *reads.lent() > 0 || reads.is_ahead.load(Ordering::Acquire) {
            return refuse(ErrorKind::Conflict, "there are streams of this connection, or bytes were left in them");
        }
        *reads.lent() = 2;
        let lent = || Lent(reads.clone());
        let input: DynInputStream =
            Box::new(Incoming { line: line.clone(), read: Bytes::new(), end: None, lent: lent() });
        let output: DynOutputStream = Box::new(Outgoing { line, _lent: lent() });
        Ok(Ok((table.push(input)?, table.push(output)?)))
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        server_name: String,
        verify: net::Verify,
        authorities: Option<String>,
    ) -> Answered<()> {
        let Connection { line, reads } = WasiView::ctx(self).table.get(&connection)?;
        let (line, reads) = (line.clone(), reads.clone());
        if *reads.lent() > 0 {
            return refuse(ErrorKind::Conflict, "the streams of this connection are still there");
        }
        if reads.is_ahead.load(Ordering::Acquire) {
            return refuse(ErrorKind::Denied, "the server has said more before TLS than the plugin has read");
        }
        let verify = match verify {
            net::Verify::None => Verify::Nothing,
            net::Verify::Authority => Verify::Authority,
            net::Verify::Full => Verify::Full,
        };
        let secured = line.start_tls(&server_name, verify, authorities.as_deref());
        let secured = step(self.call.cut.as_deref(), secured).await;
        Ok(secured.map_err(|error| to_wit_error(told(&error))))
    }

    async fn failure(&mut self, connection: Resource<Connection>) -> Result<Option<types::Error>> {
        let connection = WasiView::ctx(self).table.get(&connection)?;
        Ok(connection.line.failure().map(|error| to_wit_error(told(&error))))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> Result<()> {
        WasiView::ctx(self).table.delete(connection)?.line.close();
        Ok(())
    }
}

/// What a plugin is told, in the words of the contract.
fn told(error: &EndpointError) -> PluginError {
    let (kind, retry) = match error.kind() {
        Failure::Denied | Failure::Address => (ErrorKind::Denied, Retry::Never),
        Failure::Request => (ErrorKind::Invalid, Retry::Never),
        Failure::Certificate => (ErrorKind::Unavailable, Retry::Never),
        Failure::TurnTimeout => (ErrorKind::Exhausted, Retry::Backoff),
        Failure::ConnectTimeout | Failure::HeadTimeout | Failure::BytesTimeout => (ErrorKind::Timeout, Retry::Backoff),
        Failure::RequestTooLarge | Failure::ResponseTooLarge => (ErrorKind::Exhausted, Retry::Never),
        _ => (ErrorKind::Unavailable, Retry::Backoff),
    };
    PluginError::new(kind, retry, error.to_string())
}

/// A stream that is there; counted as long as it is.
struct Lent(Arc<Reads>);

impl Drop for Lent {
    fn drop(&mut self) {
        let mut lent = self.0.lent();
        *lent = lent.saturating_sub(1);
    }
}

fn failed(error: &EndpointError) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(error.to_string()))
}

/// What comes in.
struct Incoming {
    line: Arc<Line>,
    /// Read, and not taken yet.
    read: Bytes,
    /// The error that it ended with, or none.
    end: Option<Option<EndpointError>>,
    lent: Lent,
}

impl InputStream for Incoming {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &self.end {
            _ if !self.read.is_empty() => Ok(self.read.split_to(size.min(self.read.len()))),
            None => Ok(Bytes::new()),
            Some(None) => Err(StreamError::Closed),
            Some(Some(error)) => Err(failed(error)),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Incoming {
    async fn ready(&mut self) {
        if !self.read.is_empty() || self.end.is_some() {
            return;
        }
        match self.line.read().await {
            Ok(Some(bytes)) => self.read = bytes,
            Ok(None) => self.end = Some(None),
            Err(error) => self.end = Some(Some(error)),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.read.is_empty() {
            self.lent.0.is_ahead.store(true, Ordering::Release);
        }
    }
}

/// What goes out.
struct Outgoing {
    line: Arc<Line>,
    _lent: Lent,
}

impl OutputStream for Outgoing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.check_write()? {
            return Err(StreamError::trap("more was written than there was room for"));
        }
        self.line.write(&bytes).map_err(|error| failed(&error))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.line.room().map_err(|error| failed(&error))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Outgoing {
    async fn ready(&mut self) {
        // Who writes next is told what went wrong.
        let _ = self.line.sent().await;
    }
}

//! Connections are made here: name, address, TLS, in that order and within one time.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::EndpointError;
use super::address::{Host, Place};
use super::error::Wait;
use super::network::Networks;
use super::resolve::Resolve;
use super::stream::Stream;
use super::tls::{self, Tls};

/// How long a silent connection is believed to live before the system asks, so that whoever follows a log for days
/// notices that the machine at the other end is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Makes the connections of one endpoint.
#[derive(Clone)]
pub(super) struct Connector(Arc<Parts>);

struct Parts {
    place: Place,
    networks: Networks,
    resolver: Arc<dyn Resolve>,
    tls: Option<Tls>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(
        place: Place,
        networks: Networks,
        resolver: Arc<dyn Resolve>,
        tls: Option<Tls>,
        limit: Duration,
    ) -> Connector {
        Connector(Arc::new(Parts { place, networks, resolver, tls, limit }))
    }

    /// Whether a server that wants to see a client certificate sees one.
    pub(super) fn has_client_certificate(&self) -> bool {
        self.0.tls.as_ref().is_some_and(Tls::has_client_certificate)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = EndpointError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, EndpointError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EndpointError>> {
        Poll::Ready(Ok(()))
    }

    /// The address asked for is always the endpoint's own.
    fn call(&mut self, _: Uri) -> Self::Future {
        let parts = self.0.clone();
        Box::pin(async move {
            match tokio::time::timeout(parts.limit, parts.connect()).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(EndpointError::Timeout { wait: Wait::Connection, limit: parts.limit }),
            }
        })
    }
}

impl Parts {
    async fn connect(&self) -> Result<Stream, EndpointError> {
        let (host, port) = match &self.place {
            Place::Unix(path) => {
                return UnixStream::connect(path).await.map(Stream::unix).map_err(|error| self.no_connection(&error));
            }
            Place::Tcp { host, port } => (host, *port),
        };
        let addresses = self.addresses(host).await?;
        let stream = self.first_that_answers(&addresses, port).await?;
        match &self.tls {
            None => Ok(Stream::tcp(stream)),
            Some(tls) => self.secure(stream, tls).await,
        }
    }

    /// The addresses that may be connected to. From here on the name is not looked up any more.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, EndpointError> {
        let name = match host {
            Host::Ip(ip) => return Ok(vec![*ip]),
            Host::Localhost => "localhost",
            Host::Name(name) => name,
        };
        let unknown = |reason: String| EndpointError::Name { name: name.to_owned(), reason };
        let found = self.resolver.resolve(name).await.map_err(|error| unknown(error.to_string()))?;
        let mut open = Vec::new();
        let mut reasons = Vec::new();
        for ip in &found {
            match self.networks.check(host, *ip) {
                Ok(()) => open.push(*ip),
                Err(why) => reasons.push(format!("{ip} is {why}")),
            }
        }
        if found.is_empty() {
            return Err(unknown("the answer is empty".to_owned()));
        }
        if open.is_empty() {
            return Err(EndpointError::Address { name: name.to_owned(), reason: reasons.join(", ") });
        }
        Ok(open)
    }

    /// Each address gets an equal share of the time that is left, so that one that is silent does not use up all of it.
    async fn first_that_answers(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, EndpointError> {
        let ends = tokio::time::Instant::now() + self.limit;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (at, ip) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = ends.saturating_duration_since(tokio::time::Instant::now()) / left;
            match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(*ip, port))).await {
                Ok(Ok(stream)) => return prepared(stream).map_err(|error| self.no_connection(&error)),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        if last.kind() == io::ErrorKind::TimedOut {
            return Err(EndpointError::Timeout { wait: Wait::Connection, limit: self.limit });
        }
        Err(self.no_connection(&last))
    }

    async fn secure(&self, stream: TcpStream, tls: &Tls) -> Result<Stream, EndpointError> {
        let config = tls.config().map_err(|bad| EndpointError::Tls {
            reason: format!("{}: {}", bad.field, bad.problem),
            certificate: true,
        })?;
        let connected = TlsConnector::from(config).connect(tls.name(), stream).await;
        connected.map(Stream::tls).map_err(|error| match tls::inside(&error) {
            Some(inside) => tls::failure(inside, tls.has_client_certificate()),
            None => EndpointError::Tls {
                reason: format!("the connection ended in the handshake: {error}"),
                certificate: false,
            },
        })
    }

    fn no_connection(&self, error: &io::Error) -> EndpointError {
        EndpointError::Connect { address: self.place.to_string(), reason: error.to_string() }
    }
}

/// Small pieces are sent at once, and a dead peer is noticed.
fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
    Ok(stream)
}

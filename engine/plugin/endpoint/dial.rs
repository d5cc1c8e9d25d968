//! From the name of a machine to a connection: looked up, checked, connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::EndpointError;
use super::address::{Host, Place};
use super::error::Wait;
use super::network::Networks;
use super::resolve::Resolve;

/// How long a silent connection is believed to live before the system asks, so that whoever follows a log for days
/// notices that the machine at the other end is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Where a connection is to lead, and where it may.
pub(super) struct Dial<'a> {
    pub(super) host: &'a Host,
    pub(super) port: u16,
    pub(super) networks: &'a Networks,
    pub(super) resolver: &'a dyn Resolve,
    /// For all addresses together.
    pub(super) limit: Duration,
}

impl Dial<'_> {
    /// Connects to one of the addresses that were checked.
    pub(super) async fn connect(&self) -> Result<TcpStream, EndpointError> {
        let addresses = self.addresses().await?;
        self.first_that_answers(&addresses).await
    }

    /// The addresses that may be connected to. From here on the name is not looked up any more.
    async fn addresses(&self) -> Result<Vec<IpAddr>, EndpointError> {
        let name = match self.host {
            Host::Ip(ip) => return Ok(vec![*ip]),
            Host::Localhost => "localhost",
            Host::Name(name) => name,
        };
        let unknown = |reason: String| EndpointError::Name { name: name.to_owned(), reason };
        let found = self.resolver.resolve(name).await.map_err(|error| unknown(error.to_string()))?;
        let mut open = Vec::new();
        let mut reasons = Vec::new();
        for ip in &found {
            match self.networks.check(self.host, *ip) {
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
    async fn first_that_answers(&self, addresses: &[IpAddr]) -> Result<TcpStream, EndpointError> {
        let ends = tokio::time::Instant::now() + self.limit;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for (at, ip) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = ends.saturating_duration_since(tokio::time::Instant::now()) / left;
            match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(*ip, self.port))).await {
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

    fn no_connection(&self, error: &io::Error) -> EndpointError {
        let place = Place::Tcp { host: self.host.clone(), port: self.port };
        EndpointError::Connect { address: place.to_string(), reason: error.to_string() }
    }
}

/// Small pieces are sent at once, and a dead peer is noticed.
fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
    Ok(stream)
}

//! Connections are made here: name, address, TLS, in that order and within one time.

use std::future::Future;
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
use super::address::Place;
use super::dial::Dial;
use super::error::Wait;
use super::network::Networks;
use super::resolve::Resolve;
use super::stream::Stream;
use super::tls::{self, Tls};

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
                let no_connection = |error: std::io::Error| EndpointError::Connect {
                    address: self.place.to_string(),
                    reason: error.to_string(),
                };
                return UnixStream::connect(path).await.map(Stream::unix).map_err(no_connection);
            }
            Place::Tcp { host, port } => (host, *port),
        };
        let Parts { networks, resolver, limit, .. } = self;
        let stream = Dial { host, port, networks, resolver: resolver.as_ref(), limit: *limit }.connect().await?;
        match &self.tls {
            None => Ok(Stream::tcp(stream)),
            Some(tls) => self.secure(stream, tls).await,
        }
    }

    async fn secure(&self, stream: TcpStream, tls: &Tls) -> Result<Stream, EndpointError> {
        let config = tls.config().map_err(|bad| EndpointError::Tls {
            reason: format!("{}: {}", bad.field, bad.problem),
            certificate: true,
        })?;
        let connected = TlsConnector::from(config).connect(tls.name(), stream).await;
        connected.map(Stream::tls).map_err(|error| tls::handshake(&error, tls.has_client_certificate()))
    }
}

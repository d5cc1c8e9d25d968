//! What the tests share: endpoints, requests, names that lead where a test wants, certificates.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use windlass::plugin::endpoint::{Body, Call, Endpoint, EndpointConfig, EndpointError, Lookup, Resolve, Rights};

/// A configuration as an operator writes it.
pub(crate) fn config(text: Value) -> EndpointConfig {
    serde_json::from_value(text).unwrap()
}

/// An endpoint of a configuration that is right.
pub(crate) fn endpoint(text: Value) -> Endpoint {
    Endpoint::new("platform", config(text)).unwrap()
}

/// A call that may use everything.
pub(crate) fn call() -> Call {
    Call { rights: Arc::new(Rights::new(None, None).unwrap()), ..Call::default() }
}

pub(crate) fn get(target: &str) -> Request<Body> {
    request(Method::GET, target, "")
}

pub(crate) fn request(method: Method, target: &str, body: impl Into<Bytes>) -> Request<Body> {
    let body = Body::new(Full::new(body.into()).map_err(|never| match never {}));
    Request::builder().method(method).uri(format!("http://platform.endpoint{target}")).body(body).unwrap()
}

/// Sends and reads everything.
pub(crate) async fn send(endpoint: &Endpoint, request: Request<Body>) -> Result<Response<Bytes>, EndpointError> {
    whole(endpoint.send(request, &call()).await?).await
}

pub(crate) async fn whole(answer: Response<Body>) -> Result<Response<Bytes>, EndpointError> {
    let (parts, body) = answer.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}

/// Names with fixed addresses; counts how often it is asked.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) known: BTreeMap<&'static str, Vec<IpAddr>>,
    pub(crate) asked: AtomicUsize,
}

impl Names {
    pub(crate) fn new(known: &[(&'static str, &[&str])]) -> Arc<Names> {
        let parsed = known.iter().map(|(name, ips)| (*name, ips.iter().map(|ip| ip.parse().unwrap()).collect()));
        Arc::new(Names { known: parsed.collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.known.get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// An authority, and files of what it signs.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM files.
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { directory, certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate for `name` that is valid until the first day of `until`.
    pub(crate) fn sign(&self, name: &str, until: i32) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.directory.path().join(format!("{name}-{until}-{kind}.pem"));
        let identity = Identity { cert: file("cert"), key: file("key") };
        std::fs::write(&identity.cert, certificate.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    /// A server with a certificate of this authority; `clients` signs the certificates that it wants to see.
    pub(crate) fn server(
        &self,
        identity: &Identity,
        clients: Option<&Authority>,
        alpn: &[&[u8]],
    ) -> rustls::ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_file(&identity.cert).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }
}

/// A configuration with these files for TLS.
pub(crate) fn tls_config(port: u16, ca: &Path, client: Option<&Identity>, more: Value) -> Value {
    let mut text = json!({ "address": format!("https://localhost:{port}"), "ca": ca });
    if let Some(client) = client {
        text["client_cert"] = json!(client.cert);
        text["client_key"] = json!(client.key);
    }
    for (name, value) in more.as_object().unwrap() {
        text[name] = value.clone();
    }
    text
}

/// A body out of a pipe.
pub(crate) fn body_of(reader: tokio::io::DuplexStream) -> Body {
    Body::new(Piped(reader))
}

struct Piped(tokio::io::DuplexStream);

impl http_body::Body for Piped {
    type Data = Bytes;
    type Error = EndpointError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, EndpointError>>> {
        use std::task::Poll;
        let mut space = [0; 64];
        let mut buffer = tokio::io::ReadBuf::new(&mut space);
        match tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut self.0), cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(read) => {
                read.unwrap();
                let data = Bytes::copy_from_slice(buffer.filled());
                Poll::Ready((!data.is_empty()).then(|| Ok(http_body::Frame::data(data))))
            }
        }
    }
}

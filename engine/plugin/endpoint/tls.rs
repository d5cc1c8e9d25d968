//! TLS towards a platform: whom we trust, who we are, and what went wrong in plain words.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::{AlertDescription, CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::EndpointError;
use super::file::{Stamp, read_text};
use super::secret::SecretText;

/// The longest file of certificates or of a key.
const PEM_BYTES: u64 = 4 << 20;

/// How TLS is spoken with one platform.
#[derive(Debug)]
pub(super) struct Tls {
    files: Files,
    name: ServerName<'static>,
    alpn: Vec<Vec<u8>>,
    /// Made from the files as they were then.
    last: Mutex<Option<(Vec<Stamp>, Arc<ClientConfig>)>>,
}

/// The files that the operator names.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) ca: Option<PathBuf>,
    /// Certificate and key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

/// A file that does not serve; which one, and why.
#[derive(Debug)]
pub(super) struct BadFile {
    /// The field of the configuration.
    pub(super) field: &'static str,
    pub(super) problem: String,
}

impl Tls {
    /// Reads the files once, so that what is wrong with them is found before the first request.
    pub(super) fn new(files: Files, name: ServerName<'static>, http2: bool) -> Result<Tls, BadFile> {
        let alpn = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let tls = Tls { files, name, alpn, last: Mutex::new(None) };
        tls.config()?;
        Ok(tls)
    }

    /// Whom the server must show to be.
    pub(super) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// Whether we can show who we are.
    pub(super) fn has_client_certificate(&self) -> bool {
        self.files.client.is_some()
    }

    /// The settings, made again when a file has changed.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, BadFile> {
        let stamps = self.files.stamps()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, config)) = &*last
            && *seen == stamps
        {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make()?);
        *last = Some((stamps, config.clone()));
        Ok(config)
    }

    fn make(&self) -> Result<ClientConfig, BadFile> {
        let roots = authorities(self.files.ca.as_deref())?;
        let provider = Arc::new(crypto::ring::default_provider());
        let bad_ca = |error: &dyn std::fmt::Display| BadFile { field: "ca", problem: error.to_string() };
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| bad_ca(&format!("no authority whose certificates could be accepted: {error}")))?;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| bad_ca(&error))?
            .with_webpki_verifier(verifier);
        let mut config = match &self.files.client {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let (chain, key) = identity(cert, key, &provider)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| BadFile {
                    field: "client_cert",
                    problem: format!("certificate and key do not go together: {error}"),
                })?
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(config)
    }
}

impl Files {
    fn stamps(&self) -> Result<Vec<Stamp>, BadFile> {
        let client = self.client.iter().flat_map(|(cert, key)| [("client_cert", cert), ("client_key", key)]);
        let named = self.ca.iter().map(|path| ("ca", path)).chain(client);
        named.map(|(field, path)| Stamp::of(path).map_err(|error| bad(field, path, error))).collect()
    }
}

fn bad(field: &'static str, path: &Path, why: impl std::fmt::Display) -> BadFile {
    BadFile { field, problem: format!("{}: {why}", path.display()) }
}

/// Those of the operator's file, or those of the system.
pub(super) fn authorities(ca: Option<&Path>) -> Result<Arc<RootCertStore>, BadFile> {
    let Some(path) = ca else { return Ok(system_authorities()) };
    let text = read_text(path, PEM_BYTES).map_err(|error| bad("ca", path, error))?;
    authorities_in(&text).map_err(|problem| bad("ca", path, problem))
}

/// Those in a text of PEM.
pub(super) fn authorities_in(text: &str) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(text)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(Arc::new(roots))
}

fn certificates_in(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<Identity, BadFile> {
    let chain = read_text(cert, PEM_BYTES).map_err(|error| bad("client_cert", cert, error))?;
    let chain = certificates_in(&chain).map_err(|problem| bad("client_cert", cert, problem))?;
    let text = read_text(key, PEM_BYTES).map(SecretText::new).map_err(|error| bad("client_key", key, error))?;
    // What the parser says might quote the file.
    let parsed = PrivateKeyDer::from_pem_slice(text.expose().as_bytes());
    let parsed = parsed.map_err(|_| bad("client_key", key, "there is no private key in it"))?;
    if provider.key_provider.load_private_key(parsed.clone_key()).is_err() {
        return Err(bad("client_key", key, "the key is of a kind that is not known"));
    }
    Ok((chain, parsed))
}

/// The authorities of the system, read once.
fn system_authorities() -> Arc<RootCertStore> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        // What is broken among a hundred of them must not disable the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    SYSTEM.get_or_init(read).clone()
}

/// The failure of a handshake in plain words.
pub(super) fn handshake(error: &std::io::Error, has_client_certificate: bool) -> EndpointError {
    match inside(error) {
        Some(inside) => failure(inside, has_client_certificate),
        None => {
            EndpointError::Tls { reason: format!("the connection ended in the handshake: {error}"), certificate: false }
        }
    }
}

/// The failure of a connection in plain words.
pub(super) fn failure(error: &rustls::Error, has_client_certificate: bool) -> EndpointError {
    use rustls::Error as E;
    let (reason, certificate) = match error {
        E::InvalidCertificate(why) => (server_certificate(why), true),
        E::AlertReceived(alert) => alert_text(*alert, has_client_certificate),
        E::InvalidMessage(_) => ("the server does not speak TLS there".to_owned(), false),
        other => (other.to_string(), false),
    };
    EndpointError::Tls { reason, certificate }
}

fn server_certificate(why: &CertificateError) -> String {
    use CertificateError as C;
    match why {
        C::Expired | C::ExpiredContext { .. } => "the certificate of the server has expired".to_owned(),
        C::NotValidYet | C::NotValidYetContext { .. } => "the certificate of the server is not valid yet".to_owned(),
        // Another authority of the same name signed it.
        C::UnknownIssuer | C::BadSignature => {
            "the certificate of the server is signed by an authority that is not accepted".to_owned()
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "the certificate of the server is for another name".to_owned()
        }
        other => format!("the certificate of the server is not accepted: {other}"),
    }
}

fn alert_text(alert: AlertDescription, has_client_certificate: bool) -> (String, bool) {
    use AlertDescription as A;
    match (alert, has_client_certificate) {
        (A::CertificateRequired, _) | (A::HandshakeFailure | A::BadCertificate, false) => {
            ("the server asks for a client certificate, and the endpoint has none that it takes".to_owned(), true)
        }
        (A::CertificateExpired, _) => ("the server says that the client certificate has expired".to_owned(), true),
        (
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError,
            true,
        ) => (format!("the server refuses the client certificate ({alert:?})"), true),
        _ => (format!("the server ended the connection ({alert:?})"), false),
    }
}

/// The failure of TLS inside an error of IO, if there is one.
pub(super) fn inside(error: &std::io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(inner);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    inner.source().and_then(|error| error.downcast_ref())
}

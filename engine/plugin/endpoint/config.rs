//! What an operator writes about an endpoint.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::secret::SecretSource;

/// A connection to a platform. What is not given has the value of [`EndpointConfig::default`].
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointConfig {
    /// `unix:/path`, `http://host[:port][/prefix]` or `https://host[:port][/prefix]`. The prefix is put before every path.
    pub address: String,
    /// A PEM file of the authorities whose certificates are accepted, in place of the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file with our certificate and those between it and its authority. Read again when it has changed.
    pub client_cert: Option<PathBuf>,
    /// A PEM file with the key of [`EndpointConfig::client_cert`].
    pub client_key: Option<PathBuf>,
    /// The name the server's certificate must have, where it is not the one in the address.
    pub server_name: Option<String>,
    /// How requests show who sends them.
    pub auth: Auth,
    /// Methods that may be used, of those the plugin asks for; `None` narrows nothing, an empty list allows nothing.
    pub methods: Option<Vec<String>>,
    /// Paths that may be used, as patterns over the path before the prefix is put to it: `*` stands for anything within a
    /// segment, `/**` at the end for any rest. `None` narrows nothing, an empty list allows nothing.
    pub paths: Option<Vec<String>>,
    /// Networks besides the public ones that the name in the address may lead to, as `10.0.0.0/8`. An address that is
    /// written as numbers or as `localhost` needs none.
    pub networks: Vec<String>,
    /// Milliseconds for the name, the connection and TLS together.
    pub connect_ms: u64,
    /// Milliseconds without progress until the head of the answer is there: with every piece of the request that is taken
    /// they begin anew.
    pub response_ms: u64,
    /// Milliseconds between two pieces of the answer; `None` waits for ever.
    pub between_bytes_ms: Option<u64>,
    /// Milliseconds for which a request waits for its turn when [`EndpointConfig::connections`] are in use.
    pub wait_ms: u64,
    /// Bytes of the body of an answer.
    pub response_bytes: u64,
    /// Bytes of the body of a request.
    pub request_bytes: u64,
    /// Requests that are under way at once, and so connections to the platform.
    pub connections: usize,
    /// Milliseconds after which an unused connection is closed.
    pub idle_ms: u64,
    /// When HTTP/2 is spoken.
    pub http2: Http2,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            address: String::new(),
            ca: None,
            client_cert: None,
            client_key: None,
            server_name: None,
            auth: Auth::default(),
            methods: None,
            paths: None,
            networks: Vec::new(),
            connect_ms: 10_000,
            response_ms: 60_000,
            between_bytes_ms: Some(60_000),
            wait_ms: 60_000,
            response_bytes: 16 << 30,
            request_bytes: 16 << 30,
            connections: 64,
            idle_ms: 30_000,
            http2: Http2::default(),
        }
    }
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password in an address is refused later; it must not be shown before.
        let address = if self.address.contains('@') { "***" } else { &self.address };
        f.debug_struct("EndpointConfig")
            .field("address", &address)
            .field("server_name", &self.server_name)
            .field("ca", &self.ca)
            .field("client_cert", &self.client_cert)
            .field("auth", &self.auth)
            .field("methods", &self.methods)
            .field("paths", &self.paths)
            .field("networks", &self.networks)
            .finish_non_exhaustive()
    }
}

/// When HTTP/2 is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Http2 {
    /// Where the server chooses it in the TLS handshake (ALPN).
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always, from the first byte of a connection without TLS.
    PriorKnowledge,
}

/// How requests show who sends them.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    /// Not at all, or by a client certificate.
    None {},
    /// `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: SecretSource,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: SecretSource,
    },
    /// A header of its own, as `X-API-Key`.
    Header {
        /// The name of the header.
        name: String,
        /// Its value.
        value: SecretSource,
    },
    /// A bearer token by OAuth 2.0 client credentials.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
    /// A bearer token of the managed identity of an Azure machine.
    Imds(Imds),
    /// A bearer token of the token server that an image registry names.
    Registry(Registry),
    /// An AWS signature, version 4.
    SigV4(SigV4),
}

impl Default for Auth {
    fn default() -> Self {
        Auth::None {}
    }
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens are given out, as an address of an endpoint with its path.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// The secret of who asks.
    pub client_secret: SecretSource,
    /// What for.
    pub scope: Option<String>,
    /// For whom.
    pub audience: Option<String>,
    /// A PEM file of the authorities of the token server, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Sends the secret in the body of the request for a token, for servers that do not take it as `Authorization: Basic`.
    #[serde(default)]
    pub secret_in_body: bool,
}

/// The managed identity of an Azure machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imds {
    /// What the token is for, as `https://management.azure.com/`.
    pub resource: String,
    /// Which of several identities.
    pub client_id: Option<String>,
    /// Where the metadata service is.
    #[serde(default = "metadata_service")]
    pub address: String,
    /// The version of its interface.
    #[serde(default = "metadata_version")]
    pub api_version: String,
}

fn metadata_service() -> String {
    "http://169.254.169.254".to_owned()
}

fn metadata_version() -> String {
    "2018-02-01".to_owned()
}

/// Tokens of an image registry, each for the scope that the registry names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Who asks for tokens; nobody in particular unless set.
    pub user: Option<String>,
    /// The password of the user. Token servers get it, the registry does not.
    pub password: Option<SecretSource>,
    /// Addresses of token servers that the registry may name, each with the path that theirs have to begin with; the
    /// address of the endpoint, with any path, unless set. Without TLS only where the endpoint has none either.
    pub realms: Option<Vec<String>>,
    /// A PEM file of the authorities of the token servers of `realms`, in place of those of the endpoint.
    pub ca: Option<PathBuf>,
}

/// An AWS signature: with the operator's key or with the one that a job brings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigV4 {
    /// The region, as `eu-central-1`.
    pub region: String,
    /// The service, as `s3`.
    pub service: String,
    /// The name of the key; secret all the same, since it comes from where the key comes from.
    pub access_key_id: Option<SecretSource>,
    /// The key.
    pub secret_access_key: Option<SecretSource>,
    /// The token of a key that is lent for some time.
    pub session_token: Option<SecretSource>,
    /// Where the key comes from, when it is not given here.
    pub from: Option<KeysFrom>,
    /// Bytes of a body that are kept in memory to be signed, where the service wants them signed and the plugin does not
    /// say their digest. S3 does not.
    #[serde(default = "signed_bytes")]
    pub signed_bytes: u64,
}

fn signed_bytes() -> u64 {
    8 << 20
}

/// Where a key comes from that is not in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeysFrom {
    /// From the job whose work the plugin does.
    Job,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EndpointConfig, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_auth_is_read() {
        let kinds = [
            r#"{"kind": "none"}"#,
            r#"{"kind": "bearer", "token": {"env": "T"}}"#,
            r#"{"kind": "basic", "user": "u", "password": {"file": "/p"}}"#,
            r#"{"kind": "header", "name": "x-key", "value": {"value": "v"}}"#,
            r#"{"kind": "oauth2", "token_url": "https://x/t", "client_id": "c", "client_secret": {"value": "v"}}"#,
            r#"{"kind": "imds", "resource": "https://management.azure.com/"}"#,
            r#"{"kind": "registry"}"#,
            r#"{"kind": "registry", "user": "u", "password": {"file": "/p"}, "realms": ["https://t/token"], "ca": "/c"}"#,
            r#"{"kind": "sigv4", "region": "r", "service": "s3", "from": "job"}"#,
        ];
        for kind in kinds {
            let config = read(&format!(r#"{{"address": "unix:/x", "auth": {kind}}}"#)).expect(kind);
            assert!(kind.to_lowercase().contains("none") || !format!("{:?}", config.auth).contains("None {}"));
            let with_more = kind.replacen('{', r#"{"surprise": 1, "#, 1);
            let refused = read(&format!(r#"{{"address": "unix:/x", "auth": {with_more}}}"#)).unwrap_err();
            assert!(refused.contains("surprise"), "{kind}: {refused}");
        }
        assert!(read(r#"{"adress": "unix:/x"}"#).unwrap_err().contains("adress"));
        assert!(read(r#"{"auth": {"kind": "kerberos"}}"#).unwrap_err().contains("kerberos"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = r#"{"address": "https://me:hush@host", "auth": {"kind": "basic", "user": "u", "password": {"value": "hush"}}}"#;
        let shown = format!("{:?}", read(text).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
        let text = r#"{"auth": {"kind": "sigv4", "region": "r", "service": "s3", "access_key_id": {"value": "hush"}, "secret_access_key": {"value": "hush"}}}"#;
        let shown = format!("{:?}", read(text).unwrap());
        assert!(!shown.contains("hush") && shown.contains("sigv4") | shown.contains("SigV4"), "{shown}");
    }
}

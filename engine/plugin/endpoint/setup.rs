//! From what an operator wrote to an endpoint that works, or to all mistakes in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::header::HeaderName;
use ipnet::IpNet;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls_pki_types::ServerName;

use super::address::{Address, Host, Place};
use super::auth::{
    Account, ClientCredentials, Credential, Keys, Metadata, Realm, Registry, Signer, Tokens, fits_header,
};
use super::config::{self, Auth, EndpointConfig, Http2, Imds, KeysFrom, OAuth2, SigV4};
use super::connector::Connector;
use super::network::Networks;
use super::resolve::Resolve;
use super::rights::Rights;
use super::secret::{Secret, SecretSource};
use super::tls::{Files, Tls};
use super::wire::Wire;
use crate::clock::Clock;
use crate::error::Problem;

const ADDRESS: &str = "unix:/PATH, http://HOST[:PORT][/PREFIX] or https://HOST[:PORT][/PREFIX]";
const SECRET: &str =
    "{ env = \"NAME\" }, { file = \"PATH\" } or { value = \"TEXT\" }, not empty, at most 64 KiB of text";
const REALMS: &str = "addresses of token servers, as https://auth.example.com or https://auth.example.com/token";
/// Token servers of one registry.
const MOST_REALMS: usize = 16;
const FORBIDDEN_NAMES: &str = "a header that requests carry credentials in, as X-API-Key";
/// The longest wait that can be asked for, ten years: it stays far from the end of what clocks can count.
const LONGEST_MS: u64 = 315_360_000_000;

/// The parts of an endpoint.
pub(super) struct Made {
    pub(super) address: Address,
    pub(super) wire: Wire,
    pub(super) credential: Credential,
    pub(super) rights: Rights,
}

/// Checks everything and makes what can be made. Fields are named below `endpoint.NAME`.
pub(super) fn make(
    name: &str,
    config: &EndpointConfig,
    resolver: &Arc<dyn Resolve>,
    clock: &Clock,
) -> Result<Made, Vec<Problem>> {
    let mut setup = Setup { name, config, resolver, clock, problems: Vec::new() };
    setup.check_name();
    setup.check_limits();
    let networks = setup.networks();
    let rights = setup.rights();
    let address = setup.address("address", &config.address);
    let wire = address.as_ref().and_then(|address| setup.wire(address, networks.clone()));
    let credential = setup.credential(address.as_ref().filter(|_| wire.is_some()), &networks);
    match (address, wire, credential, rights) {
        (Some(address), Some(wire), Some(credential), Some(rights)) if setup.problems.is_empty() => {
            Ok(Made { address, wire, credential, rights })
        }
        _ => Err(setup.problems),
    }
}

struct Setup<'a> {
    name: &'a str,
    config: &'a EndpointConfig,
    resolver: &'a Arc<dyn Resolve>,
    clock: &'a Clock,
    problems: Vec<Problem>,
}

impl Setup<'_> {
    fn problem(&mut self, field: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        let field = format!("endpoint.{}.{field}", self.name);
        self.problems.push(Problem { field, problem: problem.into(), allowed: allowed.into() });
    }

    /// It is the first part of a host name for plugins.
    fn check_name(&mut self) {
        let name = self.name.as_bytes();
        let inner = name.iter().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || *it == b'-');
        if name.is_empty() || name.len() > 63 || !inner || name.starts_with(b"-") || name.ends_with(b"-") {
            let problem = Problem {
                field: "endpoint".to_owned(),
                problem: format!("{:?} is no name of an endpoint", self.name),
                allowed: "1 to 63 of a-z, 0-9 and -, with no - at either end".to_owned(),
            };
            self.problems.push(problem);
        }
    }

    fn check_limits(&mut self) {
        let config = self.config;
        let waits = [
            ("connect_ms", Some(config.connect_ms)),
            ("response_ms", Some(config.response_ms)),
            ("between_bytes_ms", config.between_bytes_ms),
            ("wait_ms", Some(config.wait_ms)),
            ("idle_ms", Some(config.idle_ms)),
        ];
        for (field, millis) in waits {
            if millis.is_some_and(|millis| millis == 0 || millis > LONGEST_MS) {
                self.problem(field, "it is 0 or longer than ten years", format!("1 to {LONGEST_MS}"));
            }
        }
        if config.connections == 0 || config.connections > 65_536 {
            self.problem("connections", "it is 0 or too many", "1 to 65536");
        }
    }

    fn networks(&mut self) -> Networks {
        let mut listed = Vec::new();
        for (at, text) in self.config.networks.iter().enumerate() {
            match text.parse::<IpNet>() {
                Ok(net) => listed.push(net),
                Err(_) => {
                    self.problem(&format!("networks[{at}]"), "it is no network", "networks as 10.0.0.0/8 or fd00::/8")
                }
            }
        }
        Networks { listed }
    }

    fn rights(&mut self) -> Option<Rights> {
        match Rights::new(self.config.methods.as_deref(), self.config.paths.as_deref()) {
            Ok(rights) => Some(rights),
            Err(problems) => {
                for it in problems {
                    self.problem(&it.field, it.problem, it.allowed);
                }
                None
            }
        }
    }

    fn address(&mut self, field: &str, text: &str) -> Option<Address> {
        let parsed = Address::parse(text);
        parsed.map_err(|what| self.problem(field, what, ADDRESS)).ok()
    }

    fn wire(&mut self, address: &Address, networks: Networks) -> Option<Wire> {
        let config = self.config;
        if address.is_tls() && config.http2 == Http2::PriorKnowledge {
            self.problem("http2", "with TLS the server chooses", "auto or off; prior_knowledge without TLS");
        }
        let for_tls = [
            ("ca", config.ca.is_some()),
            ("client_cert", config.client_cert.is_some()),
            ("client_key", config.client_key.is_some()),
            ("server_name", config.server_name.is_some()),
        ];
        if !address.is_tls() {
            for (field, _) in for_tls.into_iter().filter(|(_, is_given)| *is_given) {
                self.problem(field, "the address is none of TLS", "nothing, or an address with https");
            }
            return Some(self.wired(address, networks, None, config.http2));
        }
        let client = match (&config.client_cert, &config.client_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => {
                self.problem("client_key", "the key of client_cert is missing", "a PEM file");
                None
            }
            (None, Some(_)) => {
                self.problem("client_cert", "the certificate for client_key is missing", "a PEM file");
                None
            }
        };
        let files = Files { ca: config.ca.clone(), client };
        let tls = self.tls("", address, files, config.server_name.as_deref(), config.http2)?;
        Some(self.wired(address, networks, Some(tls), config.http2))
    }

    /// `within` is put before the names of fields.
    fn tls(&mut self, within: &str, address: &Address, files: Files, name: Option<&str>, http2: Http2) -> Option<Tls> {
        let server = match (name, &address.place) {
            (Some(name), _) => ServerName::try_from(name.to_owned()),
            (None, Place::Tcp { host: Host::Ip(ip), .. }) => Ok(ServerName::IpAddress((*ip).into())),
            (None, _) => ServerName::try_from(address.authority.host().to_owned()),
        };
        let Ok(server) = server else {
            self.problem(
                &format!("{within}server_name"),
                "it is no name",
                "a name or an address that is in the certificate",
            );
            return None;
        };
        let tls = Tls::new(files, server, http2 == Http2::Auto);
        tls.map_err(|bad| self.problem(&format!("{within}{}", bad.field), bad.problem, "a PEM file that fits")).ok()
    }

    fn wired(&self, address: &Address, networks: Networks, tls: Option<Tls>, http2: Http2) -> Wire {
        let config = self.config;
        let limit = Duration::from_millis(config.connect_ms);
        let connector = Connector::new(address.place.clone(), networks, self.resolver.clone(), tls, limit);
        Wire::new(connector, http2, Duration::from_millis(config.idle_ms), config.connections)
    }

    fn secret(&mut self, field: &str, source: &SecretSource) -> Option<Secret> {
        let secret = Secret::new(source).map_err(|what| self.problem(field, what, SECRET)).ok()?;
        if secret.get().is_ok_and(|text| !fits_header(text.expose())) {
            self.problem(field, "it holds a line end or another control character", SECRET);
            return None;
        }
        Some(secret)
    }

    /// `address` is that of the endpoint, if there can be connections to it.
    fn credential(&mut self, address: Option<&Address>, networks: &Networks) -> Option<Credential> {
        match &self.config.auth {
            Auth::None {} => Some(Credential::None),
            Auth::Bearer { token } => self.secret("auth.token", token).map(Credential::Bearer),
            Auth::Basic { user, password } => {
                self.check_user(user);
                let password = self.secret("auth.password", password)?;
                Some(Credential::Basic { user: user.clone(), password })
            }
            Auth::Header { name, value } => {
                let value = self.secret("auth.value", value);
                let name = self.header_name(name);
                Some(Credential::Header { name: name?, value: value? })
            }
            Auth::OAuth2(oauth) => self.oauth(oauth, networks).map(Credential::Token),
            Auth::Imds(imds) => self.imds(imds, networks).map(Credential::Token),
            Auth::Registry(registry) => self.registry(registry, address, networks).map(Credential::Registry),
            Auth::SigV4(sigv4) => self.sigv4(sigv4).map(Credential::Aws),
        }
    }

    fn check_user(&mut self, user: &str) {
        if user.contains(':') || !fits_header(user) {
            self.problem("auth.user", "it holds a colon or a control character", "a name");
        }
    }

    fn header_name(&mut self, text: &str) -> Option<HeaderName> {
        let of_connection = ["host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "expect"];
        match HeaderName::try_from(text) {
            Ok(name) if !of_connection.contains(&name.as_str()) => Some(name),
            _ => {
                self.problem("auth.name", "it is no header or one of the connection", FORBIDDEN_NAMES);
                None
            }
        }
    }

    /// A connection of its own to where tokens are given out; the address and its path.
    fn token_wire(&mut self, field: &str, text: &str, ca: Option<&PathBuf>, networks: &Networks) -> Option<Wire> {
        let address = self.address(field, text)?;
        if matches!(address.place, Place::Unix(_)) {
            self.problem(field, "a socket has no path of requests", "an address with http or https");
            return None;
        }
        self.wire_to(&address, ca, networks)
    }

    fn wire_to(&mut self, address: &Address, ca: Option<&PathBuf>, networks: &Networks) -> Option<Wire> {
        let tls = match address.is_tls() {
            true => {
                let files = Files { ca: ca.cloned(), client: None };
                Some(self.tls("auth.", address, files, None, Http2::Off)?)
            }
            false => None,
        };
        Some(self.wired(address, networks.clone(), tls, Http2::Off))
    }

    fn uri(&mut self, field: &str, text: &str) -> Option<Uri> {
        text.parse().map_err(|_| self.problem(field, "it is not an address", ADDRESS)).ok()
    }

    fn token_limit(&self) -> Duration {
        Duration::from_millis(self.config.connect_ms.saturating_add(self.config.response_ms))
    }

    fn oauth(&mut self, oauth: &OAuth2, networks: &Networks) -> Option<Tokens> {
        let client_secret = self.secret("auth.client_secret", &oauth.client_secret);
        // Some name the tenant or the policy in a query.
        let address = oauth.token_url.split('?').next().unwrap_or_default();
        let wire = self.token_wire("auth.token_url", address, oauth.ca.as_ref(), networks);
        Some(Tokens::new(Box::new(ClientCredentials {
            wire: wire?,
            uri: self.uri("auth.token_url", &oauth.token_url)?,
            client_id: oauth.client_id.clone(),
            client_secret: client_secret?,
            scope: oauth.scope.clone(),
            audience: oauth.audience.clone(),
            secret_in_body: oauth.secret_in_body,
            limit: self.token_limit(),
        })))
    }

    fn imds(&mut self, imds: &Imds, networks: &Networks) -> Option<Tokens> {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let wire = self.token_wire("auth.address", &imds.address, None, networks)?;
        let mut text = format!(
            "{}/metadata/identity/oauth2/token?api-version={}&resource={}",
            imds.address.trim_end_matches('/'),
            encode(&imds.api_version),
            encode(&imds.resource)
        );
        if let Some(client_id) = &imds.client_id {
            text.push_str(&format!("&client_id={}", encode(client_id)));
        }
        let uri = self.uri("auth.address", &text)?;
        Some(Tokens::new(Box::new(Metadata { wire, uri, limit: self.token_limit() })))
    }

    fn registry(
        &mut self,
        registry: &config::Registry,
        address: Option<&Address>,
        networks: &Networks,
    ) -> Option<Registry> {
        let login = match (&registry.user, &registry.password) {
            (Some(user), Some(password)) => {
                self.check_user(user);
                Some((user.clone(), self.secret("auth.password", password)?))
            }
            (None, None) => None,
            (Some(_), None) => {
                self.problem("auth.password", "the password of the user is missing", SECRET);
                None
            }
            (None, Some(_)) => {
                self.problem("auth.user", "the user of the password is missing", "a name");
                None
            }
        };
        let realms = self.realms(registry, address?, networks)?;
        Some(Registry::new(Account { realms, login, limit: self.token_limit() }))
    }

    /// The token servers that a registry may name.
    fn realms(&mut self, registry: &config::Registry, address: &Address, networks: &Networks) -> Option<Vec<Realm>> {
        let Some(listed) = &registry.realms else {
            if matches!(address.place, Place::Unix(_)) {
                self.problem("auth.realms", "a socket is no address of a token server", REALMS);
                return None;
            }
            if registry.ca.is_some() {
                self.problem("auth.ca", "it is for realms, and there are none", "nothing, or realms as well");
            }
            let wire = self.own_wire(address, networks)?;
            return Some(vec![Realm { address: Address { prefix: String::new(), ..address.clone() }, wire }]);
        };
        if listed.is_empty() || listed.len() > MOST_REALMS {
            self.problem(
                "auth.realms",
                format!("there are {}", listed.len()),
                format!("1 to {MOST_REALMS} of {REALMS}"),
            );
        }
        let mut realms = Vec::new();
        for (at, text) in listed.iter().take(MOST_REALMS).enumerate() {
            let field = format!("auth.realms[{at}]");
            let Some(realm) = self.address(&field, text) else { continue };
            if matches!(realm.place, Place::Unix(_)) {
                self.problem(&field, "a socket is no address of a token server", REALMS);
            } else if address.is_tls() && !realm.is_tls() {
                self.problem(&field, "the password would be readable on its way", "an address with https");
            } else {
                let wire = match &registry.ca {
                    None if realm.leads_where(address) => self.own_wire(address, networks),
                    ca => self.wire_to(&realm, ca.as_ref().or(self.config.ca.as_ref()), networks),
                };
                realms.extend(wire.map(|wire| Realm { address: realm, wire }));
            }
        }
        Some(realms)
    }

    /// More connections to where the endpoint leads, made as its own are. What is wrong with those has been told.
    fn own_wire(&mut self, address: &Address, networks: &Networks) -> Option<Wire> {
        let told = self.problems.len();
        let wire = self.wire(address, networks.clone());
        self.problems.truncate(told);
        wire
    }

    fn sigv4(&mut self, sigv4: &SigV4) -> Option<Signer> {
        for (field, text) in [("auth.region", &sigv4.region), ("auth.service", &sigv4.service)] {
            let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
            if text.is_empty() || !text.bytes().all(fits) {
                self.problem(field, "it is none of AWS", "a-z, 0-9 and -, as eu-central-1 or s3");
            }
        }
        let keys = match (sigv4.from, &sigv4.access_key_id, &sigv4.secret_access_key) {
            (Some(KeysFrom::Job), None, None) if sigv4.session_token.is_none() => None,
            (None, Some(id), Some(key)) => {
                let id = self.secret("auth.access_key_id", id);
                let key = self.secret("auth.secret_access_key", key);
                let token = sigv4.session_token.as_ref();
                let token = token.map(|token| self.secret("auth.session_token", token));
                Some(Keys { id: id?, key: key?, token: token.flatten() })
            }
            _ => {
                let allowed = "either access_key_id and secret_access_key, or from = \"job\"";
                self.problem("auth", "the key is given by halves or in two ways", allowed);
                return None;
            }
        };
        Some(Signer {
            region: sigv4.region.clone(),
            service: sigv4.service.clone(),
            keys,
            signed_bytes: sigv4.signed_bytes,
            clock: self.clock.clone(),
        })
    }
}

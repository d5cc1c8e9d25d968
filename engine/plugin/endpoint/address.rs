//! Where an endpoint leads: the address that an operator writes.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use http::uri::{Authority, Scheme};

use super::path;

/// An address taken apart.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) place: Place,
    /// What requests carry as their scheme and host.
    pub(super) scheme: Scheme,
    /// With no port where that is the usual one: this is what is sent, and what is signed.
    pub(super) authority: Authority,
    /// Without a slash at its end; empty when there is none.
    pub(super) prefix: String,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Unix(PathBuf),
    Tcp { host: Host, port: u16 },
}

/// The machine in an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Written as numbers: it needs no look-up and the operator knows where it is.
    Ip(IpAddr),
    /// This machine, and nothing else that the name might lead to.
    Localhost,
    /// A name that others may change.
    Name(String),
}

impl Address {
    /// Takes it apart. The error never holds the text, which may hold a password.
    pub(super) fn parse(text: &str) -> Result<Address, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        let uri: Uri = text.parse().map_err(|_| "it is not an address")?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err("it has no scheme");
        };
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err("its scheme is another one"),
        };
        if authority.as_str().contains('@') {
            return Err("it holds a name or a password, which belong under `auth`");
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("it has more than a path after the host");
        }
        let prefix = uri.path().trim_end_matches('/');
        if !prefix.is_empty() {
            path::check(prefix).map_err(|_| "its path holds `..`, `//` or a character that is none of a path")?;
        }
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or("its port is none")?,
            None => default_port,
        };
        let place = Place::Tcp { host: host(authority.host())?, port };
        let sent = if port == default_port { authority.host() } else { authority.as_str() };
        let authority = sent.parse().map_err(|_| "its host is neither a name nor numbers")?;
        Ok(Address { place, scheme: scheme.clone(), authority, prefix: prefix.to_owned() })
    }

    /// Whether both are the same machine, asked in the same way; their paths may differ.
    pub(super) fn leads_where(&self, other: &Address) -> bool {
        self.scheme == other.scheme && self.place.is(&other.place)
    }

    /// Whether TLS is spoken.
    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

impl Place {
    /// Names are the same in capitals and in small letters.
    fn is(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Tcp { host: Host::Name(name), port }, Place::Tcp { host: Host::Name(other), port: other_port }) => {
                name.eq_ignore_ascii_case(other) && port == other_port
            }
            _ => self == other,
        }
    }
}

fn unix(path: &str) -> Result<Address, &'static str> {
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err("the path of its socket is not absolute");
    }
    // Docker and its like expect some name and look at none.
    let authority = Authority::from_static("localhost");
    Ok(Address { place: Place::Unix(path), scheme: Scheme::HTTP, authority, prefix: String::new() })
}

/// The machine that a text names.
pub(super) fn host(text: &str) -> Result<Host, &'static str> {
    let numbers = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = numbers.parse() {
        return Ok(Host::Ip(ip));
    }
    if text.is_empty() {
        return Err("it has no host");
    }
    let allowed = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_');
    if !text.bytes().all(allowed) || text.len() > 253 {
        return Err("its host is neither a name nor numbers");
    }
    if text.eq_ignore_ascii_case("localhost") { Ok(Host::Localhost) } else { Ok(Host::Name(text.to_owned())) }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unix(path) => write!(f, "{}", path.display()),
            Place::Tcp { host: Host::Ip(IpAddr::V6(ip)), port } => write!(f, "[{ip}]:{port}"),
            Place::Tcp { host: Host::Ip(ip), port } => write!(f, "{ip}:{port}"),
            Place::Tcp { host: Host::Localhost, port } => write!(f, "localhost:{port}"),
            Place::Tcp { host: Host::Name(name), port } => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let cases = [
            ("unix:/run/docker.sock", "/run/docker.sock", "", "localhost"),
            ("http://localhost", "localhost:80", "", "localhost"),
            ("http://localhost:80/", "localhost:80", "", "localhost"),
            ("http://localhost:2375/v1.41/", "localhost:2375", "/v1.41", "localhost:2375"),
            ("https://10.0.0.1/a/b", "10.0.0.1:443", "/a/b", "10.0.0.1"),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", "", "[fd00::1]:6443"),
            ("https://api.example.com:443", "api.example.com:443", "", "api.example.com"),
        ];
        for (text, place, prefix, host) in cases {
            let address = Address::parse(text).expect(text);
            assert_eq!((address.place.to_string().as_str(), address.prefix.as_str()), (place, prefix), "{text}");
            assert_eq!(address.authority.as_str(), host, "{text}");
            assert_eq!(address.is_tls(), text.starts_with("https"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_never_shown() {
        let bad = [
            "",
            "docker.sock",
            "/run/docker.sock",
            "unix:docker.sock",
            "ftp://host",
            "http://",
            "http://host:0",
            "http://host:",
            "http://host:99999",
            "http://me:hush@host",
            "http://host/x?y=hush",
            "http://host/x#y",
            "http://host/a/../b",
            "http://host/a//b",
            "http://h%6Fst",
        ];
        for text in bad {
            let problem = Address::parse(text).expect_err(text);
            assert!(!problem.contains("hush"));
        }
    }
}

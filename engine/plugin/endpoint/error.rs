//! Why a request did not get its answer.

use std::fmt;
use std::time::Duration;

/// Why a request through an endpoint failed. No variant holds a credential, a query or a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Neither sent nor connected: the rights do not cover it.
    #[error("{method} {path} is not allowed by {by}: {rule}")]
    Denied {
        /// The method.
        method: String,
        /// The path, without its query.
        path: String,
        /// Whose list it is that lacks it.
        by: Granter,
        /// What that list allows.
        rule: String,
    },
    /// The request is none that a plugin may make.
    #[error("the request is refused: {0}")]
    Request(String),
    /// The name of the platform leads to an address that an endpoint may not reach.
    #[error("{name} is refused: {reason}")]
    Address {
        /// The name that was looked up.
        name: String,
        /// The addresses and why each is refused.
        reason: String,
    },
    /// The name of the platform has no address.
    #[error("{name} has no address: {reason}")]
    Name {
        /// The name that was looked up.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// No connection could be made.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// No TLS connection could be agreed on, or it broke.
    #[error("TLS: {reason}")]
    Tls {
        /// What was wrong.
        reason: String,
        /// Whether it was a certificate, theirs or ours.
        certificate: bool,
    },
    /// Waited long enough.
    #[error("{wait} took longer than {} ms", limit.as_millis())]
    Timeout {
        /// For what.
        wait: Wait,
        /// How long.
        limit: Duration,
    },
    /// A body is longer than the endpoint allows.
    #[error("the {part} is longer than the {limit} bytes that the endpoint allows")]
    TooLarge {
        /// Which body.
        part: Part,
        /// How much it may have.
        limit: u64,
    },
    /// The connection ended too early.
    #[error("the connection ended before the answer was complete: {0}")]
    Closed(String),
    /// The platform does not speak proper HTTP.
    #[error("HTTP: {0}")]
    Protocol(String),
    /// The credential of the endpoint cannot be had.
    #[error("no credential: {0}")]
    Auth(String),
    /// The credential of the endpoint was refused, by a registry or by its token server.
    #[error("not authenticated: {0}")]
    Unauthenticated(String),
}

/// Who allows what a plugin may ask for. Both must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granter {
    /// The manifest of the plugin, which asks.
    Manifest,
    /// The configuration of the endpoint, which grants.
    Configuration,
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Other requests of the endpoint to end.
    Turn,
    /// The name, the connection and TLS.
    Connection,
    /// The head of the answer, or progress in sending the request.
    Head,
    /// More of the body of the answer.
    Bytes,
}

/// A body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of the request.
    Request,
    /// Of the answer.
    Response,
}

/// What kind of failure it was: one for each that a caller may treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not allowed: wasi:http `HTTP-request-denied`.
    Denied,
    /// A bad request: `HTTP-request-URI-invalid` or `HTTP-protocol-error`.
    Request,
    /// A forbidden address: `destination-IP-prohibited`.
    Address,
    /// An unknown name: `DNS-error`.
    Name,
    /// Nobody there: `connection-refused`.
    Connect,
    /// A certificate was not accepted: `TLS-certificate-error`.
    Certificate,
    /// Any other failure of TLS: `TLS-protocol-error`.
    Tls,
    /// No turn in time: `connection-limit-reached`.
    TurnTimeout,
    /// No connection in time: `connection-timeout`.
    ConnectTimeout,
    /// No answer in time: `HTTP-response-timeout`.
    HeadTimeout,
    /// No more bytes in time: `connection-read-timeout`.
    BytesTimeout,
    /// The request is too long: `HTTP-request-body-size`.
    RequestTooLarge,
    /// The answer is too long: `HTTP-response-body-size`.
    ResponseTooLarge,
    /// The connection ended: `connection-terminated`.
    Closed,
    /// Not HTTP: `HTTP-protocol-error`.
    Protocol,
    /// No credential: `configuration-error`.
    Auth,
    /// The credential was refused: an answer with the status 401.
    Unauthenticated,
}

impl EndpointError {
    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied { .. } => ErrorKind::Denied,
            Self::Request(_) => ErrorKind::Request,
            Self::Address { .. } => ErrorKind::Address,
            Self::Name { .. } => ErrorKind::Name,
            Self::Connect { .. } => ErrorKind::Connect,
            Self::Tls { certificate: true, .. } => ErrorKind::Certificate,
            Self::Tls { certificate: false, .. } => ErrorKind::Tls,
            Self::Timeout { wait: Wait::Turn, .. } => ErrorKind::TurnTimeout,
            Self::Timeout { wait: Wait::Connection, .. } => ErrorKind::ConnectTimeout,
            Self::Timeout { wait: Wait::Head, .. } => ErrorKind::HeadTimeout,
            Self::Timeout { wait: Wait::Bytes, .. } => ErrorKind::BytesTimeout,
            Self::TooLarge { part: Part::Request, .. } => ErrorKind::RequestTooLarge,
            Self::TooLarge { part: Part::Response, .. } => ErrorKind::ResponseTooLarge,
            Self::Closed(_) => ErrorKind::Closed,
            Self::Protocol(_) => ErrorKind::Protocol,
            Self::Auth(_) => ErrorKind::Auth,
            Self::Unauthenticated(_) => ErrorKind::Unauthenticated,
        }
    }
}

impl fmt::Display for Granter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Granter::Manifest => "the plugin's manifest",
            Granter::Configuration => "the endpoint's configuration",
        })
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wait::Turn => "waiting for other requests of the endpoint",
            Wait::Connection => "connecting",
            Wait::Head => "waiting for the answer",
            Wait::Bytes => "waiting for more of the answer",
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Request => "request",
            Part::Response => "answer",
        })
    }
}

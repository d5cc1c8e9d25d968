//! Endpoints: named connections from the engine to a platform. Sockets, TLS and credentials are the host's.
//!
//! A plugin writes `http://docker.endpoint/v1.41/info`. The host looks the endpoint `docker` up and hands the request to
//! [`Endpoint::send`], which checks it against what the plugin's manifest asks for and what the operator grants, points it
//! at the platform, puts the credential in and sends it over a connection that is kept for the next one.
//!
//! *Architecture invariant:* a credential goes into the head of a request that is leaving, and nowhere else: not to a
//! plugin, not into an error, not into `Debug`. Redirects are never followed and proxies of the environment never asked, so
//! requests go to the operator's address and to no other. The rights are checked before anything is connected to.
//!
//! What is no HTTP goes over connections of the plugin's own, see [`ConnectionGrant`].

mod address;
mod answer;
mod auth;
mod call;
mod config;
mod connector;
mod dial;
mod error;
mod file;
#[cfg(fuzzing)]
mod fuzz;
mod network;
mod outgoing;
mod path;
mod raw;
mod request;
mod resolve;
mod rights;
mod secret;
mod send;
mod setup;
mod stream;
mod tls;
mod wire;

pub use call::{AwsCredentials, Call};
pub use config::{Auth, EndpointConfig, Http2, Imds, KeysFrom, OAuth2, Registry, SigV4};
pub use error::{EndpointError, ErrorKind, Granter, Part, Wait};
#[cfg(fuzzing)]
pub(crate) use fuzz::fuzz_request;
pub use raw::{ConnectionConfig, ConnectionGrant, Line, Verify};
pub use resolve::{Lookup, Resolve, SystemResolver};
pub use rights::Rights;
pub use secret::{SecretSource, SecretText};
pub use send::Endpoint;

/// The body of a request or of an answer.
pub type Body = http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, EndpointError>;

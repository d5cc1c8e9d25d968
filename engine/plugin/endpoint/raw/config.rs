//! What an operator writes about connections of a plugin's own.

use std::path::PathBuf;

use serde::Deserialize;

/// Where connections of one name may lead. What is not given has the value of [`ConnectionConfig::default`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionConfig {
    /// Machines. A name, in which `*` stands for anything within a label and `**.` at the beginning for any labels, allows to
    /// name a machine so; it has to lead to a public address or to one that is listed. An address or a network, as
    /// `10.0.0.5` or `10.0.0.0/8`, allows that address. `localhost` is this machine and nothing else.
    pub hosts: Vec<String>,
    /// Ports.
    pub ports: Vec<u16>,
    /// A PEM file of the authorities whose certificates are accepted, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Milliseconds for the name and the connection together, and for TLS.
    pub connect_ms: u64,
    /// Milliseconds without a byte while the plugin waits for some; `None` waits for ever.
    pub between_bytes_ms: Option<u64>,
    /// Milliseconds for which a connection waits for its turn when [`ConnectionConfig::connections`] are open.
    pub wait_ms: u64,
    /// Bytes that one connection may receive.
    pub response_bytes: u64,
    /// Bytes that one connection may send.
    pub request_bytes: u64,
    /// Connections that are open at once.
    pub connections: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        ConnectionConfig {
            hosts: Vec::new(),
            ports: Vec::new(),
            ca: None,
            connect_ms: 10_000,
            between_bytes_ms: Some(600_000),
            wait_ms: 60_000,
            response_bytes: 16 << 30,
            request_bytes: 16 << 30,
            connections: 16,
        }
    }
}

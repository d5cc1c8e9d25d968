//! Connections of one name, as they were granted.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::super::EndpointError;
use super::super::dial::Dial;
use super::super::error::Wait;
use super::super::resolve::{Resolve, SystemResolver};
use super::super::tls;
use super::config::ConnectionConfig;
use super::hosts::{ALLOWED, Hosts};
use super::line::{Bounds, Line};
use crate::error::Problem;

/// The longest wait that can be asked for, ten years, as of endpoints.
const LONGEST_MS: u64 = 315_360_000_000;
const MOST_CONNECTIONS: usize = 65_536;

/// What a plugin may connect to by one name.
pub struct ConnectionGrant {
    hosts: Hosts,
    ports: Vec<u16>,
    ca: Option<PathBuf>,
    resolver: Arc<dyn Resolve>,
    turns: Arc<Semaphore>,
    connect: Duration,
    wait: Duration,
    bounds: Bounds,
}

impl ConnectionGrant {
    /// Makes it of a configuration. Nothing is connected to; the file of authorities is read.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, at `connection.NAME.…`.
    pub fn new(name: &str, config: &ConnectionConfig) -> Result<ConnectionGrant, Vec<Problem>> {
        ConnectionGrant::with_resolver(name, config, Arc::new(SystemResolver))
    }

    /// The same, looking names up elsewhere than with the system.
    ///
    /// # Errors
    /// As [`ConnectionGrant::new`].
    pub fn with_resolver(
        name: &str,
        config: &ConnectionConfig,
        resolver: Arc<dyn Resolve>,
    ) -> Result<ConnectionGrant, Vec<Problem>> {
        let mut problems = limits(config);
        let hosts = Hosts::parse(&config.hosts).unwrap_or_else(|bad| {
            let told = bad.into_iter().map(|(at, why)| problem(&format!("hosts[{at}]"), why, ALLOWED));
            problems.extend(told);
            Hosts::default()
        });
        if config.hosts.is_empty() {
            problems.push(problem("hosts", "there is none", ALLOWED));
        }
        if config.ports.is_empty() || config.ports.contains(&0) {
            problems.push(problem("ports", "there is none, or 0", "a list of ports, as [5432]"));
        }
        if let Err(bad) = tls::authorities(config.ca.as_deref()) {
            problems.push(problem(bad.field, bad.problem, "a PEM file that fits"));
        }
        if !problems.is_empty() {
            let named = |it: Problem| Problem { field: format!("connection.{name}.{}", it.field), ..it };
            return Err(problems.into_iter().map(named).collect());
        }
        Ok(ConnectionGrant {
            hosts,
            ports: config.ports.clone(),
            ca: config.ca.clone(),
            resolver,
            turns: Arc::new(Semaphore::new(config.connections)),
            connect: Duration::from_millis(config.connect_ms),
            wait: Duration::from_millis(config.wait_ms),
            bounds: Bounds {
                between_bytes: config.between_bytes_ms.map(Duration::from_millis),
                received: config.response_bytes,
                sent: config.request_bytes,
            },
        })
    }

    /// Connects to a machine, within the time that is asked for and granted. To be called in a tokio runtime with IO and
    /// time.
    ///
    /// # Errors
    /// [`EndpointError`]: what is not granted is an address that is refused.
    pub async fn open(&self, host: &str, port: u16, timeout: Option<Duration>) -> Result<Line, EndpointError> {
        let refused = |reason: String| EndpointError::Address { name: format!("{host}:{port}"), reason };
        let named = self.hosts.named(host).map_err(refused)?;
        if !self.ports.contains(&port) {
            let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
            return Err(refused(format!("its port is none of those that are granted: {}", ports.join(", "))));
        }
        let turn = tokio::time::timeout(self.wait, self.turns.clone().acquire_owned()).await;
        // The semaphore is never closed.
        let Ok(Ok(turn)) = turn else { return Err(EndpointError::Timeout { wait: Wait::Turn, limit: self.wait }) };
        let limit = self.connect.min(timeout.unwrap_or(Duration::MAX));
        let dial = Dial { host: &named, port, networks: &self.hosts.networks, resolver: self.resolver.as_ref(), limit };
        let stream = tokio::time::timeout(limit, dial.connect()).await;
        let stream = stream.map_err(|_| EndpointError::Timeout { wait: Wait::Connection, limit })??;
        Ok(Line::new(stream, self.ca.clone(), self.connect, self.bounds, turn))
    }
}

impl fmt::Debug for ConnectionGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionGrant")
            .field("hosts", &self.hosts)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

fn problem(field: &str, problem: impl Into<String>, allowed: impl Into<String>) -> Problem {
    Problem { field: field.to_owned(), problem: problem.into(), allowed: allowed.into() }
}

fn limits(config: &ConnectionConfig) -> Vec<Problem> {
    let waits = [
        ("connect_ms", Some(config.connect_ms)),
        ("between_bytes_ms", config.between_bytes_ms),
        ("wait_ms", Some(config.wait_ms)),
    ];
    let bad = waits.into_iter().filter(|(_, millis)| millis.is_some_and(|it| it == 0 || it > LONGEST_MS));
    let allowed = format!("1 to {LONGEST_MS}");
    let mut problems: Vec<Problem> =
        bad.map(|(field, _)| problem(field, "it is 0 or longer than ten years", allowed.as_str())).collect();
    if config.connections == 0 || config.connections > MOST_CONNECTIONS {
        problems.push(problem("connections", "it is 0 or too many", format!("1 to {MOST_CONNECTIONS}")));
    }
    problems
}

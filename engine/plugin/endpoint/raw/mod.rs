//! Connections whose bytes plugins speak themselves: the interface `net` of `wit/`.
//!
//! The plugin names a machine and a port, since a job may; the operator has said which it may name. The look-up, the check
//! of addresses and TLS are those of endpoints. There is no credential: the protocol is the plugin's, and so is the log-in.

mod config;
mod grant;
mod hosts;
mod line;
mod verify;

pub use config::ConnectionConfig;
pub use grant::ConnectionGrant;
pub use line::Line;
pub use verify::Verify;

//! Real platforms for tests: Docker Engines, image registries, an S3 store and database servers, each in a directory of its
//! own, and gone with the process that wanted them, however that ends; and JDBC drivers.
//!
//! They are started as root from what the script `install` beside this has installed. Where that cannot be, a test fails
//! and says why, unless `WINDLASS_SKIP_BACKENDS=1` leaves it out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests use it, and a test may panic"
)]

mod authority;
mod client;
mod database;
mod docker;
mod drivers;
mod events;
mod image;
mod keeper;
mod ports;
mod registry;
mod s3;
mod tokens;

pub use authority::{Authority, Identity};
pub use client::{Answer, Client};
pub use database::Database;
pub use docker::{BUSYBOX, Docker, Door, Setup};
pub use drivers::drivers_in;
pub use events::{Event, Events};
pub use registry::{Registry, Visitors};
pub use s3::{S3, S3Keys};
pub use tokens::{AskedToken, TokenServer};

/// The variable that leaves these tests out.
const SKIP: &str = "WINDLASS_SKIP_BACKENDS";
/// What has to be there, wherever programs of the system are.
const PROGRAMS: [&str; 11] = [
    "busybox",
    "docker-registry",
    "dockerd",
    "flock",
    "htpasswd",
    "mariadb-install-db",
    "mariadbd",
    "psql",
    "setpriv",
    "tini",
    "unshare",
];

/// Whether the tests of real platforms are left out. When they are not and cannot be run either, that is a failure.
///
/// # Panics
///
/// When this process is not root's, or something is not installed.
pub fn are_left_out() -> bool {
    if std::env::var_os(SKIP).is_some_and(|value| value == "1") {
        eprintln!("left out: {SKIP}=1");
        return true;
    }
    let otherwise = format!("or leave the tests of real platforms out with {SKIP}=1");
    assert!(
        rustix::process::geteuid().is_root(),
        "a Docker Engine can be started by root only: test as root, {otherwise}"
    );
    let path = keeper::path();
    let is_there = |program: &str| std::env::split_paths(&path).any(|place| place.join(program).is_file());
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !is_there(program)).collect();
    assert!(
        missing.is_empty(),
        "not installed: {}: run tests/support/backends/install, {otherwise}",
        missing.join(", ")
    );
    false
}

//! Why a command failed, and the exit code that says so.

use std::fmt;
use std::io;

use crate::error::Error;

/// The exit codes, as `windlass --help` lists them.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    everything went well
  1    a job failed or a check failed; `run` ends with the exit code of the first failed program (1 to 125)
  2    wrong usage, or a mistake in a job file, a manifest or the configuration
  3    the store is in use or cannot be used
  4    there is no such job, config, pipeline, schedule, file or plugin
  130  interrupted";

/// A job or a check failed.
pub(super) const FAILED: u8 = 1;
/// Wrong usage, or a mistake in a job file, a manifest or the configuration.
pub(super) const USAGE: u8 = 2;
/// The store is in use or cannot be used.
pub(super) const STORE: u8 = 3;
/// There is no such job, config, pipeline, schedule, file or plugin.
pub(super) const NOT_FOUND: u8 = 4;
/// Interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a command ends before it is done.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// What is told on standard error; empty when all is told already.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl fmt::Display) -> Self {
        Failure { code, message: message.to_string() }
    }

    /// The end of a command whose reader has gone away (`windlass jobs | head`): no failure, but the end.
    fn reader_is_gone() -> Self {
        Failure::new(0, "")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Invalid(_) => USAGE,
            Error::NotFound(_) | Error::Unknown { .. } => NOT_FOUND,
            Error::Conflict(_) | Error::Full { .. } => FAILED,
            _ => STORE,
        };
        Failure::new(code, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Failure::reader_is_gone() } else { Failure::new(FAILED, error) }
    }
}

//! What goes wrong, and whether it is worth to try again.

use std::fmt;
use std::io;

use crate::bindings::types;

pub use crate::bindings::types::{ErrorKind, Problem, Retry};

/// The result of whatever a plugin does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. No part of it may hold a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of thing.
    pub kind: ErrorKind,
    /// Whether another call may go well.
    pub retry: Retry,
    /// One sentence for the person who runs the job.
    pub message: String,
    /// The platform's own code.
    pub code: Option<String>,
    /// More, by name.
    pub details: Vec<(String, String)>,
}

impl Error {
    /// An error of a kind; it is worth another try where that kind of thing passes.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Exhausted => Retry::Backoff,
            _ => Retry::Never,
        };
        Error { kind, retry, message: message.into(), code: None, details: Vec::new() }
    }

    /// What was asked for is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotFound, message)
    }

    /// The platform cannot be reached or is out of order; worth another try.
    pub fn unavailable(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unavailable, message)
    }

    /// The plugin or the platform cannot do it at all.
    pub fn unsupported(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unsupported, message)
    }

    /// Anything else.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, message)
    }

    /// The same with another verdict on trying again.
    pub fn retry(self, retry: Retry) -> Error {
        Error { retry, ..self }
    }

    /// The same with the platform's own code.
    pub fn code(self, code: impl Into<String>) -> Error {
        Error { code: Some(code.into()), ..self }
    }

    /// The same with one more detail.
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Error {
        self.details.push((name.into(), value.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// A file or a stream that could not be read or written; an error that went through a `Read` or a `Write` comes out as it
/// was.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            _ => ErrorKind::Internal,
        };
        error.downcast::<Error>().unwrap_or_else(|error| Error::new(kind, error.to_string()))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::other(error)
    }
}

/// Something that cannot be told in JSON, or is not the JSON that was expected.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::internal(format!("JSON: {error}"))
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Error {
        let types::Error { kind, retry, message, code, details } = error;
        Error { kind, retry, message, code, details }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> types::Error {
        let Error { kind, retry, message, code, details } = error;
        types::Error { kind, retry, message, code, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_a_stream() {
        let error = Error::unavailable("the line is dead").code("503").detail("host", "a");
        let back = Error::from(io::Error::from(error.clone()));
        assert_eq!(back, error);
        assert_eq!(back.to_string(), "the line is dead (503)");
    }

    #[test]
    fn files_have_kinds_of_their_own() {
        let of = |kind| Error::from(io::Error::from(kind)).kind;
        assert_eq!(of(io::ErrorKind::NotFound), ErrorKind::NotFound);
        assert_eq!(of(io::ErrorKind::PermissionDenied), ErrorKind::Denied);
        assert_eq!(of(io::ErrorKind::StorageFull), ErrorKind::Exhausted);
        assert_eq!(of(io::ErrorKind::BrokenPipe), ErrorKind::Internal);
    }
}

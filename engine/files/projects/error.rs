//! Why something among the files of a project did not happen.

use std::io;

/// Why something among the files of a project did not happen. The files are then as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is nothing under this path.
    #[error("there is no file {0:?} in the project")]
    Gone(String),
    /// It cannot be done with what there is.
    #[error("{path:?} {problem}; allowed: {allowed}")]
    Refused {
        /// The path in question.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// What is allowed.
        allowed: String,
    },
    /// The engine that they belong to has ended.
    #[error("the engine is shut down")]
    Closed,
    /// What the file system says.
    #[error("{path:?}: {source}")]
    Io {
        /// The path in question.
        path: String,
        /// What it says.
        source: io::Error,
    },
}

impl FileError {
    pub(super) fn refused(path: &str, problem: impl Into<String>, allowed: impl Into<String>) -> FileError {
        FileError::Refused { path: path.to_owned(), problem: problem.into(), allowed: allowed.into() }
    }

    /// For `map_err`.
    pub(super) fn io<E: Into<io::Error>>(path: &str) -> impl Fn(E) -> FileError + '_ {
        |error| FileError::Io { path: path.to_owned(), source: error.into() }
    }
}

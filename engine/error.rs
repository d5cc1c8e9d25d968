//! What can go wrong, as callers see it.

use std::fmt;
use std::path::PathBuf;

/// One mistake in what a caller gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as a path: `jobs[2].retry.max_attempts`.
    pub field: String,
    /// What is wrong with it. Never holds the value of a run option.
    pub problem: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; allowed: {}", self.field, self.problem, self.allowed)
    }
}

/// Why an operation of the engine did not happen.
///
/// Nothing was stored by an operation that ended with an error, with one exception: after
/// [`Error::Storage`] it is unknown whether the last writes reached the disk. The engine then acknowledges
/// nothing more; the next start finds out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the caller gave is not valid. All mistakes are listed.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// There is no such job.
    #[error("there is no job {0}")]
    NotFound(String),
    /// There is no such config, schedule or other thing with a name.
    #[error("there is no {what} {name:?}")]
    Unknown {
        /// What it would be.
        what: &'static str,
        /// What it would be called.
        name: String,
    },
    /// The job is in a state in which this cannot be done.
    #[error("{0}")]
    Conflict(String),
    /// A limit on how much may be stored or queued is reached; try again later.
    #[error("{what} is full: {limit} at most")]
    Full {
        /// What is full.
        what: String,
        /// How much it holds.
        limit: u64,
    },
    /// The store is in use by another process.
    #[error("the store {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The store cannot be opened as it is; the text says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The key that seals run options is missing, wrong or badly kept.
    #[error("{0}")]
    Key(String),
    /// Reading or writing the disk failed. The engine acknowledges nothing any more.
    #[error("storage: {0}")]
    Storage(String),
    /// A platform cannot be reached, or does not let this engine in.
    #[error("{0}")]
    Unavailable(String),
    /// The engine is shutting down.
    #[error("the engine is shut down")]
    Closed,
}

impl Error {
    /// A single mistake.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>, allowed: impl Into<String>) -> Error {
        Error::Invalid(vec![Problem { field: field.into(), problem: problem.into(), allowed: allowed.into() }])
    }

    /// A failure of the file system at `what`.
    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Error {
        Error::Storage(format!("{what}: {error}"))
    }
}

/// Bytes of a message that are kept of what a function, a plugin or a platform says.
pub(crate) const MOST_MESSAGE_BYTES: usize = 4_096;

/// Cuts a text that is not the engine's own; at most `most` bytes are kept, and a sign that there were more.
pub(crate) fn bounded(mut text: String, most: usize) -> String {
    if text.len() > most {
        let cut = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

//! The files of projects, for whoever must not wait for a disk.

use super::Runtime;
use crate::error::Error;
use crate::files::{FileError, ProjectFiles};

impl Runtime {
    /// Does something with the files of projects where it may block.
    ///
    /// # Errors
    /// [`Error::Unknown`] for what is not there, [`Error::Invalid`], [`Error::Storage`], [`Error::Closed`].
    pub(crate) async fn with_files<T: Send + 'static>(
        &self,
        act: impl FnOnce(&ProjectFiles) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, Error> {
        // The files of a store that is closed may be another engine's already.
        self.store.finished_count()?;
        let files = self.files.clone();
        let done = tokio::task::spawn_blocking(move || act(&files)).await;
        done.map_err(|error| Error::Storage(error.to_string()))?.map_err(told)
    }
}

fn told(error: FileError) -> Error {
    match error {
        FileError::Gone(name) => Error::Unknown { what: "file", name },
        FileError::Refused { path, problem, allowed } => Error::invalid("path", format!("{path:?} {problem}"), allowed),
        FileError::Closed => Error::Closed,
        FileError::Io { path, source } => Error::io(format!("the file {path:?}"), &source),
    }
}

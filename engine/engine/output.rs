//! What a job has made, as one value.

use super::Engine;
use crate::error::Error;
use crate::job::JobId;

impl Engine {
    /// What a job has as its output, as JSON text; `None` for nothing, and before it has succeeded. For a function it is what
    /// that returned, for a job with a work tree a JSON string: the text in its file `output/value`, without one newline at
    /// its end.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn output(&self, id: JobId) -> Result<Option<Vec<u8>>, Error> {
        self.find(id)?;
        self.runtime().output(id.seq())
    }
}

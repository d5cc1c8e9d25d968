//! Items whose inputs come piece by piece, while their job is open.

use super::Engine;
use crate::error::Error;
use crate::job::JobId;

impl Engine {
    /// Appends a piece to an input of an item of a job that was submitted with `open_items`. The first piece of an item makes the
    /// item. Pieces of one input follow each other; `at` says how many bytes came before, where the caller knows. How many
    /// there are now: on disk when this returns, and after a failure where a caller that goes on begins.
    ///
    /// [`Engine::close_items`] says that there are no more; then the job runs.
    ///
    /// ```
    /// use windlass::job::Items;
    /// use windlass::{Engine, FunctionContext, FunctionError, JobSpec, State};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path())
    ///     .function("size", |context: FunctionContext, (): ()| async move {
    ///         let work = context.work().ok_or_else(|| FunctionError::new("no work tree"))?;
    ///         Ok(std::fs::read(work.join("input/image.jpg"))?.len())
    ///     })
    ///     .open()
    ///     .await?;
    /// let mut spec = JobSpec::function("size", "null").with_items(Items::default());
    /// spec.open_items = true;
    /// let id = engine.submit(spec).await?;
    /// assert_eq!(engine.upload(id, "cat", "image.jpg", None, b"one piece, ").await?, 11);
    /// assert_eq!(engine.upload(id, "cat", "image.jpg", Some(11), b"another").await?, 18);
    /// engine.close_items(id).await?;
    /// assert_eq!(engine.wait(id).await?.state(), State::Succeeded);
    /// assert_eq!(engine.items(id, None, 1)?.items[0].output.as_deref(), Some(b"18".as_slice()));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the job takes no items any more; [`Error::Invalid`] for a name or a path that
    /// is none, for a piece at another place, and for what is more than the limits allow; [`Error::Storage`].
    pub async fn upload(&self, id: JobId, item: &str, path: &str, at: Option<u64>, piece: &[u8]) -> Result<u64, Error> {
        self.runtime().upload(id, item, path, at, piece).await
    }
}

//! The items of a job, and what became of them.

use super::Engine;
use super::view::JobView;
use crate::error::Error;
use crate::job::{Cursor, Filter, JobId, Order};

/// One item of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemView {
    /// Its name.
    pub name: String,
    /// The job that runs it: its state, its times and why it is in its state.
    pub job: JobView,
    /// The output of that job, as [`Engine::output`] tells it.
    pub output: Option<Vec<u8>>,
}

/// A page of the items of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPage {
    /// The items, in the order in which they were found.
    pub items: Vec<ItemView>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<Cursor>,
}

impl Engine {
    /// The items of a job from the cursor on, at most `limit`, at any time: those that are over have their results before the
    /// job is over. How many are in which condition is in the [status](crate::job::Status::items) of the job.
    ///
    /// ```
    /// use windlass::job::{Item, Items};
    /// use windlass::{Engine, FunctionContext, FunctionError, JobSpec, State};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path())
    ///     .function("count", |context: FunctionContext, (): ()| async move {
    ///         let work = context.work().ok_or_else(|| FunctionError::new("no work tree"))?;
    ///         Ok(std::fs::read_to_string(work.join("input/text"))?.split_whitespace().count())
    ///     })
    ///     .open()
    ///     .await?;
    /// let given = [("hello", "hello you"), ("empty", "")].map(|(name, text)| Item::new(name).input("text", text));
    /// let spec = JobSpec::function("count", "null").with_items(Items::given(given));
    /// let id = engine.submit(spec).await?;
    /// let job = engine.wait(id).await?.job;
    /// assert_eq!((job.state(), job.status.items.succeeded), (State::Succeeded, 2));
    /// let page = engine.items(id, None, 10)?;
    /// let counted: Vec<_> = page.items.iter().map(|item| (item.name.as_str(), item.output.as_deref())).collect();
    /// assert_eq!(counted, [("hello", Some(b"2".as_slice())), ("empty", Some(b"0".as_slice()))]);
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for the cursor of another kind of list; [`Error::Storage`].
    pub fn items(&self, id: JobId, cursor: Option<Cursor>, limit: usize) -> Result<ItemPage, Error> {
        self.find(id)?;
        let filter = Filter { items_of: Some(id), order: Order::OldestFirst, ..Filter::default() };
        let page = self.list(&filter, cursor, limit)?;
        let view = |job: JobView| {
            let name = job.job.spec.item.as_ref().map(|item| item.name.clone()).unwrap_or_default();
            let output = self.runtime().output(job.job.seq())?;
            Ok(ItemView { name, job, output })
        };
        let items = page.jobs.into_iter().map(view).collect::<Result<Vec<_>, Error>>()?;
        Ok(ItemPage { items, next: page.next })
    }
}

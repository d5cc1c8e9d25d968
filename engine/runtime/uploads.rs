//! Jobs that are open for items: which items there are, and their inputs as they come.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Runtime;
use crate::error::Error;
use crate::files::append_upload;
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, is_file_path};
use crate::job::items::item_spec;
use crate::job::validate::{is_item_name, item_name_allowed, shown};
use crate::job::{Event, Filter, Item, Job, JobId, Order, Seq, State};
use crate::store::{Moved, Stored};

/// Jobs of items that are read together.
const BATCH: usize = 1_000;

/// The items of open jobs that something was uploaded for in this life.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<HashMap<JobId, Arc<Mutex<OpenJob>>>>);

/// An open job: its items by name, with the bytes of their inputs.
#[derive(Default)]
struct OpenJob {
    is_read: bool,
    items: HashMap<String, Seq>,
}

impl Runtime {
    /// Appends a piece to an input of an item of an open job.
    pub(crate) async fn upload(
        self: &Arc<Self>,
        id: JobId,
        item: &str,
        path: &str,
        at: Option<u64>,
        piece: &[u8],
    ) -> Result<u64, Error> {
        self.open_job(id)?;
        if !is_item_name(item) {
            return Err(Error::invalid("item", "it is no name of an item", item_name_allowed()));
        }
        if !is_file_path(path, MOST_PATH_BYTES) {
            let problem = format!("{} is no path of a file", shown(path));
            return Err(Error::invalid("input", problem, file_path_allowed(MOST_PATH_BYTES)));
        }
        let open = self.uploads.0.lock().await.entry(id).or_default().clone();
        // One after the other: pieces of an input follow each other, and an item is made once.
        let mut open = open.lock().await;
        let job = self.open_job(id)?;
        open.read(self, id)?;
        let seq = match open.items.get(item) {
            Some(seq) => *seq,
            None => {
                let seq = self.new_item(&job, item, open.items.len()).await?;
                open.items.insert(item.to_owned(), seq);
                seq
            }
        };
        let (tree, path, piece) = (self.layout.upload(seq), path.to_owned(), piece.to_vec());
        let most = self.config.transfers.bytes;
        let appended = tokio::task::spawn_blocking(move || append_upload(&tree, &path, at, &piece, most)).await;
        appended.map_err(io::Error::other).and_then(|appended| appended).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => Error::invalid("piece", error.to_string(), "pieces that follow each other"),
            _ => Error::io("an upload", &error),
        })
    }

    /// The job while it takes items.
    fn open_job(&self, id: JobId) -> Result<Job, Error> {
        let job = self.store.find(id)?.ok_or_else(|| Error::NotFound(id.to_string()))?.job;
        let is_open = job.status.state == State::Waiting && job.status.waits.items_open && job.spec.items.is_some();
        if is_open { Ok(job) } else { Err(Error::Conflict(format!("job {id} takes no items"))) }
    }

    /// Stores the job of a new item, and counts it.
    async fn new_item(&self, job: &Job, name: &str, has: usize) -> Result<Seq, Error> {
        let most = self.config.job_limits.items as usize;
        if has >= most {
            return Err(Error::invalid("items", format!("there are {has}"), format!("at most {most}")));
        }
        let stored = self.store.find(job.id)?.ok_or_else(|| Error::NotFound(job.id.to_string()))?;
        let mut spec = (*stored.job.spec).clone();
        self.store.open_private(job.seq(), stored.private.as_ref())?.put(&mut spec);
        let mut of_item = item_spec(&spec, job.id, Item::new(name));
        if let Some(item) = &mut of_item.item {
            item.uploaded = true;
        }
        let jobs = self.prepare(vec![of_item], false).await?;
        let ids = self.store.submit(jobs, false, false).await?;
        let new = ids.first().ok_or(Error::Closed)?.seq();
        match self.store.change(&stored.job, &[Event::ItemsAdded(1)], None, self.clock.now()).await? {
            Moved::Changed(_) | Moved::Unchanged(_) | Moved::Late(_) => Ok(new),
            // The job has ended meanwhile, and nobody is left to end this one.
            Moved::Illegal(illegal, _) => {
                if let Some(Stored { job, .. }) = self.store.load(new)? {
                    let cancel = Event::Cancel { by: "the job of its item, which takes none".to_owned() };
                    self.store.change(&job, &[cancel], None, self.clock.now()).await?;
                }
                Err(Error::Conflict(illegal.to_string()))
            }
        }
    }

    /// Waits for what is being uploaded for a job, and lets nothing more begin while the answer is held.
    pub(crate) async fn end_uploads(&self, id: JobId) -> EndOfUploads {
        let open = self.uploads.0.lock().await.entry(id).or_default().clone();
        EndOfUploads { _open: open.lock_owned().await }
    }

    /// Forgets what was known of a job that takes no more.
    pub(crate) async fn forget_uploads(&self, id: JobId) {
        self.uploads.0.lock().await.remove(&id);
    }
}

/// Nothing is being uploaded for a job.
pub(crate) struct EndOfUploads {
    _open: OwnedMutexGuard<OpenJob>,
}

impl OpenJob {
    /// Reads which items an earlier life has made.
    fn read(&mut self, runtime: &Runtime, id: JobId) -> Result<(), Error> {
        let filter = Filter { items_of: Some(id), order: Order::OldestFirst, ..Filter::default() };
        let mut cursor = None;
        while !self.is_read {
            let page = runtime.store.list(&filter, cursor, BATCH)?;
            for stored in page.jobs {
                let name = stored.job.spec.item.as_ref().map(|item| item.name.clone()).unwrap_or_default();
                self.items.insert(name, stored.job.seq());
            }
            cursor = page.next;
            self.is_read = cursor.is_none();
        }
        Ok(())
    }
}

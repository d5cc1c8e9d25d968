//! What fetchers bring in before an attempt starts, into a tree of its own that its work tree then takes over.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Runtime;
use super::attempts::Control;
use super::transfer::{Masked, keys_of, tried};
use crate::executors::{FetchItem, FetchOrder, FetchPage, Fetched, Fetcher, StartError, TransferError};
use crate::files::{create_work_tree, remove_tree};
use crate::job::{Fetch, Job, JobEvent, JobFact, Outcome, Private};

/// How far the fetches of an attempt are.
#[derive(Debug, Default)]
struct Progress {
    items: usize,
    bytes: u64,
    /// What has come, by its path in the work tree.
    paths: HashSet<String>,
}

/// The fetches of one attempt.
struct Bringing<'a> {
    runtime: &'a Arc<Runtime>,
    job: &'a Job,
    tree: PathBuf,
    masked: Masked,
    progress: Progress,
}

/// Brings in what the job fetches, unless it is stopped meanwhile; otherwise how the attempt ended. Doing it again begins anew.
pub(super) async fn bring(
    runtime: &Arc<Runtime>,
    job: &Job,
    private: &Private,
    control: &Control,
) -> Result<(), Outcome> {
    if job.spec.fetches.is_empty() {
        return Ok(());
    }
    tokio::select! {
        brought = bring_all(runtime, job, private) => {
            brought.map_err(|StartError { message, permanent }| Outcome::NotStarted { message, permanent })
        }
        () = control.stop.raised() => Err(Outcome::Stopped),
    }
}

/// Brings in what the job asks for.
///
/// # Errors
/// Something is not there, is refused, or is more than the limits allow. No secret is in the message.
async fn bring_all(runtime: &Arc<Runtime>, job: &Job, private: &Private) -> Result<(), StartError> {
    let tree = runtime.layout.fetched(job.id, job.status.attempt);
    let fetches: Vec<Fetch> = job
        .spec
        .fetches
        .iter()
        .zip(&private.transfers)
        .map(|(it, told)| Fetch { told: told.clone(), ..it.clone() })
        .collect();
    bring_into(runtime, job, private, "fetch", &fetches, tree).await
}

/// Brings what these fetches are told into a tree of their own, which is made anew; `list` is what messages call them.
///
/// # Errors
/// As [`bring_all`].
pub(super) async fn bring_into(
    runtime: &Arc<Runtime>,
    job: &Job,
    private: &Private,
    list: &str,
    fetches: &[Fetch],
    tree: PathBuf,
) -> Result<(), StartError> {
    let mut bringing = Bringing { runtime, job, tree, masked: Masked::of(private), progress: Progress::default() };
    bringing.make_tree(fetches).await?;
    for (position, fetch) in fetches.iter().enumerate() {
        let told = fetch.told.clone();
        let order = Arc::new(FetchOrder {
            project: job.spec.project.clone(),
            keys: keys_of(private, &told),
            options: told.options,
            destination: fetch.to.clone(),
        });
        let only = told.only.map(FetchItem::from);
        let brought = bringing.one(fetch, &order, only).await;
        brought.map_err(|error| bringing.refused(list, position, fetch, &error))?;
    }
    Ok(())
}

impl Bringing<'_> {
    async fn make_tree(&self, fetches: &[Fetch]) -> Result<(), StartError> {
        let tree = self.tree.clone();
        let folders: Vec<String> = fetches.iter().map(|fetch| fetch.to.clone()).collect();
        let made = tokio::task::spawn_blocking(move || {
            remove_tree(&tree)?;
            create_work_tree(&tree, &folders.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let made = made.await.map_err(std::io::Error::other).and_then(|made| made);
        made.map_err(|error| StartError { message: format!("no tree for what is fetched: {error}"), permanent: false })
    }

    fn refused(&self, list: &str, position: usize, fetch: &Fetch, error: &TransferError) -> StartError {
        let message = format!("{list}[{position}] from {}: {}", fetch.from, self.masked.show(&error.message));
        StartError { message, permanent: error.permanent }
    }

    /// Brings in this item of one order, or all of them, page by page.
    async fn one(
        &mut self,
        fetch: &Fetch,
        order: &Arc<FetchOrder>,
        only: Option<FetchItem>,
    ) -> Result<(), TransferError> {
        let unknown = || TransferError::passing(format!("the fetcher {:?} is not enabled here", fetch.from));
        let fetcher = self.runtime.transfers.fetcher(&fetch.from).ok_or_else(unknown)?;
        if let Some(item) = only {
            self.room_for(std::slice::from_ref(&item))?;
            return self.page(&fetcher, order, vec![item]).await;
        }
        let mut cursor: Option<String> = None;
        loop {
            let page = tried(self.runtime, || fetcher.items(order, cursor.as_deref())).await?;
            let FetchPage { items, next } = page;
            self.room_for(&items)?;
            self.page(&fetcher, order, items).await?;
            match next {
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Err(TransferError::permanent("the list of the fetcher does not go on"));
                }
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Brings in the items of a page, several at once.
    async fn page(
        &mut self,
        fetcher: &Arc<dyn Fetcher>,
        order: &Arc<FetchOrder>,
        items: Vec<FetchItem>,
    ) -> Result<(), TransferError> {
        let mut under_way = JoinSet::new();
        let mut items = items.into_iter();
        loop {
            while under_way.len() < self.runtime.config.transfers.parallel.max(1) {
                let Some(item) = items.next() else { break };
                let (runtime, fetcher, order) = (self.runtime.clone(), fetcher.clone(), order.clone());
                let tree = self.tree.clone();
                under_way.spawn(async move {
                    let fetched = tried(&runtime, || fetcher.fetch(&order, &item, &tree)).await;
                    fetched.map_err(|error| named(&item, error))
                });
            }
            // Those under way are cut off when one has failed: the set is dropped.
            match under_way.join_next().await {
                None => return Ok(()),
                Some(Ok(fetched)) => self.take(order, fetched?)?,
                Some(Err(error)) => return Err(TransferError::passing(format!("the fetcher broke down: {error}"))),
            }
        }
    }

    /// Refuses what is too much before it is fetched, as far as that is known.
    fn room_for(&self, items: &[FetchItem]) -> Result<(), TransferError> {
        let limits = &self.runtime.config.transfers;
        if self.progress.items + items.len() > limits.items {
            return Err(too_much("items", limits.items as u64));
        }
        let bytes = items.iter().filter_map(|item| item.size).fold(self.progress.bytes, u64::saturating_add);
        if bytes > limits.bytes { Err(too_much("bytes", limits.bytes)) } else { Ok(()) }
    }

    fn take(&mut self, order: &FetchOrder, fetched: Fetched) -> Result<(), TransferError> {
        let path = format!("{}/{}", order.destination, fetched.path);
        if !self.progress.paths.insert(path.clone()) {
            return Err(TransferError::permanent(format!("two things are fetched to {path:?}")));
        }
        self.progress.items += 1;
        self.progress.bytes = self.progress.bytes.saturating_add(fetched.bytes);
        let most = self.runtime.config.transfers.bytes;
        if self.progress.bytes > most {
            return Err(too_much("bytes", most));
        }
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        let (items, bytes) = (self.progress.items, self.progress.bytes);
        let message = format!("fetched {items} files, {bytes} bytes");
        let fact = JobFact::Progress { percent: 0, message };
        self.runtime.hub.publish([JobEvent { id: self.job.id, at: self.runtime.clock.now(), fact }]);
    }
}

fn too_much(what: &str, most: u64) -> TransferError {
    TransferError::permanent(format!("all that is fetched is more than {most} {what}; allowed: at most {most} {what}"))
}

fn named(item: &FetchItem, error: TransferError) -> TransferError {
    TransferError { message: format!("{:?}: {}", item.name, error.message), ..error }
}

//! What brings inputs in and takes outputs out: the contracts of fetchers and sinks, and the registry of both.
//!
//! *Architecture invariant:* they move bytes between a work tree and some other place, and decide nothing. How often
//! something is tried again, and what becomes of the attempt, is not theirs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::{AttemptName, BoxFuture};
use crate::error::Problem;
use crate::job::{ListedItem, RunHandle, RunOptions};

/// Brings inputs in. Every call may be made twice and must mean the same the second time.
pub trait Fetcher: Send + Sync + 'static {
    /// Checks options, a JSON object, before their job is accepted. Does not ask the source.
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>>;

    /// What there is; a page from the cursor on.
    fn items<'a>(
        &'a self,
        order: &'a FetchOrder,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<FetchPage, TransferError>>;

    /// Brings one item into the destination in this work tree. What it finds there it replaces or goes on with.
    fn fetch<'a>(
        &'a self,
        order: &'a FetchOrder,
        item: &'a FetchItem,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<Fetched, TransferError>>;
}

/// What a fetcher is told.
#[derive(Clone, Debug)]
pub struct FetchOrder {
    /// The project of the job.
    pub project: String,
    /// What the user wrote: a JSON object that was found good.
    pub options: String,
    /// The run options of the job, and the keys of the fetch over them: the engine signs with these.
    pub keys: RunOptions,
    /// The directory of the work tree; it is there.
    pub destination: String,
}

/// One unit of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchItem {
    /// Its name, unique within one order.
    pub name: String,
    /// Its bytes, where that is known.
    pub size: Option<u64>,
    /// What changes when its content does.
    pub version: Option<String>,
    /// What the fetcher needs to find it.
    pub reference: Vec<u8>,
}

impl From<FetchItem> for ListedItem {
    fn from(item: FetchItem) -> ListedItem {
        let FetchItem { name, size, version, reference } = item;
        ListedItem { name, size, version, reference }
    }
}

impl From<ListedItem> for FetchItem {
    fn from(item: ListedItem) -> FetchItem {
        let ListedItem { name, size, version, reference } = item;
        FetchItem { name, size, version, reference }
    }
}

/// Some of the items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPage {
    /// The items.
    pub items: Vec<FetchItem>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<String>,
}

/// What was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The file, relative to the destination.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// What changes when its content does.
    pub version: Option<String>,
}

/// Takes outputs out: all that was put appears, or nothing does. Every call may be made twice.
pub trait Sink: Send + Sync + 'static {
    /// Checks options, a JSON object, before their job is accepted. Does not ask the store.
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>>;

    /// Begins, or finds what was begun for this attempt.
    fn begin<'a>(&'a self, order: &'a DeliveryOrder) -> BoxFuture<'a, Result<RunHandle, TransferError>>;

    /// Stages the file at this path of the work tree under a name.
    fn put<'a>(
        &'a self,
        order: &'a DeliveryOrder,
        begun: &'a RunHandle,
        path: &'a str,
        name: &'a str,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<RunHandle, TransferError>>;

    /// Has all that was staged appear.
    fn commit<'a>(
        &'a self,
        order: &'a DeliveryOrder,
        begun: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Vec<Delivered>, TransferError>>;

    /// Removes all that was staged. Not there is fine.
    fn abort<'a>(&'a self, order: &'a DeliveryOrder, begun: &'a RunHandle) -> BoxFuture<'a, Result<(), TransferError>>;
}

/// What a sink is told.
#[derive(Clone, Debug)]
pub struct DeliveryOrder {
    /// The attempt whose outputs they are.
    pub attempt: AttemptName,
    /// Which delivery of the job it is, from 0.
    pub position: usize,
    /// The project of the job.
    pub project: String,
    /// What the user wrote: a JSON object that was found good.
    pub options: String,
    /// The run options of the job, and the keys of the delivery over them: the engine signs with these.
    pub keys: RunOptions,
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Where it is, for people and programs.
    pub location: String,
    /// Its bytes.
    pub bytes: u64,
    /// What changes when its content does.
    pub version: Option<String>,
}

/// Something could not be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransferError {
    /// Why. May repeat what the fetcher or sink was told, so whoever shows it masks it.
    pub message: String,
    /// Whether trying again is pointless.
    pub permanent: bool,
    /// Milliseconds that the other side wants to be left alone.
    pub after_ms: Option<u64>,
}

impl TransferError {
    /// An error that no second try would mend.
    pub fn permanent(message: impl Into<String>) -> TransferError {
        TransferError { message: message.into(), permanent: true, after_ms: None }
    }

    /// An error that may pass.
    pub fn passing(message: impl Into<String>) -> TransferError {
        TransferError { message: message.into(), permanent: false, after_ms: None }
    }
}

/// The fetchers and the sinks of an engine by name. Some may come while the engine runs; none goes.
#[derive(Default)]
pub(crate) struct Transfers {
    fetchers: Named<dyn Fetcher>,
    sinks: Named<dyn Sink>,
}

impl Transfers {
    pub(crate) fn fetcher(&self, name: &str) -> Option<Arc<dyn Fetcher>> {
        self.fetchers.get(name)
    }

    pub(crate) fn sink(&self, name: &str) -> Option<Arc<dyn Sink>> {
        self.sinks.get(name)
    }

    pub(crate) fn add_fetcher(&self, name: impl Into<String>, fetcher: Arc<dyn Fetcher>) {
        self.fetchers.insert(name.into(), fetcher);
    }

    pub(crate) fn add_sink(&self, name: impl Into<String>, sink: Arc<dyn Sink>) {
        self.sinks.insert(name.into(), sink);
    }

    /// What is wrong with options for the fetcher of this name.
    pub(crate) async fn fetch_problems(&self, name: &str, options: &str) -> Vec<Problem> {
        match self.fetcher(name) {
            Some(fetcher) => fetcher.validate(options).await.err().unwrap_or_default(),
            None => vec![self.fetchers.unknown("from", "fetcher", name)],
        }
    }

    /// What is wrong with options for the sink of this name.
    pub(crate) async fn delivery_problems(&self, name: &str, options: &str) -> Vec<Problem> {
        match self.sink(name) {
            Some(sink) => sink.validate(options).await.err().unwrap_or_default(),
            None => vec![self.sinks.unknown("to", "sink", name)],
        }
    }
}

struct Named<T: ?Sized>(RwLock<BTreeMap<String, Arc<T>>>);

impl<T: ?Sized> Default for Named<T> {
    fn default() -> Self {
        Named(RwLock::default())
    }
}

impl<T: ?Sized> Named<T> {
    fn get(&self, name: &str) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn insert(&self, name: String, value: Arc<T>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    }

    fn unknown(&self, field: &str, what: &str, name: &str) -> Problem {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let allowed = if names.is_empty() { "none is enabled".to_owned() } else { names.join(", ") };
        Problem { field: field.to_owned(), problem: format!("the {what} {name:?} is not enabled here"), allowed }
    }
}

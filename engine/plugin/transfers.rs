//! Plugins that bring inputs in and take outputs out, as fetchers and sinks of the engine: between the words of the contract
//! and those of the core.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::contract::{
    Answer, Attempt, FetchRequest, FetcherPlugin, PluginError, Retry, SinkPlugin, StoreRequest, Variable,
};
use super::contract::{FetchItem as PluginItem, Handle};
use crate::error::Problem;
use crate::executors::{
    BoxFuture, Delivered, DeliveryOrder, FetchItem, FetchOrder, FetchPage, Fetched, Fetcher, Sink, TransferError,
};
use crate::job::{RunHandle, RunOptions};

/// A plugin that can be replaced while the engine runs.
struct Current<P: ?Sized>(RwLock<Arc<P>>);

impl<P: ?Sized> Current<P> {
    fn new(plugin: Arc<P>) -> Self {
        Current(RwLock::new(plugin))
    }

    fn get(&self) -> Arc<P> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, plugin: Arc<P>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plugin;
    }
}

/// A plugin that brings inputs in.
pub(crate) struct PluginFetcher {
    plugin: Current<dyn FetcherPlugin>,
}

impl PluginFetcher {
    pub(crate) fn new(plugin: Arc<dyn FetcherPlugin>) -> Self {
        PluginFetcher { plugin: Current::new(plugin) }
    }

    /// Has another plugin, or another version of this one, answer from the next call on.
    pub(crate) fn replace(&self, plugin: Arc<dyn FetcherPlugin>) {
        self.plugin.set(plugin);
    }
}

/// A plugin that takes outputs out.
pub(crate) struct PluginSink {
    plugin: Current<dyn SinkPlugin>,
}

impl PluginSink {
    pub(crate) fn new(plugin: Arc<dyn SinkPlugin>) -> Self {
        PluginSink { plugin: Current::new(plugin) }
    }

    /// Has another plugin, or another version of this one, answer from the next call on.
    pub(crate) fn replace(&self, plugin: Arc<dyn SinkPlugin>) {
        self.plugin.set(plugin);
    }
}

fn error_of(error: PluginError) -> TransferError {
    let after_ms = match error.retry {
        Retry::After(millis) => Some(millis),
        Retry::Never | Retry::Backoff => None,
    };
    TransferError { message: error.to_string(), permanent: error.retry == Retry::Never, after_ms }
}

fn problems_of(answer: Answer<Vec<Problem>>) -> Result<(), Vec<Problem>> {
    let problems = match answer {
        Ok(problems) => problems,
        Err(error) => {
            let allowed = "options that the plugin can check".to_owned();
            vec![Problem { field: String::new(), problem: error.to_string(), allowed }]
        }
    };
    let within = |problem: Problem| {
        let field = if problem.field.is_empty() { "with".to_owned() } else { format!("with.{}", problem.field) };
        Problem { field, ..problem }
    };
    if problems.is_empty() { Ok(()) } else { Err(problems.into_iter().map(within).collect()) }
}

fn keys_of(keys: &RunOptions) -> Vec<Variable> {
    let key = |(name, value): (&str, &crate::job::OptionValue)| Variable {
        name: name.to_owned(),
        value: value.value.clone(),
        secret: value.secret,
    };
    keys.iter().map(key).collect()
}

fn request_of(order: &FetchOrder) -> FetchRequest {
    FetchRequest { options: order.options.clone(), destination: order.destination.clone(), keys: keys_of(&order.keys) }
}

impl Fetcher for PluginFetcher {
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move { problems_of(self.plugin.get().validate(options.to_owned()).await) })
    }

    fn items<'a>(
        &'a self,
        order: &'a FetchOrder,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<FetchPage, TransferError>> {
        Box::pin(async move {
            let page = self.plugin.get().items(request_of(order), cursor.map(str::to_owned)).await.map_err(error_of)?;
            let item = |item: PluginItem| {
                let PluginItem { name, size, version, reference } = item;
                FetchItem { name, size, version, reference }
            };
            Ok(FetchPage { items: page.entries.into_iter().map(item).collect(), next: page.next })
        })
    }

    fn fetch<'a>(
        &'a self,
        order: &'a FetchOrder,
        item: &'a FetchItem,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<Fetched, TransferError>> {
        Box::pin(async move {
            let FetchItem { name, size, version, reference } = item.clone();
            let item = PluginItem { name, size, version, reference };
            let fetched = self.plugin.get().fetch(request_of(order), item, work.to_owned()).await;
            let fetched = fetched.map_err(error_of)?;
            Ok(Fetched { path: fetched.path, bytes: fetched.bytes, version: fetched.version })
        })
    }
}

fn store_of(order: &DeliveryOrder) -> StoreRequest {
    StoreRequest {
        attempt: Attempt { job: order.attempt.job.to_string(), number: order.attempt.attempt },
        options: order.options.clone(),
        keys: keys_of(&order.keys),
    }
}

fn to_begun(handle: Handle) -> RunHandle {
    super::platform::to_stored(handle)
}

fn from_begun(begun: &RunHandle) -> Result<Handle, TransferError> {
    super::platform::from_stored(begun).ok_or_else(|| TransferError::permanent("the handle of the delivery is damaged"))
}

impl Sink for PluginSink {
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move { problems_of(self.plugin.get().validate(options.to_owned()).await) })
    }

    fn begin<'a>(&'a self, order: &'a DeliveryOrder) -> BoxFuture<'a, Result<RunHandle, TransferError>> {
        Box::pin(async move { self.plugin.get().begin(store_of(order)).await.map(to_begun).map_err(error_of) })
    }

    fn put<'a>(
        &'a self,
        order: &'a DeliveryOrder,
        begun: &'a RunHandle,
        path: &'a str,
        name: &'a str,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<RunHandle, TransferError>> {
        Box::pin(async move {
            let (begun, plugin) = (from_begun(begun)?, self.plugin.get());
            let put = plugin.put(store_of(order), begun, path.to_owned(), name.to_owned(), work.to_owned());
            put.await.map(to_begun).map_err(error_of)
        })
    }

    fn commit<'a>(
        &'a self,
        order: &'a DeliveryOrder,
        begun: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Vec<Delivered>, TransferError>> {
        Box::pin(async move {
            let stored = self.plugin.get().commit(store_of(order), from_begun(begun)?).await.map_err(error_of)?;
            let delivered = stored.into_iter().map(|stored| Delivered {
                location: stored.location,
                bytes: stored.bytes,
                version: stored.version,
            });
            Ok(delivered.collect())
        })
    }

    fn abort<'a>(&'a self, order: &'a DeliveryOrder, begun: &'a RunHandle) -> BoxFuture<'a, Result<(), TransferError>> {
        Box::pin(async move { self.plugin.get().abort(store_of(order), from_begun(begun)?).await.map_err(error_of) })
    }
}

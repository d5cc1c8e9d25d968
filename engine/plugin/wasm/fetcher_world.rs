//! Components that bring inputs in.

use std::path::{Path, PathBuf};

use super::bindings::transfer::fetcher::Fetcher as World;
use super::convert::{answer, fetched_of, items_of, to_wit_fetch, to_wit_item};
use super::places::Pace;
use super::plugin::{Order, WasmPlugin, aws_key};
use crate::executors::BoxFuture;
use crate::files::{Opened, open_beneath};
use crate::plugin::contract::{
    Answer, ErrorKind, FetchItem, FetchRequest, Fetched, FetcherPlugin, Page, PluginError, Retry,
};

impl FetcherPlugin for WasmPlugin<World> {
    fn items(&self, request: FetchRequest, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<FetchItem>>> {
        let order = Order { aws: aws_key(&request.keys), ..Order::default() };
        self.call("items", order, move |plugin, store| {
            Box::pin(async move {
                Ok(answer(plugin.call_items(store, &to_wit_fetch(request), cursor.as_deref()).await?, items_of))
            })
        })
    }

    fn fetch(&self, request: FetchRequest, item: FetchItem, work: PathBuf) -> BoxFuture<'_, Answer<Fetched>> {
        let order = Order {
            work: self.work(Some(work.clone()), true),
            pace: Pace::Moves,
            aws: aws_key(&request.keys),
            ..Order::default()
        };
        let destination = request.destination.clone();
        let fetched = self.call("fetch", order, move |plugin, store| {
            Box::pin(async move {
                let fetched = plugin.call_fetch(store, &to_wit_fetch(request), &to_wit_item(item)).await?;
                Ok(answer(fetched, fetched_of))
            })
        });
        Box::pin(async move {
            let fetched = fetched.await?;
            is_there(&work, &destination, &fetched)?;
            Ok(fetched)
        })
    }
}

/// Whether what a plugin says that it has brought is there. Nobody else writes there, so it stays so.
fn is_there(work: &Path, destination: &str, fetched: &Fetched) -> Answer<()> {
    let broken = |why: String| {
        let message = format!("the plugin broke the contract: it says that it has brought {:?}: {why}", fetched.path);
        PluginError::new(ErrorKind::Internal, Retry::Never, message)
    };
    let opened = open_beneath(work, &Path::new(destination).join(&fetched.path));
    let Some(Opened::File(file)) = opened.map_err(|error| broken(error.to_string()))? else {
        return Err(broken("it is no file".to_owned()));
    };
    let bytes = file.metadata().map_err(|error| broken(error.to_string()))?.len();
    if bytes == fetched.bytes {
        return Ok(());
    }
    Err(broken(format!("it has {bytes} bytes, not {}", fetched.bytes)))
}

//! Components that take outputs out.

use std::path::PathBuf;

use super::bindings::transfer::sink::Sink as World;
use super::convert::{answer, handle_of, stored_of, to_wit_handle, to_wit_store};
use super::places::Pace;
use super::plugin::{Order, WasmPlugin, aws_key};
use crate::executors::BoxFuture;
use crate::plugin::contract::{Answer, Handle, SinkPlugin, StoreRequest, Stored};

/// A call that is about no file.
fn order(request: &StoreRequest) -> Order {
    Order { aws: aws_key(&request.keys), ..Order::default() }
}

impl SinkPlugin for WasmPlugin<World> {
    fn begin(&self, request: StoreRequest) -> BoxFuture<'_, Answer<Handle>> {
        self.call("begin", order(&request), move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_begin(store, &to_wit_store(request)).await?, handle_of)) })
        })
    }

    fn put(
        &self,
        request: StoreRequest,
        begun: Handle,
        path: String,
        name: String,
        work: PathBuf,
    ) -> BoxFuture<'_, Answer<Handle>> {
        let order = Order { work: self.work(Some(work), false), pace: Pace::Moves, ..order(&request) };
        self.call("put", order, move |plugin, store| {
            Box::pin(async move {
                let begun = to_wit_handle(begun);
                Ok(answer(plugin.call_put(store, &to_wit_store(request), &begun, &path, &name).await?, handle_of))
            })
        })
    }

    fn commit(&self, request: StoreRequest, begun: Handle) -> BoxFuture<'_, Answer<Vec<Stored>>> {
        // A store may have to put together what was staged, which takes as long as moving it.
        let order = Order { pace: Pace::Moves, ..order(&request) };
        self.call("commit", order, move |plugin, store| {
            Box::pin(async move {
                let committed = plugin.call_commit(store, &to_wit_store(request), &to_wit_handle(begun)).await?;
                Ok(answer(committed, stored_of))
            })
        })
    }

    fn abort(&self, request: StoreRequest, begun: Handle) -> BoxFuture<'_, Answer<()>> {
        self.call("abort", order(&request), move |plugin, store| {
            Box::pin(async move {
                Ok(answer(plugin.call_abort(store, &to_wit_store(request), &to_wit_handle(begun)).await?, Ok))
            })
        })
    }
}

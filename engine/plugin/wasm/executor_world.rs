//! Components that run jobs.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::WasiView;

use super::bindings::ExecutorPlugin as World;
use super::convert::{
    answer, definitions_of, handle_of, observations_of, owned_of, stopped_of, to_wit_run, to_wit_task,
};
use super::places::Pace;
use super::plugin::{Order, WasmPlugin, aws_key};
use super::sink::Sink;
use crate::executors::BoxFuture;
use crate::plugin::contract::{
    Answer, Checkpoints, Definition, ExecutorPlugin, Handle, LogSink, Observation, Page, PluginTask, Run,
};

impl ExecutorPlugin for WasmPlugin<World> {
    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Definition>>> {
        self.call("definitions", Order::default(), move |plugin, store| {
            Box::pin(
                async move { Ok(answer(plugin.call_definitions(store, cursor.as_deref()).await?, definitions_of)) },
            )
        })
    }

    fn submit(
        &self,
        task: PluginTask,
        work: Option<PathBuf>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> BoxFuture<'_, Answer<Handle>> {
        let work = self.work(work, false);
        let aws = aws_key(&task.environment);
        let pace = if work.is_some() { Pace::Moves } else { Pace::Quick };
        let secrets = task.environment.iter().filter(|it| it.secret).map(|it| it.value.clone()).collect();
        let order = Order { checkpoints: Some(checkpoints), pace, work, aws, secrets, ..Order::default() };
        self.call("submit", order, move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_submit(store, &to_wit_task(task)).await?, handle_of)) })
        })
    }

    fn observe(&self, runs: Vec<Run>, wait_ms: u64) -> BoxFuture<'_, Answer<Vec<Observation>>> {
        let pace = if wait_ms > 0 { Pace::Waits } else { Pace::Quick };
        let order = Order { wait_ms, pace, ..Order::default() };
        self.call("observe", order, move |plugin, store| {
            let asked = runs.len();
            let runs: Vec<_> = runs.into_iter().map(to_wit_run).collect();
            Box::pin(async move {
                let answers = plugin.call_observe(store, &runs, wait_ms).await?;
                Ok(answer(answers, |answers| observations_of(asked, answers)))
            })
        })
    }

    fn logs(
        &self,
        run: Run,
        cursor: Option<String>,
        wait_ms: u64,
        sink: Arc<dyn LogSink>,
    ) -> BoxFuture<'_, Answer<bool>> {
        // There may be much of it, whether or not it is waited for.
        let order = Order { wait_ms, pace: Pace::Waits, ..Order::default() };
        self.call("logs", order, move |plugin, store| {
            Box::pin(async move {
                let sink = WasiView::ctx(store.data_mut()).table.push(Sink(sink))?;
                let lent = Resource::new_borrow(sink.rep());
                let logged = plugin.call_logs(store, &to_wit_run(run), cursor.as_deref(), wait_ms, lent).await?;
                Ok(answer(logged, Ok))
            })
        })
    }

    fn stop(&self, run: Run, grace_ms: u64) -> BoxFuture<'_, Answer<Option<Handle>>> {
        self.call("stop", Order::default(), move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_stop(store, &to_wit_run(run), grace_ms).await?, stopped_of)) })
        })
    }

    fn collect(&self, run: Run, work: Option<PathBuf>) -> BoxFuture<'_, Answer<()>> {
        let order = Order { work: self.work(work, true), pace: Pace::Moves, ..Order::default() };
        self.call("collect", order, move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_collect(store, &to_wit_run(run)).await?, Ok)) })
        })
    }

    fn remove(&self, run: Run) -> BoxFuture<'_, Answer<()>> {
        self.call("remove", Order::default(), move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_remove(store, &to_wit_run(run)).await?, Ok)) })
        })
    }

    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Run>>> {
        self.call("owned", Order::default(), move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_owned(store, cursor.as_deref()).await?, owned_of)) })
        })
    }
}

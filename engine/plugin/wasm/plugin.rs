//! A plugin that is a WebAssembly component: every call is a fresh instance that ends with it, on a thread of guests, within
//! its limits of time and memory. Whatever it does is the error of that call.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use tokio::task::AbortHandle;
use wasmtime::component::Resource;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{FsPerms, ResourceTableError, WasiCtxBuilder, WasiView};

use super::bindings::ExecutorPlugin as Instance;
use super::bindings::exports::windlass::plugin::executor::Guest as Exports;
use super::bindings::windlass::plugin::types;
use super::call::{Call, Identity, LastWords, WorkTree};
use super::code::Program;
use super::command::WORK;
use super::convert::{
    definitions_of, descriptor_of, error_of, handle_of, observations_of, owned_of, problems_of, stopped_of, to_wit_run,
    to_wit_task,
};
use super::cut::{Cut, cut_off};
use super::guest::{Guest, Memory};
use super::http::{Endpoints, Hooks};
use super::log::Output;
use super::machine::Machine;
use super::pace::Pace;
use super::sandbox::Sandbox;
use super::sink::Sink;
use crate::config::PluginLimits;
use crate::error::{Problem, bounded};
use crate::executors::BoxFuture;
use crate::plugin::WorkAccess;
use crate::plugin::contract::{
    Answer, Checkpoints, Definition, Descriptor, ErrorKind, ExecutorPlugin, Handle, LogSink, MOST_MESSAGE_BYTES,
    Observation, Page, PluginError, PluginTask, Retry, Run,
};
use crate::plugin::endpoint::{AwsCredentials, SecretText};

/// What a plugin is given.
pub(crate) struct WasmPluginSetting {
    pub(crate) name: String,
    pub(crate) engine_id: String,
    /// A JSON object.
    pub(crate) settings: String,
    pub(crate) machine: Arc<Machine>,
    /// Where the component comes from, for messages.
    pub(crate) source: PathBuf,
    pub(crate) component: Arc<[u8]>,
    pub(crate) endpoints: Endpoints,
    pub(crate) work: WorkAccess,
    pub(crate) limits: PluginLimits,
}

/// A component that exports `windlass:plugin/executor`.
#[derive(Clone)]
pub(crate) struct WasmPlugin {
    inner: Arc<Inner>,
    cut: Option<Arc<Cut>>,
}

struct Inner {
    identity: Arc<Identity>,
    hooks: Hooks,
    /// Calls of this plugin that may be under way.
    places: Semaphore,
    pace: Pace,
    program: OnceCell<Answer<Arc<Program>>>,
    setting: WasmPluginSetting,
}

/// What is particular about one call.
#[derive(Default)]
struct Order {
    checkpoints: Option<Arc<dyn Checkpoints>>,
    work: Option<WorkTree>,
    /// It was asked to wait for as long: that is no delay.
    wait_ms: u64,
    /// It moves files.
    transfer: bool,
    aws: Option<AwsCredentials>,
    cut: Option<Arc<Cut>>,
}

/// Ends the call when nobody waits for it any more.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn internal(message: impl Into<String>, retry: Retry) -> PluginError {
    PluginError::new(ErrorKind::Internal, retry, message)
}

impl WasmPlugin {
    pub(crate) fn new(setting: WasmPluginSetting) -> WasmPlugin {
        let WasmPluginSetting { name, engine_id, settings, .. } = &setting;
        let identity = Identity {
            name: name.clone(),
            engine_id: engine_id.clone(),
            settings: settings.clone(),
            messages: setting.limits.messages,
        };
        let hooks = Hooks::new(name, setting.endpoints.clone());
        let places = Semaphore::new(setting.limits.parallel_calls.max(1) as usize);
        let program = OnceCell::new();
        let (identity, pace) = (Arc::new(identity), Pace::default());
        let inner = Arc::new(Inner { identity, hooks, places, pace, program, setting });
        WasmPlugin { inner, cut: None }
    }

    /// The same plugin; a call of this one ends where `cut` says.
    pub(crate) fn cut(&self, cut: Arc<Cut>) -> WasmPlugin {
        WasmPlugin { inner: self.inner.clone(), cut: Some(cut) }
    }

    /// Makes an instance, has `call` call it once, and throws it away.
    fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        order: Order,
        call: impl for<'a> FnOnce(&'a Exports, &'a mut Store<Guest>) -> BoxFuture<'a, wasmtime::Result<Answer<T>>>
        + Send
        + 'static,
    ) -> BoxFuture<'_, Answer<T>> {
        let inner = self.inner.clone();
        let order = Order { cut: self.cut.clone(), ..order };
        Box::pin(async move {
            let sandbox = inner.setting.machine.sandbox().map_err(|message| internal(message, Retry::Backoff))?;
            let program = inner.program(&sandbox).await?;
            let threads =
                sandbox.threads().map_err(|error| internal(error.to_string(), Retry::Backoff))?.handle().clone();
            let ended = |why: String| Err(internal(format!("`{name}` was ended: {why}"), Retry::Backoff));
            let called = inner.clone();
            let mut task = Box::pin(async move { called.run(name, &sandbox, &program, order, call).await });
            match inner.pace.begin(name, &threads, task.as_mut()) {
                Poll::Ready(Ok(answer)) => return answer,
                Poll::Ready(Err(_)) => return ended("it panicked".to_owned()),
                Poll::Pending => {}
            }
            let task = threads.spawn(task);
            let _ends = Ends(task.abort_handle());
            task.await.unwrap_or_else(|error| ended(error.to_string()))
        })
    }
}

impl Inner {
    /// What cannot be compiled is not compiled again at every call.
    async fn program(&self, sandbox: &Arc<Sandbox>) -> Answer<Arc<Program>> {
        let load = || async {
            let WasmPluginSetting { machine, source, component, .. } = &self.setting;
            match machine.programs.plugin(sandbox, source.clone(), component.clone()).await {
                Err(error) if !error.is_permanent() => Err(internal(error.to_string(), Retry::Backoff)),
                loaded => Ok(loaded.map_err(|error| internal(error.to_string(), Retry::Never))),
            }
        };
        self.program.get_or_try_init(load).await?.clone()
    }

    async fn run<T>(
        &self,
        name: &'static str,
        sandbox: &Sandbox,
        program: &Program,
        order: Order,
        call: impl for<'a> FnOnce(&'a Exports, &'a mut Store<Guest>) -> BoxFuture<'a, wasmtime::Result<Answer<T>>>,
    ) -> Answer<T> {
        let Program::Executor(program) = program else {
            return Err(internal("the plugin is a program", Retry::Never));
        };
        let most_ms = if order.transfer { self.setting.limits.transfer_ms } else { self.setting.limits.call_ms };
        let most = Duration::from_millis(most_ms.saturating_add(order.wait_ms));
        // The semaphores are never closed.
        let _own_place = self.places.acquire().await;
        let _place = sandbox.calls.acquire().await;
        let words = LastWords::default();
        let cut = order.cut.clone();
        let mut store =
            self.store(sandbox, order, &words).map_err(|error| internal(format!("{error:#}"), Retry::Backoff))?;
        let _running = sandbox.ticker.running();
        let called = async {
            let instance: Instance = program.instantiate_async(&mut store).await?;
            call(instance.windlass_plugin_executor(), &mut store).await
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(most, called) => ended,
            () = cut_off(cut.as_deref()) => return Err(internal(format!("`{name}` was cut off"), Retry::Backoff)),
        };
        match ended {
            Ok(Ok(answer)) => answer.map_err(|error| with_cause(error, &store.data().call.hooks)),
            Ok(Err(error)) => Err(failure(name, &error, &store.data().memory, &words)),
            Err(_) => {
                let message = format!("the plugin did not answer `{name}` within {} ms", most.as_millis());
                Err(PluginError::new(ErrorKind::Timeout, Retry::Backoff, with_words(message, &words)))
            }
        }
    }

    fn store(&self, sandbox: &Sandbox, order: Order, words: &LastWords) -> wasmtime::Result<Store<Guest>> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(Output(words.clone())).stderr(Output(words.clone()));
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        if let Some(work) = &order.work {
            let perms = if work.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            wasi.preopened_dir(&work.dir, WORK, perms)?;
        }
        let mut wasi = wasi.build_p1();
        WasiView::ctx(&mut wasi).table.set_max_capacity(self.setting.machine.config.handles);
        let call = Call {
            identity: Some(self.identity.clone()),
            hooks: self.hooks.for_call(order.wait_ms > 0, order.aws, order.cut.clone()),
            checkpoints: order.checkpoints,
            work: order.work,
            cut: order.cut,
            ..Call::default()
        };
        let memory = Memory::new(sandbox.call_budget.clone(), self.setting.limits.memory_bytes);
        let mut store = Store::new(&sandbox.engine, Guest { wasi, memory, call });
        store.limiter(|guest| &mut guest.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        Ok(store)
    }

    fn work(&self, dir: Option<PathBuf>, write: bool) -> Option<WorkTree> {
        let right = self.setting.work;
        let most_bytes = self.setting.machine.config.unpack_bytes;
        let dir = dir.filter(|_| right >= WorkAccess::Read)?;
        let write = write && right >= WorkAccess::Write;
        Some(WorkTree { dir, host_path: right >= WorkAccess::Host, write, most_bytes })
    }
}

/// Whether it broke off for holding as much open as it may.
fn is_full(error: &wasmtime::Error) -> bool {
    matches!(error.root_cause().downcast_ref(), Some(ResourceTableError::Full))
}

/// What a call that broke off is told as.
fn failure(name: &str, error: &wasmtime::Error, memory: &Memory, words: &LastWords) -> PluginError {
    if memory.crowded_out {
        let message = format!("the calls of all plugins together used up their memory in `{name}`");
        return PluginError::new(ErrorKind::Exhausted, Retry::Backoff, with_words(message, words));
    }
    if memory.refused {
        let message = format!("the plugin used up its memory in `{name}`");
        return PluginError::new(ErrorKind::Exhausted, Retry::Never, with_words(message, words));
    }
    let message = match error.downcast_ref::<Trap>() {
        Some(trap) => format!("the plugin trapped in `{name}`: {trap}"),
        None if is_full(error) => format!("the plugin holds too much open in `{name}`"),
        None => format!("the plugin failed in `{name}`: {}", error.root_cause()),
    };
    internal(with_words(message, words), Retry::Backoff)
}

/// What went wrong on the way to the platform is told too: plugins get a code only.
fn with_cause(mut error: PluginError, hooks: &Hooks) -> PluginError {
    if let Some(cause) = hooks.last_error() {
        error.message = bounded(format!("{}; {cause}", error.message), MOST_MESSAGE_BYTES);
    }
    error
}

/// The AWS key that a job brings along, for endpoints that sign with the key of the job.
fn aws_key(task: &PluginTask) -> Option<AwsCredentials> {
    let value = |name: &str| {
        let variable = task.environment.iter().find(|variable| variable.name == name)?;
        Some(SecretText::new(variable.value.clone()))
    };
    Some(AwsCredentials {
        access_key_id: value("AWS_ACCESS_KEY_ID")?,
        secret_access_key: value("AWS_SECRET_ACCESS_KEY")?,
        session_token: value("AWS_SESSION_TOKEN"),
    })
}

fn with_words(message: String, words: &LastWords) -> String {
    match words.text() {
        words if words.is_empty() => message,
        words => format!("{message}; it said: {words}"),
    }
}

/// What a function of the WIT returns that may fail by its own word.
fn answer<A, B>(result: Result<A, types::Error>, convert: impl FnOnce(A) -> Answer<B>) -> Answer<B> {
    result.map_err(error_of).and_then(convert)
}

impl ExecutorPlugin for WasmPlugin {
    fn describe(&self) -> BoxFuture<'_, Answer<Descriptor>> {
        self.call("describe", Order::default(), |plugin, store| {
            Box::pin(async move { Ok(descriptor_of(plugin.call_describe(store).await?)) })
        })
    }

    fn check(&self) -> BoxFuture<'_, Answer<()>> {
        self.call("check", Order::default(), |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_check(store).await?, Ok)) })
        })
    }

    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Definition>>> {
        self.call("definitions", Order::default(), move |plugin, store| {
            Box::pin(
                async move { Ok(answer(plugin.call_definitions(store, cursor.as_deref()).await?, definitions_of)) },
            )
        })
    }

    fn validate(&self, options: String) -> BoxFuture<'_, Answer<Vec<Problem>>> {
        self.call("validate", Order::default(), move |plugin, store| {
            Box::pin(async move { Ok(problems_of(plugin.call_validate(store, &options).await?)) })
        })
    }

    fn submit(
        &self,
        task: PluginTask,
        work: Option<PathBuf>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> BoxFuture<'_, Answer<Handle>> {
        let work = self.inner.work(work, false);
        let aws = aws_key(&task);
        let order = Order { checkpoints: Some(checkpoints), transfer: work.is_some(), work, aws, ..Order::default() };
        self.call("submit", order, move |plugin, store| {
            Box::pin(async move { Ok(answer(plugin.call_submit(store, &to_wit_task(task)).await?, handle_of)) })
        })
    }

    fn observe(&self, runs: Vec<Run>, wait_ms: u64) -> BoxFuture<'_, Answer<Vec<Observation>>> {
        let order = Order { wait_ms, ..Order::default() };
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
        let order = Order { wait_ms, ..Order::default() };
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
        let order = Order { work: self.inner.work(work, true), transfer: true, ..Order::default() };
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

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter;

    use super::super::guest::Budget;
    use super::*;

    #[test]
    fn memory_that_others_have_is_no_fault_of_the_call() {
        let budget = Budget::new(100);
        let told = |memory: &Memory| failure("submit", &wasmtime::Error::msg("oom"), memory, &LastWords::default());
        let mut other = Memory::new(budget.clone(), 100);
        assert!(other.memory_growing(0, 90, None).unwrap());
        let mut crowded = Memory::new(budget.clone(), 50);
        assert!(!crowded.memory_growing(0, 20, None).unwrap());
        assert_eq!((told(&crowded).kind, told(&crowded).retry), (ErrorKind::Exhausted, Retry::Backoff));
        let mut greedy = Memory::new(budget, 50);
        assert!(!greedy.memory_growing(0, 51, None).unwrap());
        assert_eq!((told(&greedy).kind, told(&greedy).retry), (ErrorKind::Exhausted, Retry::Never));
    }
}

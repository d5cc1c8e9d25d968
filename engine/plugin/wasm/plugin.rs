//! A plugin that is a WebAssembly component: every call is a fresh instance that ends with it, on a thread of guests, within
//! its limits of time and memory. Whatever it does is the error of that call.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{FsPerms, ResourceTableError, WasiCtxBuilder, WasiView};

use super::call::{Call, Identity, LastWords, WorkTree};
use super::code::Program;
use super::command::WORK;
use super::convert::{answer, descriptor_of, problems_of};
use super::cut::{Cut, cut_off};
use super::guest::{Guest, Memory};
use super::http::{Endpoints, Hooks};
use super::log::Output;
use super::machine::Machine;
use super::net::Connections;
use super::places::{Pace, Places};
use super::sandbox::Sandbox;
use super::start::Starts;
use super::world::World;
use crate::config::PluginLimits;
use crate::error::{Problem, bounded};
use crate::executors::BoxFuture;
use crate::plugin::contract::{
    Answer, Checkpoints, Descriptor, ErrorKind, MOST_MESSAGE_BYTES, Plugin, PluginError, Retry, Variable,
};
use crate::plugin::endpoint::{AwsCredentials, SecretText};
use crate::plugin::room::Room;
use crate::plugin::sql::Jdbc;
use crate::plugin::{PluginKind, WorkAccess};

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
    pub(crate) connections: Connections,
    pub(crate) work: WorkAccess,
    pub(crate) sql: Option<Arc<Jdbc>>,
    pub(crate) limits: PluginLimits,
}

/// A component that exports what a world of the contract asks for.
pub(crate) struct WasmPlugin<W> {
    inner: Arc<Inner>,
    cut: Option<Arc<Cut>>,
    world: PhantomData<fn() -> W>,
}

impl<W> Clone for WasmPlugin<W> {
    fn clone(&self) -> WasmPlugin<W> {
        WasmPlugin { inner: self.inner.clone(), cut: self.cut.clone(), world: PhantomData }
    }
}

struct Inner {
    identity: Arc<Identity>,
    hooks: Hooks,
    /// Calls of this plugin that may be under way.
    places: Places,
    starts: Starts,
    program: OnceCell<Answer<Arc<Program>>>,
    setting: WasmPluginSetting,
}

/// What is particular about one call.
#[derive(Default)]
pub(super) struct Order {
    pub(super) checkpoints: Option<Arc<dyn Checkpoints>>,
    pub(super) work: Option<WorkTree>,
    /// It was asked to wait for as long: that is no delay.
    pub(super) wait_ms: u64,
    pub(super) pace: Pace,
    pub(super) aws: Option<AwsCredentials>,
    /// What it is told and nobody else is to see.
    pub(super) secrets: Vec<String>,
    pub(super) cut: Option<Arc<Cut>>,
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

impl<W: World> WasmPlugin<W> {
    pub(crate) fn new(setting: WasmPluginSetting) -> WasmPlugin<W> {
        let WasmPluginSetting { name, engine_id, settings, .. } = &setting;
        let identity = Identity {
            name: name.clone(),
            engine_id: engine_id.clone(),
            settings: settings.clone(),
            messages: setting.limits.messages,
        };
        let hooks = Hooks::new(name, setting.endpoints.clone());
        let places = Places::new(setting.limits.parallel_calls);
        let program = OnceCell::new();
        let (identity, starts) = (Arc::new(identity), Starts::default());
        let inner = Arc::new(Inner { identity, hooks, places, starts, program, setting });
        WasmPlugin { inner, cut: None, world: PhantomData }
    }

    /// The same plugin; a call of this one ends where `cut` says.
    pub(crate) fn cut(&self, cut: Arc<Cut>) -> WasmPlugin<W> {
        WasmPlugin { inner: self.inner.clone(), cut: Some(cut), world: PhantomData }
    }

    /// Makes an instance, has `call` call it once, and throws it away.
    pub(super) fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        order: Order,
        call: impl for<'a> FnOnce(&'a W::Exports, &'a mut Store<Guest>) -> BoxFuture<'a, wasmtime::Result<Answer<T>>>
        + Send
        + 'static,
    ) -> BoxFuture<'_, Answer<T>> {
        let inner = self.inner.clone();
        let order = Order { cut: self.cut.clone(), ..order };
        Box::pin(async move {
            let sandbox = inner.setting.machine.sandbox().map_err(|message| internal(message, Retry::Backoff))?;
            let program = inner.program(&sandbox, W::KIND).await?;
            let threads =
                sandbox.threads().map_err(|error| internal(error.to_string(), Retry::Backoff))?.handle().clone();
            let ended = |why: String| Err(internal(format!("`{name}` was ended: {why}"), Retry::Backoff));
            let called = inner.clone();
            let mut task = Box::pin(async move { called.run::<W, T>(name, &sandbox, &program, order, call).await });
            match inner.starts.begin(name, &threads, task.as_mut()) {
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
    async fn program(&self, sandbox: &Arc<Sandbox>, kind: PluginKind) -> Answer<Arc<Program>> {
        let load = || async {
            let WasmPluginSetting { machine, source, component, .. } = &self.setting;
            match machine.programs.plugin(sandbox, kind, source.clone(), component.clone()).await {
                Err(error) if !error.is_permanent() => Err(internal(error.to_string(), Retry::Backoff)),
                loaded => Ok(loaded.map_err(|error| internal(error.to_string(), Retry::Never))),
            }
        };
        self.program.get_or_try_init(load).await?.clone()
    }

    async fn run<W: World, T>(
        &self,
        name: &'static str,
        sandbox: &Sandbox,
        program: &Program,
        order: Order,
        call: impl for<'a> FnOnce(&'a W::Exports, &'a mut Store<Guest>) -> BoxFuture<'a, wasmtime::Result<Answer<T>>>,
    ) -> Answer<T> {
        let limits = &self.setting.limits;
        let most_ms = if order.pace == Pace::Moves { limits.transfer_ms } else { limits.call_ms };
        let most = Duration::from_millis(most_ms.saturating_add(order.wait_ms));
        let _own_place = self.places.take(order.pace).await;
        let _place = sandbox.calls.take(order.pace).await;
        let words = LastWords::default();
        let cut = order.cut.clone();
        let mut store =
            self.store(sandbox, order, &words).map_err(|error| internal(format!("{error:#}"), Retry::Backoff))?;
        let _running = sandbox.ticker.running();
        let called = async {
            let instance = W::instantiate(program, &mut store).await?;
            call(instance.exports(), &mut store).await
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(most, called) => ended,
            () = cut_off(cut.as_deref()) => return Err(internal(format!("`{name}` was cut off"), Retry::Backoff)),
        };
        match ended {
            Ok(Ok(answer)) => answer.map_err(|error| with_cause(error, &store.data().call)),
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
            connections: self.setting.connections.clone(),
            hooks: self.hooks.for_call(order.wait_ms > 0, order.aws, order.cut.clone()),
            checkpoints: order.checkpoints,
            work: order.work,
            sql: self.setting.sql.clone(),
            secrets: order.secrets,
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
}

impl<W> WasmPlugin<W> {
    /// The work tree of a call, as far as the plugin may see it.
    pub(super) fn work(&self, dir: Option<PathBuf>, write: bool) -> Option<WorkTree> {
        let setting = &self.inner.setting;
        let (right, room) = (setting.work, Room::new(setting.machine.config.unpack_bytes));
        let dir = dir.filter(|_| right >= WorkAccess::Read)?;
        let write = write && right >= WorkAccess::Write;
        Some(WorkTree { dir, host_path: right >= WorkAccess::Host, write, room })
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

/// What went wrong on the way to the platform, or to the disk, is told too: plugins get a code only.
fn with_cause(mut error: PluginError, call: &Call) -> PluginError {
    let full = call.work.as_ref().filter(|work| work.room.was_refused()).map(|work| work.room.is_full().to_string());
    let causes = call.hooks.last_error().into_iter().chain(full);
    for cause in causes.filter(|cause| !error.message.contains(cause)).collect::<Vec<_>>() {
        error.message = bounded(format!("{}; {cause}", error.message), MOST_MESSAGE_BYTES);
    }
    error
}

/// The AWS key that a job brings along, for endpoints that sign with the key of the job.
pub(super) fn aws_key(environment: &[Variable]) -> Option<AwsCredentials> {
    let value = |name: &str| {
        let variable = environment.iter().find(|variable| variable.name == name)?;
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

impl<W: World> Plugin for WasmPlugin<W> {
    fn describe(&self) -> BoxFuture<'_, Answer<Descriptor>> {
        self.call("describe", Order::default(), |plugin, store| {
            Box::pin(async move { Ok(descriptor_of(W::describe(plugin, store).await?)) })
        })
    }

    fn check(&self) -> BoxFuture<'_, Answer<()>> {
        self.call("check", Order::default(), |plugin, store| {
            Box::pin(async move { Ok(answer(W::check(plugin, store).await?, Ok)) })
        })
    }

    fn validate(&self, options: String) -> BoxFuture<'_, Answer<Vec<Problem>>> {
        self.call("validate", Order::default(), move |plugin, store| {
            Box::pin(async move { Ok(problems_of(W::validate(plugin, store, options).await?)) })
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

//! How an engine is put together.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::Engine;
use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::error::Error;
use crate::executors::function::{Function, FunctionContext, FunctionError, Functions};
use crate::executors::process::{ProcessExecutor, Supervisor};
use crate::executors::{
    Executor, Executors, Fetcher, PROJECT, Platform, ProjectFetcher, ProjectSink, Registered, Sink, Transfers,
};
use crate::files::{Layout, ProjectFiles};
#[cfg(feature = "native")]
use crate::plugin::native::NativePlugin;
#[cfg(feature = "wasm")]
use crate::plugin::wasm::{Machine, WasmExecutor, WasmSetting};
#[cfg(feature = "wasm")]
use crate::plugin::{Fleet, Grants, Host, Places};
#[cfg(feature = "native")]
use crate::plugin::{PlatformSetting, PluginPlatform};
use crate::runtime::{Hub, Parts, Runtime};
use crate::secret::Entropy;
use crate::store::{Disk, Store, StoreOptions};

/// Puts an [`Engine`] together.
#[must_use]
pub struct Builder {
    layout: Layout,
    config: EngineConfig,
    clock: Clock,
    entropy: Option<Entropy>,
    key_text: Option<String>,
    disk: Option<Arc<dyn Disk>>,
    supervisor: Option<Supervisor>,
    #[cfg(feature = "wasm")]
    wasm: bool,
    #[cfg(feature = "wasm")]
    grants: Option<Grants>,
    #[cfg(feature = "native")]
    native: Vec<(String, NativePlugin)>,
    functions: Functions,
    executors: Executors,
    transfers: Transfers,
}

impl Builder {
    pub(crate) fn new(dir: PathBuf) -> Builder {
        Builder {
            layout: Layout::new(dir),
            config: EngineConfig::default(),
            clock: Clock::system(),
            entropy: None,
            key_text: None,
            disk: None,
            supervisor: None,
            #[cfg(feature = "wasm")]
            wasm: false,
            #[cfg(feature = "wasm")]
            grants: None,
            #[cfg(feature = "native")]
            native: Vec::new(),
            functions: Functions::default(),
            executors: Executors::default(),
            transfers: Transfers::default(),
        }
    }

    /// Sets the limits.
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the clock; the system's unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets where randomness comes from; the system unless set.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// Sets the keys that seal run options, as the text of a key file (see [`Keyring`](crate::secret::Keyring));
    /// the first one seals. Without them they are in the file `key` of the store directory, which is made at the
    /// first start.
    pub fn keys_text(mut self, keys: Option<String>) -> Self {
        self.key_text = keys;
        self
    }

    /// Puts the store on a disk other than the file `store.redb` of its directory.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// Enables jobs that are processes of this machine. Programs that embed the engine call
    /// [`supervise_if_asked`](crate::supervise_if_asked) first thing in `main` and give
    /// [`Supervisor::current_exe`].
    pub fn process(mut self, supervisor: Supervisor) -> Self {
        self.supervisor = Some(supervisor);
        self
    }

    /// Enables jobs that are WebAssembly programs, see [`WasmTask`](crate::plugin::wasm::WasmTask). They run in this
    /// process, confined, on threads of their own.
    #[cfg(feature = "wasm")]
    pub fn wasm(mut self) -> Self {
        self.wasm = true;
        self
    }

    /// Enables plugins: those that the grants name become executors of that name, and may do what their manifest asks for
    /// and the grants allow. They are part of this program, lie in `plugins/NAME/` of the store directory, or in the file
    /// that the grants name. Shared libraries that the grants name are loaded in processes of their own, which are this program
    /// again: see [`supervise_if_asked`](crate::supervise_if_asked).
    #[cfg(feature = "wasm")]
    pub fn plugins(mut self, grants: Grants) -> Self {
        #[cfg(feature = "native")]
        for (name, grant) in &grants.native {
            let settings = serde_json::Value::Object(grant.settings.clone()).to_string();
            let plugin = NativePlugin::spawn(&grant.library).settings(settings);
            self.native.push((name.clone(), plugin));
        }
        self.grants = Some(grants);
        self
    }

    /// Registers a plugin that is a shared library, as an executor of this name.
    #[cfg(feature = "native")]
    pub fn native_plugin(mut self, name: impl Into<String>, plugin: NativePlugin) -> Self {
        self.native.push((name.into(), plugin));
        self
    }

    /// Registers a function: async, JSON in and out by serde. The last one of a name counts. An error lets the job
    /// be tried again as its retry policy says, unless it is [permanent](FunctionError::permanent); any type that
    /// implements [`std::error::Error`] turns into one with `?`.
    ///
    /// ```
    /// use windlass::job::{Backoff, RetryPolicy};
    /// use windlass::{Engine, FunctionError, JobSpec, State};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path())
    ///     .function("square", |context, text: String| async move {
    ///         if context.attempt().attempt == 1 {
    ///             return Err(FunctionError::new("the first attempt always fails"));
    ///         }
    ///         let number: u64 = text.parse()?;
    ///         Ok(number * number)
    ///     })
    ///     .open()
    ///     .await?;
    /// let mut spec = JobSpec::function("square", r#""12""#);
    /// let backoff = Backoff { initial_ms: 1, ..Backoff::default() };
    /// spec.retry = RetryPolicy { max_attempts: 3, backoff, ..RetryPolicy::default() };
    /// let id = engine.submit(spec).await?;
    /// let job = engine.wait(id).await?.job;
    /// assert_eq!((job.state(), job.status.attempt), (State::Succeeded, 2));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn function<I, O, F, R>(mut self, name: impl Into<String>, call: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        F: Fn(FunctionContext, I) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, FunctionError>> + Send + 'static,
    {
        self.functions.register(name.into(), None, call);
        self
    }

    /// The same with at most `concurrency` calls under way at once; the jobs of other functions pass by.
    pub fn limited_function<I, O, F, R>(mut self, name: impl Into<String>, concurrency: usize, call: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        F: Fn(FunctionContext, I) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, FunctionError>> + Send + 'static,
    {
        self.functions.register(name.into(), Some(concurrency), call);
        self
    }

    /// Registers a function that is a type of its own.
    pub fn register<F: Function>(mut self, function: F) -> Self {
        let function = Arc::new(function);
        self.functions.register(F::NAME.into(), None, move |context, input| {
            let function = function.clone();
            async move { function.run(context, input).await }
        });
        self
    }

    /// Registers an executor under the name that [`NamedTask::executor`](crate::job::NamedTask) refers to.
    pub fn executor(self, name: impl Into<String>, executor: Arc<dyn Executor>) -> Self {
        self.executors.insert(name, Registered::Local(executor));
        self
    }

    /// Registers a platform under the name that [`NamedTask::executor`](crate::job::NamedTask) refers to.
    pub fn platform(self, name: impl Into<String>, platform: Arc<dyn Platform>) -> Self {
        self.executors.insert(name, Registered::platform(platform));
        self
    }

    /// Registers a fetcher under the name that [`Fetch::from`](field@crate::job::Fetch::from) refers to.
    pub fn fetcher(self, name: impl Into<String>, fetcher: Arc<dyn Fetcher>) -> Self {
        self.transfers.add_fetcher(name, fetcher);
        self
    }

    /// Registers a sink under the name that [`Delivery::to`](field@crate::job::Delivery::to) refers to.
    pub fn sink(self, name: impl Into<String>, sink: Arc<dyn Sink>) -> Self {
        self.transfers.add_sink(name, sink);
        self
    }

    /// Opens the store, recovers what an earlier life left behind, and starts.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Unusable`], [`Error::Key`], [`Error::Storage`].
    pub async fn open(self) -> Result<Engine, Error> {
        let Builder { layout, config, clock, disk, supervisor, functions, executors, transfers, key_text, .. } = self;
        let entropy = match self.entropy {
            Some(entropy) => entropy,
            None => Entropy::system().map_err(|error| Error::Key(error.to_string()))?,
        };
        make_directory(&layout)?;
        if let Some(supervisor) = supervisor {
            let (layout, log_limits, keep_work) = (layout.clone(), config.log_limits, config.keep_work);
            let process = ProcessExecutor::new(supervisor, layout, log_limits, keep_work);
            executors.insert("process", Registered::Local(Arc::new(process)));
        }
        let hub = Arc::new(Hub::new(Handle::current()));
        let options = StoreOptions {
            path: layout.store(),
            disk,
            key_path: layout.keys(),
            key_text,
            cache_bytes: config.cache_bytes,
            ageing_ms: config.ageing_ms,
            queue_limit: config.queue_limit,
            quick_repair: config.quick_repair,
            recent_bytes: config.recent_bytes,
            entropy: entropy.clone(),
        };
        let store = Store::open(options, hub.clone())?;
        // It clears what earlier lives left, so nobody else may hold the store.
        let files = ProjectFiles::open(layout.project_files(), config.files);
        let files = files.map_err(|error| Error::io(layout.project_files().display(), &error))?;
        transfers.add_fetcher(PROJECT, Arc::new(ProjectFetcher::new(files.clone())));
        transfers.add_sink(PROJECT, Arc::new(ProjectSink::new(files.clone(), layout.clone())));
        #[cfg(feature = "native")]
        for (name, plugin) in self.native {
            let setting = PlatformSetting { name: name.clone(), layout: layout.clone(), keep_work: config.keep_work };
            let plugin = Arc::new(plugin.engine_id(store.engine_id()));
            let platform = PluginPlatform::new(setting, plugin, true);
            executors.insert(name, Registered::platform(Arc::new(platform)));
        }
        #[cfg(feature = "wasm")]
        let machine = Machine::new(&layout, config.wasm);
        // So does this.
        #[cfg(feature = "wasm")]
        if self.wasm {
            let executor = wasm_executor(machine.clone(), &layout, &config, &clock);
            executors.insert(crate::plugin::wasm::EXECUTOR, Registered::Local(executor));
        }
        #[cfg(feature = "wasm")]
        let fleet = match self.grants {
            Some(grants) => {
                let engine_id = store.engine_id();
                let host = Host { engine_id, layout: layout.clone(), keep_work: config.keep_work, machine };
                let places = Places { executors: &executors, transfers: &transfers };
                Some(Fleet::open(host, grants, config.plugins, places)?)
            }
            None => None,
        };
        let parts = Parts { store, clock, entropy, config, layout, files, functions, executors, transfers, hub };
        let runtime = Runtime::start(parts).await?;
        Ok(Engine::new(
            runtime,
            may_lead(),
            #[cfg(feature = "wasm")]
            fleet,
        ))
    }
}

#[cfg(feature = "wasm")]
fn wasm_executor(machine: Arc<Machine>, layout: &Layout, config: &EngineConfig, clock: &Clock) -> Arc<dyn Executor> {
    let setting = WasmSetting {
        machine,
        layout: layout.clone(),
        log_limits: config.log_limits,
        keep_work: config.keep_work,
        clock: clock.clone(),
    };
    Arc::new(WasmExecutor::new(setting))
}

/// A caller may commit on its own thread where another thread goes on running tasks meanwhile.
fn may_lead() -> bool {
    let handle = Handle::current();
    handle.runtime_flavor() == RuntimeFlavor::MultiThread && handle.metrics().num_workers() > 1
}

/// The directory of a store is its owner's alone: logs and payloads are in it.
fn make_directory(layout: &Layout) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let root = layout.root();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root);
    made.map_err(|error| Error::io(root.display(), &error))
}

//! A plugin in this very process, for programs that want it so.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::call::{About, Question, Reply, ask};
use super::conversation::budget_ms;
use super::host::{HostCalls, Level};
use super::library::{Library, LoadError};
use super::service::{Excess, Ports, Service};
use crate::config::NativeConfig;
use crate::files::LogStream;
use crate::plugin::contract::{Answer, ErrorKind, Handle, PluginError, Retry};

/// The turns of libraries that take one call at a time, whoever has loaded them how often.
static TURNS: LazyLock<Mutex<HashMap<usize, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// A plugin that is loaded here. Its calls are made on threads that may block.
pub(super) struct InProcess {
    library: Library,
    name: Arc<str>,
    places: Arc<Semaphore>,
    config: NativeConfig,
}

impl InProcess {
    /// # Safety
    /// As for [`super::NativePlugin::in_process`].
    #[expect(unsafe_code, reason = "the plugin is loaded")]
    pub(super) unsafe fn load(path: &Path, name: Arc<str>, config: NativeConfig) -> Result<InProcess, LoadError> {
        // SAFETY: the caller vouches for it.
        let library = unsafe { Library::load(path) }?;
        Ok(InProcess { library, name, places: places(&library, &config), config })
    }

    /// The same with other limits.
    pub(super) fn with_config(self, config: NativeConfig) -> InProcess {
        InProcess { places: places(&self.library, &config), config, ..self }
    }

    /// A call that does not return in time is given up; its thread, and its place, stay taken until it returns.
    pub(super) async fn call(&self, about: Arc<About>, question: Question, ports: Ports) -> Answer<Reply> {
        let budget_ms = budget_ms(&question, &self.config);
        let budget = Duration::from_millis(budget_ms);
        let Ok(Ok(place)) = timeout(budget, self.places.clone().acquire_owned()).await else {
            let message = format!("the plugin {} was busy with other calls for {budget_ms} ms", self.name);
            return Err(PluginError::new(ErrorKind::Exhausted, Retry::Backoff, message));
        };
        let service = Service::new(self.name.clone(), &question, ports, &self.config);
        let (table, call, runtime) = (self.library.table, question.name(), Runtime::current());
        let under_way = tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut calls = CallsHere { service, runtime, excess: None };
            // SAFETY: who has loaded the plugin vouches for it, and it gets as many calls at once as it can take.
            #[expect(unsafe_code, reason = "the plugin is called")]
            let answer = unsafe { ask(&table, &about, &question, &mut calls) };
            calls.finish(call, answer)
        });
        match timeout(budget, under_way).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.gave_up(ErrorKind::Internal, &format!("panicked during `{call}`"))),
            Err(_) => {
                let what =
                    format!("did not return within {budget_ms} ms during `{call}`, and goes on in a thread of its own");
                Err(self.gave_up(ErrorKind::Timeout, &what))
            }
        }
    }

    fn gave_up(&self, kind: ErrorKind, what: &str) -> PluginError {
        PluginError::new(kind, Retry::Backoff, format!("the plugin {} {what}", self.name))
    }
}

/// As many calls at once as there may be.
fn places(library: &Library, config: &NativeConfig) -> Arc<Semaphore> {
    if library.is_concurrent() {
        return Arc::new(Semaphore::new(config.processes.clamp(1, Semaphore::MAX_PERMITS)));
    }
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.entry(library.identity).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
}

/// Asks the engine, which runs on other threads.
struct CallsHere {
    service: Service,
    runtime: Runtime,
    /// The plugin cannot be stopped here; it gets nothing more.
    excess: Option<Excess>,
}

impl CallsHere {
    fn finish(self, call: &str, answer: Answer<Reply>) -> Answer<Reply> {
        let refused = |what: &str| {
            let message = format!("the plugin {what} during `{call}`");
            PluginError::new(ErrorKind::Internal, Retry::Backoff, message)
        };
        match self.excess {
            Some(Excess(what)) => Err(refused(&what)),
            None => answer.map_err(|error| self.service.masked_error(error)),
        }
    }

    fn kept<T>(&mut self, outcome: Result<T, Excess>) -> Option<T> {
        match outcome {
            Ok(done) => Some(done),
            Err(excess) => {
                self.excess.get_or_insert(excess);
                None
            }
        }
    }
}

impl HostCalls for CallsHere {
    fn log(&mut self, level: Level, message: String) {
        let outcome = self.service.log(level, message);
        self.kept(outcome);
    }

    fn checkpoint(&mut self, handle: Handle) -> Answer<()> {
        let outcome = self.runtime.block_on(self.service.checkpoint(handle));
        let refused =
            || Err(PluginError::new(ErrorKind::Internal, Retry::Backoff, "the engine has refused a checkpoint"));
        self.kept(outcome).unwrap_or_else(refused)
    }

    fn write(&mut self, stream: LogStream, bytes: Vec<u8>, cursor: String) -> bool {
        let outcome = self.runtime.block_on(self.service.write(stream, &bytes, &cursor));
        self.kept(outcome).unwrap_or(false)
    }
}

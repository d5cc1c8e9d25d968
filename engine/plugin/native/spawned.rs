//! A plugin in processes of its own: a few of them, each with one call at a time.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::call::{About, Question, Reply};
use super::conversation::{Conversation, Failure, budget_ms};
use super::frame::{Order, Report, most_bytes};
use super::service::{Ports, Service};
use super::worker::SERVE_ARG;
use crate::config::NativeConfig;
use crate::plugin::child::{Nursery, Process, THIS_PROGRAM};
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// The pause after the second failure in a row.
const FIRST_PAUSE_MS: u64 = 100;

/// The processes of a plugin.
pub(super) struct Spawned {
    pub(super) program: PathBuf,
    library: PathBuf,
    name: Arc<str>,
    config: NativeConfig,
    places: Semaphore,
    /// For calls that wait for something to happen.
    waiting_places: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Process>,
    nursery: Option<Arc<Nursery>>,
    /// In a row.
    failures: u32,
    resumes_at: Option<Instant>,
    last_failure: String,
}

impl Spawned {
    pub(super) fn new(library: PathBuf, name: Arc<str>, config: NativeConfig) -> Spawned {
        let places = config.processes.clamp(1, Semaphore::MAX_PERMITS);
        Spawned {
            program: PathBuf::from(THIS_PROGRAM),
            library,
            name,
            config,
            places: Semaphore::new(places),
            waiting_places: Semaphore::new((places - 1).max(1)),
            state: Mutex::default(),
        }
    }

    /// The same with other limits.
    pub(super) fn with_config(self, config: NativeConfig) -> Spawned {
        Spawned { program: self.program, ..Spawned::new(self.library, self.name, config) }
    }

    pub(super) async fn call(&self, about: &About, question: Question, ports: Ports) -> Answer<Reply> {
        let budget_ms = budget_ms(&question, &self.config);
        let places = timeout(Duration::from_millis(budget_ms), self.place(&question)).await;
        let Ok(_places) = places else {
            let message = format!("the plugin {} was busy with other calls for {budget_ms} ms", self.name);
            return Err(PluginError::new(ErrorKind::Exhausted, Retry::Backoff, message));
        };
        let mut process = self.process(about).await?;
        let mut service = Service::new(self.name.clone(), &question, ports, &self.config);
        let call = question.name();
        let outcome = Conversation::new(&mut process, &mut service, &self.config, budget_ms).ask(question).await;
        match outcome {
            Ok(answer) => {
                self.give_back(process);
                answer.map_err(|error| service.masked_error(error))
            }
            Err(failure) => {
                Err(self.failed(process, failure, &format!("during `{call}`"), |tail| service.masked(tail)).await)
            }
        }
    }

    async fn place(&self, question: &Question) -> (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'_>>) {
        // Nobody closes them, so every permit comes.
        // A log may be long, whether or not more of it is waited for.
        let may_wait = question.wait_ms() > 0 || matches!(question, Question::Logs { .. });
        let waiting = if may_wait { self.waiting_places.acquire().await.ok() } else { None };
        (waiting, self.places.acquire().await.ok())
    }

    /// One that waits, or a new one.
    async fn process(&self, about: &About) -> Answer<Process> {
        while let Some(process) = self.take_idle() {
            if process.is_alive() {
                return Ok(process);
            }
        }
        self.check_pause()?;
        if std::env::args_os().nth(1).is_some_and(|arg| arg == SERVE_ARG) {
            let message = "this process was started to call a plugin and went on as a program of its own: its `main` has to \
                           call `windlass::supervise_if_asked` first";
            return Err(PluginError::new(ErrorKind::Unsupported, Retry::Never, message));
        }
        let most = most_bytes(about.answer_bytes);
        let started = async {
            let args = [OsStr::new(SERVE_ARG), self.library.as_os_str()];
            Process::start(&*self.nursery()?, &self.program, &args, most).await
        };
        let mut process = started.await.map_err(|error| self.not_started(&error))?;
        match self.open(&mut process, about).await {
            Ok(Report::Opened(Ok(()))) => Ok(process),
            Ok(Report::Opened(Err(error))) => {
                let error = error.into_plugin_error(&self.library.display());
                self.note_failure(&error.message);
                Err(error)
            }
            Ok(_) => {
                Err(self.not_opened(process, Failure::Unruly("sent something else than was asked".to_owned())).await)
            }
            Err(failure) => Err(self.not_opened(process, failure).await),
        }
    }

    async fn open(&self, process: &mut Process, about: &About) -> Result<Report, Failure> {
        let (settings, engine_id) = (about.settings.clone(), about.engine_id.clone());
        let order = Order::Open { settings, engine_id, answer_bytes: about.answer_bytes };
        process.send(&order).await.map_err(|_| Failure::Closed)?;
        let mut nobody = Service::new(self.name.clone(), &Question::Describe, Ports::default(), &self.config);
        Conversation::new(process, &mut nobody, &self.config, self.config.start_ms).next().await
    }

    fn not_started(&self, error: &io::Error) -> PluginError {
        let program = self.program.display();
        let message = format!("cannot start {program} for the plugin {}: {error}", self.name);
        self.note_failure(&message);
        PluginError::new(ErrorKind::Unavailable, Retry::Backoff, message)
    }

    async fn not_opened(&self, process: Process, failure: Failure) -> PluginError {
        let hint = "while it was loaded (a program that embeds the engine calls `windlass::supervise_if_asked` first thing \
                    in `main`)";
        self.failed(process, failure, hint, |tail| String::from_utf8_lossy(tail).into_owned()).await
    }

    /// Ends a process that has failed; what is to be told of it.
    async fn failed(
        &self,
        process: Process,
        failure: Failure,
        when: &str,
        shown: impl Fn(&[u8]) -> String,
    ) -> PluginError {
        let kind = failure.kind();
        let (end, tail) = process.end(matches!(failure, Failure::Closed)).await;
        let mut message = format!("the plugin {} {} {when}", self.name, failure.describe(end));
        let said = shown(&tail);
        if !said.trim().is_empty() {
            message = format!("{message}; it last printed: {}", said.trim());
        }
        self.note_failure(&message);
        PluginError::new(kind, Retry::Backoff, message)
    }

    fn note_failure(&self, message: &str) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.last_failure = message.to_owned();
        // A single failure is not held against the next call.
        state.resumes_at = state.failures.checked_sub(2).map(|doublings| {
            let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
            let pause_ms = FIRST_PAUSE_MS.saturating_mul(factor).min(self.config.most_pause_ms);
            Instant::now() + Duration::from_millis(pause_ms)
        });
    }

    fn check_pause(&self) -> Answer<()> {
        let state = self.state();
        let left = state.resumes_at.map(|at| at.saturating_duration_since(Instant::now())).unwrap_or_default();
        let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if ms == 0 {
            return Ok(());
        }
        let message = format!(
            "the plugin {} has failed {} times in a row and is started again in {ms} ms; the last time: {}",
            self.name, state.failures, state.last_failure
        );
        Err(PluginError::new(ErrorKind::Unavailable, Retry::After(ms), message))
    }

    /// Ends the processes that wait: they were told something else.
    pub(super) fn forget(&self) {
        self.state().idle.clear();
    }

    fn take_idle(&self) -> Option<Process> {
        self.state().idle.pop()
    }

    fn give_back(&self, process: Process) {
        let fits = process.memory_bytes() <= self.config.memory_bytes;
        let mut state = self.state();
        (state.failures, state.resumes_at) = (0, None);
        if fits {
            state.idle.push(process);
        }
    }

    fn nursery(&self) -> io::Result<Arc<Nursery>> {
        let mut state = self.state();
        if let Some(nursery) = &state.nursery {
            return Ok(nursery.clone());
        }
        let nursery = Arc::new(Nursery::new()?);
        state.nursery = Some(nursery.clone());
        Ok(nursery)
    }

    /// The state is valid after every step, so a panic elsewhere does not poison it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

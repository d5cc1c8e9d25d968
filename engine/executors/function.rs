//! Jobs that are functions of the embedding program: async Rust, called by name, JSON in and out.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::{AttemptName, BoxFuture};
use crate::clock::Clock;
use crate::error::Error;
use crate::files::{LogLimits, LogStream, LogWriter, Masker};
use crate::job::output::NewOutput;
use crate::job::{Event, JobEvent, JobFact, JobId, JobSpec, OutputLimits, RunOptions, Task};

/// Why a function did not do its work. Any error turns into one that may be tried again.
pub struct FunctionError {
    message: String,
    permanent: bool,
}

impl FunctionError {
    /// An error that another attempt may not meet.
    pub fn new(message: impl fmt::Display) -> Self {
        FunctionError { message: message.to_string(), permanent: false }
    }

    /// An error that every attempt would meet: the job fails at once.
    pub fn permanent(message: impl fmt::Display) -> Self {
        FunctionError { message: message.to_string(), permanent: true }
    }

    pub(crate) fn into_parts(self) -> (String, bool) {
        (self.message, self.permanent)
    }
}

impl fmt::Debug for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for FunctionError {
    fn from(error: E) -> Self {
        FunctionError::new(error)
    }
}

/// A function that is registered as a type of its own. Closures need no such type.
pub trait Function: Send + Sync + 'static {
    /// What it is given.
    type Input: DeserializeOwned + Send;
    /// What it returns.
    type Output: Serialize;
    /// The name it is registered under.
    const NAME: &'static str;

    /// Does the work. Called at least once, or at most once when the job says `on_crash: fail`.
    fn run(
        &self,
        context: FunctionContext,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, FunctionError>> + Send;
}

/// The input of a call: in the spec of its job, or read from a file beside the store.
pub(crate) enum Input {
    InSpec(Arc<JobSpec>),
    Large(Vec<u8>),
}

impl Input {
    fn bytes(&self) -> &[u8] {
        match self {
            Input::InSpec(spec) => match &spec.task {
                Task::Function(task) => &task.input,
                _ => &[],
            },
            Input::Large(bytes) => bytes,
        }
    }
}

type Handler = dyn Fn(FunctionContext, Input) -> BoxFuture<'static, Result<Vec<u8>, FunctionError>> + Send + Sync;

/// The registered functions.
#[derive(Clone, Default)]
pub(crate) struct Functions(HashMap<String, Registered>);

/// A registered function.
#[derive(Clone)]
pub(crate) struct Registered {
    /// Calls of it that may be under way at once; `None`: as many as there are slots.
    pub(crate) concurrency: Option<usize>,
    handler: Arc<Handler>,
}

impl Functions {
    pub(crate) fn get(&self, name: &str) -> Option<&Registered> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Registers `call` under `name`; the last one of a name counts.
    pub(crate) fn register<I, O, F, R>(&mut self, name: String, concurrency: Option<usize>, call: F)
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize,
        F: Fn(FunctionContext, I) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, FunctionError>> + Send + 'static,
    {
        let call = Arc::new(call);
        let handler = move |context: FunctionContext, input: Input| -> BoxFuture<'static, _> {
            let call = call.clone();
            Box::pin(async move {
                let parsed = serde_json::from_slice(input.bytes());
                drop(input);
                let input =
                    parsed.map_err(|error| FunctionError::permanent(format!("the input does not fit: {error}")))?;
                let output = call(context, input).await?;
                serde_json::to_vec(&output)
                    .map_err(|error| FunctionError::permanent(format!("the output is no JSON: {error}")))
            })
        };
        self.0.insert(name, Registered { concurrency, handler: Arc::new(handler) });
    }
}

impl Registered {
    pub(crate) fn call(
        &self,
        context: FunctionContext,
        input: Input,
    ) -> BoxFuture<'static, Result<Vec<u8>, FunctionError>> {
        (self.handler)(context, input)
    }
}

/// Tells an attempt that it is to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopSignal(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    raised: AtomicBool,
    wake: Notify,
}

impl StopSignal {
    pub(crate) fn raise(&self) {
        self.0.raised.store(true, Ordering::Release);
        self.0.wake.notify_waiters();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    pub(crate) async fn raised(&self) {
        let wake = self.0.wake.notified();
        tokio::pin!(wake);
        // Register interest, then look, then wait: a signal in between is not lost.
        wake.as_mut().enable();
        if !self.is_raised() {
            wake.await;
        }
    }
}

/// How far a running function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// A word on what it does.
    pub message: String,
}

/// What a function may know and do while it runs. Cheap to clone.
///
/// ```
/// use windlass::testing::TestEngine;
/// use windlass::{FunctionContext, FunctionError, JobSpec, State};
///
/// /// Looks whether it is to stop between one part of its work and the next.
/// async fn import(context: FunctionContext, parts: u32) -> Result<u32, FunctionError> {
///     for part in 0..parts {
///         if context.is_cancelled() {
///             return Err(FunctionError::new(format!("stopped before part {part}")));
///         }
///         context.progress((100 * part / parts) as u8, format!("part {part}"));
///         context.sleep(1_000).await;
///     }
///     Ok(parts)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = TestEngine::open(|builder| builder.function("import", import)).await?;
/// let id = engine.submit(JobSpec::function("import", "10")).await?;
/// engine.advance(2_500).await;
/// assert_eq!(engine.get(id)?.progress.map(|progress| progress.percent), Some(20));
///
/// engine.cancel(id, "the example").await?;
/// engine.advance(500).await;
/// assert_eq!(engine.get(id)?.state(), State::Cancelled);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FunctionContext(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: AttemptName,
    pub(crate) options: RunOptions,
    pub(crate) work: Option<PathBuf>,
    pub(crate) job_id: OnceLock<String>,
    pub(crate) stop: StopSignal,
    pub(crate) clock: Clock,
    pub(crate) progress: Mutex<Option<Progress>>,
    pub(crate) reporter: Arc<dyn Reporter>,
    pub(crate) log: Mutex<FunctionLog>,
    pub(crate) project: String,
    /// Output records that are stored when it succeeds.
    pub(crate) outputs: Arc<Mutex<Vec<NewOutput>>>,
    pub(crate) output_limits: OutputLimits,
}

/// Where a running function reports to.
pub(crate) trait Reporter: Send + Sync {
    /// Tells subscribers; nothing is stored.
    fn publish(&self, event: JobEvent);
    /// Changes the job; returns when that is on disk.
    fn change(&self, job: JobId, event: Event) -> BoxFuture<'_, Result<(), Error>>;
    /// Holds a value against an output type of the project.
    fn accept(
        self: Arc<Self>,
        project: String,
        of: Option<String>,
        json: Vec<u8>,
    ) -> BoxFuture<'static, Result<NewOutput, Error>>;
    /// Where the log of an attempt lies, and how much of it is kept.
    fn log_of(&self, attempt: AttemptName) -> (PathBuf, LogLimits);
}

impl FunctionContext {
    pub(crate) fn new(inner: Inner) -> Self {
        FunctionContext(Arc::new(inner))
    }

    /// The job and the number of the attempt: usable as an idempotency key towards other systems.
    pub fn attempt(&self) -> AttemptName {
        self.0.name
    }

    /// The value of a run option. `jobId` is the system's own: always the id of the job.
    pub fn option(&self, name: &str) -> Option<&str> {
        if name == crate::job::options::JOB_ID {
            return Some(self.0.job_id.get_or_init(|| self.0.name.job.to_string()));
        }
        self.0.options.get(name).map(|value| value.value.as_str())
    }

    /// Its work tree, where the job reads or writes files of its project: what it [reads](field@crate::JobSpec::reads) is in
    /// `input`, what it [writes](field@crate::JobSpec::writes) is to be in `output`, and `tmp` is its own. `None` for all other
    /// jobs.
    pub fn work(&self) -> Option<&Path> {
        self.0.work.as_deref()
    }

    /// Whether the job is being cancelled or has passed a deadline. What still runs after the grace time of
    /// the job is dropped at its next await.
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.is_raised()
    }

    /// Returns when the job is being cancelled or has passed a deadline.
    pub async fn cancelled(&self) {
        self.0.stop.raised().await;
    }

    /// Tells how far it is: seen by [`Engine::get`](crate::Engine::get) and by subscribers, not stored.
    /// More than 100 percent counts as 100.
    pub fn progress(&self, percent: u8, message: impl Into<String>) {
        let progress = Progress { percent: percent.min(100), message: message.into() };
        let fact = JobFact::Progress { percent: progress.percent, message: progress.message.clone() };
        *self.0.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        self.0.reporter.publish(JobEvent { id: self.0.name.job, at: self.0.clock.now(), fact });
    }

    pub(crate) fn last_progress(&self) -> Option<Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// More items turned up; each is to begin and to end. Returns when that is on disk.
    ///
    /// # Errors
    /// When the engine stores nothing any more.
    pub async fn add_items(&self, count: u32) -> Result<(), Error> {
        self.0.reporter.change(self.0.name.job, Event::ItemsAdded(count)).await
    }

    /// An item begins. Returns when that is on disk.
    ///
    /// # Errors
    /// When no item is pending, or the engine stores nothing any more.
    pub async fn begin_item(&self) -> Result<(), Error> {
        let attempt = self.0.name.attempt;
        self.0.reporter.change(self.0.name.job, Event::ItemBegan { attempt }).await
    }

    /// An item ends. Returns when that is on disk.
    ///
    /// # Errors
    /// When no item is running, or the engine stores nothing any more.
    pub async fn end_item(&self, succeeded: bool) -> Result<(), Error> {
        let attempt = self.0.name.attempt;
        self.0.reporter.change(self.0.name.job, Event::ItemEnded { attempt, succeeded }).await
    }

    /// Leaves an output record: stored with the end of the job when this attempt succeeds, so that one which is tried again
    /// leaves it once. What comes after the function has returned is lost. With a type of the job's project the value is to keep
    /// its schema.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the type, [`Error::Invalid`] with every violation, [`Error::Full`] when it has left as many as
    /// it may.
    pub async fn output<T: Serialize + ?Sized>(&self, of: Option<&str>, value: &T) -> Result<(), Error> {
        let json = serde_json::to_vec(value);
        let json = json.map_err(|error| Error::invalid("value", error.to_string(), "a value that is JSON"))?;
        let output = self.0.reporter.clone().accept(self.0.project.clone(), of.map(str::to_owned), json).await?;
        let limits = &self.0.output_limits;
        let mut outputs = self.0.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = outputs.iter().map(|output| output.value.len()).sum();
        let full = |what: &str, limit: u64| Err(Error::Full { what: what.to_owned(), limit });
        if outputs.len() >= limits.records as usize {
            return full("the list of output records of the job", limits.records.into());
        }
        if bytes + output.value.len() > limits.together_bytes {
            return full("the room of the output records of the job, in bytes,", limits.together_bytes as u64);
        }
        outputs.push(output);
        Ok(())
    }

    pub(crate) fn outputs(&self) -> Arc<Mutex<Vec<NewOutput>>> {
        self.0.outputs.clone()
    }

    /// Writes a line to the log of the job. Secret options are masked.
    pub fn log(&self, line: impl AsRef<str>) {
        let at = self.0.clock.now().as_millis();
        let mut log = self.0.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.write_line(line.as_ref(), at, || {
            let (dir, limits) = self.0.reporter.log_of(self.0.name);
            LogWriter::open(dir, limits).map(|writer| (writer, Masker::new(self.0.options.secrets())))
        });
    }

    /// Sleeps on the clock of the engine, which tests can move.
    pub async fn sleep(&self, millis: u64) {
        self.0.clock.sleep(millis).await;
    }
}

/// The log of a function: opened at the first line, so that a function that says nothing costs nothing.
#[derive(Default)]
pub(crate) struct FunctionLog {
    open: Option<(LogWriter, Masker)>,
}

impl FunctionLog {
    /// A log that cannot be written does not stop the work; the engine's own log tells of it.
    fn write_line(&mut self, line: &str, at_ms: u64, open: impl FnOnce() -> io::Result<(LogWriter, Masker)>) {
        if self.open.is_none() {
            match open() {
                Ok(opened) => self.open = Some(opened),
                Err(error) => return tracing::warn!(%error, "the log of a function cannot be opened"),
            }
        }
        let Some((writer, masker)) = &mut self.open else { return };
        let mut bytes = masker.push(line.as_bytes());
        bytes.extend(masker.flush());
        bytes.push(b'\n');
        if let Err(error) = writer.write(LogStream::Stdout, at_ms, &bytes) {
            tracing::warn!(%error, "a log line of a function is lost");
        }
    }
}

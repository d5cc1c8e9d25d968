//! What is asked for: the immutable part of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::after::After;
use super::id::Seq;
use super::items::{ITEMS_QUEUE, ItemOf, Items};
use super::node::NodeRun;
use super::options::RunOptions;
use super::retry::RetryPolicy;
use super::time::Timestamp;
use super::transfer::{Delivery, Fetch};

/// A request to run something once: everything about a job that never changes after it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// What it is called; must be unique within one submission, where [`JobSpec::after`] refers to it.
    pub name: Option<String>,
    /// The namespace it belongs to.
    pub project: String,
    /// The queue whose slots it takes.
    pub queue: String,
    /// The job config it comes from.
    pub config: Option<String>,
    /// Which revision of it.
    pub config_revision: Option<u32>,
    /// 0 to 255; higher runs earlier. A waiting job ages, so a low one is never starved.
    pub priority: u8,
    /// What runs.
    pub task: Task,
    /// Key/values given to the work as its environment; sealed at rest.
    pub options: RunOptions,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// Limits of time.
    pub deadlines: Deadlines,
    /// What happens when the engine or the platform goes away under it.
    pub on_crash: OnCrash,
    /// Milliseconds between the polite stop and the forced one.
    pub stop_grace_ms: u64,
    /// Jobs of the same submission that it comes after.
    pub after: Vec<After>,
    /// Wait until somebody releases it.
    pub hold: bool,
    /// Items may still be added; the job waits until they are closed.
    pub open_items: bool,
    /// Not before this time.
    pub start_at: Option<Timestamp>,
    /// A second submission with this key in the same project returns the first one's job.
    pub idempotency_key: Option<String>,
    /// The fire of a schedule that it comes from. Set by the engine only.
    pub fired: Option<Fired>,
    /// The node of a pipeline that it runs. Set by the engine only.
    pub node: Option<NodeRun>,
    /// Files that are in `input` of its work tree when an attempt begins. When the job is stored their contents are in a
    /// file beside the store, and here are only their paths.
    pub inputs: Vec<InputFile>,
    /// Files and folders of its project, by their paths there, that are in `input` of its work tree under the same paths when
    /// an attempt begins. What is not there then fails the job for good.
    pub reads: Vec<String>,
    /// Files and folders that a success leaves under these paths in `output` of its work tree, and that then become those of
    /// its project, in the place of what is there. Where one is missing the attempt has failed and none becomes anything.
    pub writes: Vec<String>,
    /// What fetchers bring in before each attempt.
    pub fetches: Vec<Fetch>,
    /// What sinks take out after a success.
    pub deliveries: Vec<Delivery>,
    /// Its items: the job runs its task once for each of them, and is over when they are.
    pub items: Option<Items>,
    /// The item that it runs. Set by the engine only.
    pub item: Option<ItemOf>,
}

/// A file that a job begins with.
#[derive(Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is in `input`: relative, `/` between names.
    pub path: String,
    /// What it holds.
    pub content: Vec<u8>,
}

impl fmt::Debug for InputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({} bytes)", self.path, self.content.len())
    }
}

/// A fire of a schedule, as its jobs name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The schedule, by its number.
    pub schedule: Seq,
    /// The same by its name.
    pub name: String,
    /// The time that its calendar says.
    pub nominal: Timestamp,
}

impl JobSpec {
    /// A spec with defaults for everything but the task: project and queue `default`, priority 100, one
    /// attempt, run again after a crash, no deadline, ten seconds between the polite stop and the forced one.
    pub fn new(task: Task) -> Self {
        JobSpec {
            name: None,
            project: DEFAULT_NAME.to_owned(),
            queue: DEFAULT_NAME.to_owned(),
            config: None,
            config_revision: None,
            priority: 100,
            task,
            options: RunOptions::new(),
            retry: RetryPolicy::default(),
            deadlines: Deadlines::default(),
            on_crash: OnCrash::default(),
            stop_grace_ms: 10_000,
            after: Vec::new(),
            hold: false,
            open_items: false,
            start_at: None,
            idempotency_key: None,
            fired: None,
            node: None,
            inputs: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            fetches: Vec::new(),
            deliveries: Vec::new(),
            items: None,
            item: None,
        }
    }

    /// A job that runs a program.
    pub fn process<A: Into<String>>(program: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        JobSpec::new(Task::Process(ProcessTask {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            limits: ProcessLimits::default(),
        }))
    }

    /// A job that calls the function registered as `name` with JSON text as its input.
    ///
    /// [`Engine::submit_function`](crate::Engine::submit_function) takes a typed input instead.
    pub fn function(name: impl Into<String>, input_json: impl Into<Vec<u8>>) -> Self {
        JobSpec::new(Task::Function(FunctionTask { name: name.into(), input: input_json.into() }))
    }

    /// Sets the name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a job of the same submission that it comes after: a name, or an [`After`] with a condition.
    ///
    /// ```
    /// use windlass::JobSpec;
    /// use windlass::job::{After, On};
    ///
    /// let clean_up = JobSpec::process("rm", ["-rf", "left"]).after("load").after(After::on("check", On::Always));
    /// assert_eq!(clean_up.after, [After::from("load"), After::on("check", On::Always)]);
    /// ```
    #[must_use]
    pub fn after(mut self, job: impl Into<After>) -> Self {
        self.after.push(job.into());
        self
    }

    /// Adds a file or folder of its project that it reads, see [`JobSpec::reads`](field@JobSpec::reads).
    #[must_use]
    pub fn reads(mut self, path: impl Into<String>) -> Self {
        self.reads.push(path.into());
        self
    }

    /// Adds a file or folder of its project that it writes, see [`JobSpec::writes`](field@JobSpec::writes).
    #[must_use]
    pub fn writes(mut self, path: impl Into<String>) -> Self {
        self.writes.push(path.into());
        self
    }

    /// Adds something that is fetched before each attempt.
    #[must_use]
    pub fn fetch(mut self, fetch: Fetch) -> Self {
        self.fetches.push(fetch);
        self
    }

    /// Adds something that is delivered after a success.
    #[must_use]
    pub fn deliver(mut self, delivery: Delivery) -> Self {
        self.deliveries.push(delivery);
        self
    }

    /// Sets its items.
    #[must_use]
    pub fn with_items(mut self, items: Items) -> Self {
        self.items = Some(items);
        self
    }

    /// The queue whose slots it takes: one with items takes none of those that its items need.
    pub(crate) fn slots_of(&self) -> &str {
        if self.items.is_some() { ITEMS_QUEUE } else { &self.queue }
    }

    /// Sets a run option.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.set(name, value.into());
        self
    }
}

/// What functions are called as executors.
pub const FUNCTION: &str = "function";

/// The name of the project and of the queue that a job has when none is given.
pub const DEFAULT_NAME: &str = "default";

/// What runs, and on which executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// A program on this machine.
    Process(ProcessTask),
    /// A function of the embedding program.
    Function(FunctionTask),
    /// Work of an executor that the embedding program registered by name.
    Named(NamedTask),
}

impl Task {
    /// The name of the executor that runs it.
    pub fn executor(&self) -> &str {
        match self {
            Task::Process(_) => "process",
            Task::Function(_) => FUNCTION,
            Task::Named(task) => &task.executor,
        }
    }

    /// Bytes of what it hands to its executor as they are.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Task::Process(_) => 0,
            Task::Function(task) => task.input.len(),
            Task::Named(task) => task.params.len(),
        }
    }
}

/// A program on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTask {
    /// The program: a path, or a name looked up in the `PATH` of the job.
    pub program: String,
    /// Its arguments, without the program.
    pub args: Vec<String>,
    /// What it may use.
    pub limits: ProcessLimits,
}

/// What one process may use; `None` leaves the limit of the engine's own process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Address space in bytes (RLIMIT_AS).
    pub memory_bytes: Option<u64>,
    /// CPU time in seconds (RLIMIT_CPU).
    pub cpu_seconds: Option<u64>,
    /// Open files (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
    /// Bytes of the largest file it may write (RLIMIT_FSIZE).
    pub file_size_bytes: Option<u64>,
}

/// A call of a registered function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionTask {
    /// The name it is registered under.
    pub name: String,
    /// Its input as JSON text.
    #[serde(with = "serde_bytes")]
    pub input: Vec<u8>,
}

/// Work of an executor that is known by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedTask {
    /// The name of the executor.
    pub executor: String,
    /// What the executor is told, as JSON text; only it knows the meaning.
    #[serde(with = "serde_bytes")]
    pub params: Vec<u8>,
}

/// Limits of time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// From entering the queue to the start of an attempt.
    pub queue_ms: Option<u64>,
    /// One attempt, from its start.
    pub attempt_ms: Option<u64>,
    /// From submission to the end, all attempts and waits included.
    pub total_ms: Option<u64>,
    /// Out of contact with an attempt, which is then given up: what `on_crash` says decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_ms: Option<u64>,
}

/// What happens to a job whose attempt was interrupted by a crash of the engine or the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnCrash {
    /// Run again: at least once.
    #[default]
    Rerun,
    /// Fail: at most once.
    Fail,
}

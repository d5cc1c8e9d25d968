//! What runs jobs: the contract of executors, and the built-in ones.
//!
//! *Architecture invariant:* an executor reports, the core decides. It has no retries and no opinion on what a
//! job's state is.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use crate::error::Problem;
use crate::job::{ChainId, JobId, Outcome, RunHandle, RunOptions, Task, Timestamp};

pub mod function;
mod guarded;
mod job_files;
mod platform;
pub mod process;
mod project_fetcher;
mod project_sink;
mod registry;
mod transfer;

pub(crate) use guarded::catch;
pub use job_files::JobFiles;
pub use platform::{
    Definition, DefinitionPage, Journal, ObserveError, OwnedRuns, Platform, Run, Seen, Sighting, SubmitError,
};
pub(crate) use project_fetcher::{PROJECT, ProjectFetcher};
pub(crate) use project_sink::ProjectSink;
pub(crate) use registry::{Executors, Registered};
pub(crate) use transfer::Transfers;
pub use transfer::{Delivered, DeliveryOrder, FetchItem, FetchOrder, FetchPage, Fetched, Fetcher, Sink, TransferError};

/// A boxed future, as the methods of object-safe traits return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs jobs on a platform that goes on while the engine is down.
///
/// Every call may be made twice and must mean the same the second time: an attempt is named by its job and its
/// number, and what was started under that name is found again.
pub trait Executor: Send + Sync + 'static {
    /// Checks a task before its job is accepted.
    ///
    /// # Errors
    /// Every mistake.
    fn validate(&self, task: &Task) -> Result<(), Vec<Problem>>;

    /// Starts an attempt, or finds it when it was started before. The handle is stored.
    fn start<'a>(&'a self, order: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>>;

    /// Finds an attempt that an earlier life of the engine may have started; `None` when there is none, and
    /// then there never will be one by that name unless it is started again.
    fn find<'a>(
        &'a self,
        attempt: AttemptName,
        handle: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>>;

    /// Waits for the end of an attempt. [`Outcome::Interrupted`] when the platform has lost it.
    fn wait<'a>(&'a self, attempt: AttemptName, handle: &'a RunHandle) -> BoxFuture<'a, Result<Outcome, ContactError>>;

    /// Asks an attempt to stop, and makes it after the grace time. Returns at once; [`Executor::wait`] tells
    /// of the end. Stopping what is over is fine.
    fn stop<'a>(
        &'a self,
        attempt: AttemptName,
        handle: &'a RunHandle,
        grace_ms: u64,
    ) -> BoxFuture<'a, Result<(), ContactError>>;

    /// The work tree of an attempt that has succeeded, until it is removed. `None` where the executor has none: then a job
    /// leaves no output and writes no files.
    fn work(&self, _attempt: AttemptName) -> Option<PathBuf> {
        None
    }

    /// Removes what is left of an attempt that is over. `succeeded` is what the core made of it.
    fn remove(&self, attempt: AttemptName, succeeded: bool) -> BoxFuture<'_, Result<(), ContactError>>;

    /// The engine goes away, by a shutdown or a crash. What cannot go on without it ends now; the next life of the engine
    /// does not find it. Nothing, unless the executor runs attempts in this very process.
    fn release(&self) {}
}

/// The name of an attempt: the fencing pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptName {
    /// The job.
    pub job: JobId,
    /// Which attempt, from 1.
    pub attempt: u32,
}

impl std::fmt::Display for AttemptName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.job, self.attempt)
    }
}

/// Everything an executor needs to start an attempt.
#[derive(Clone, Debug)]
pub struct AttemptOrder {
    /// Its name.
    pub name: AttemptName,
    /// What the user calls the job.
    pub job_name: Option<String>,
    /// The chain the job belongs to.
    pub chain: Option<ChainId>,
    /// What runs.
    pub task: Task,
    /// The run options, opened and merged; the system's own included.
    pub options: RunOptions,
    /// Milliseconds between the polite stop and the forced one.
    pub stop_grace_ms: u64,
    /// When the attempt is to be stopped at the latest; the engine sees to that.
    pub deadline: Option<Timestamp>,
    /// The files that it begins with, and those that it is to leave; see [`AttemptOrder::place_inputs`].
    pub files: JobFiles,
}

impl AttemptOrder {
    /// Puts what was fetched for the job, its input files, and those of its project that it reads into a work tree that is there;
    /// makes the folders in `output` that those it writes are to be in. Doing it again brings in what is there then.
    ///
    /// # Errors
    /// One is not there, or what the file system says.
    pub async fn place_inputs(&self, work: &Path) -> Result<(), StartError> {
        self.files.place(work).await
    }

    /// The whole environment of what runs in a work tree: the documented minimum (`minimum` and what every tree has), its
    /// options over that, the system's own on top. The directories are named as the work sees them; it begins in its tree.
    pub(crate) fn environment(
        &self,
        mut minimum: RunOptions,
        work: &str,
        chain: Option<&str>,
    ) -> Vec<(String, String)> {
        minimum.set("LANG", "C.UTF-8").set("HOME", work).set("TMPDIR", format!("{work}/tmp"));
        let mut system = self.files.told("");
        system.set("WINDLASS_JOB_ID", self.name.job.to_string());
        system.set("WINDLASS_ATTEMPT", self.name.attempt.to_string());
        system.set("WINDLASS_WORK", work);
        if let Some(chain) = chain {
            system.set("WINDLASS_CHAIN_DIR", chain);
        }
        let merged = minimum.overlaid(self.options.clone()).overlaid(system);
        merged.iter().map(|(name, value)| (name.to_owned(), value.value.clone())).collect()
    }
}

/// An attempt could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// Why. Never holds a secret.
    pub message: String,
    /// Whether trying again is pointless.
    pub permanent: bool,
}

/// The platform cannot be reached. The attempt may go on; the engine asks again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ContactError {
    /// Why. Never holds a secret.
    pub message: String,
}

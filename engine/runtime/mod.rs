//! The loops: the only module that spawns tasks.
//!
//! *Architecture invariant:* loops own no truth. Each reads the store, does one step, and can be killed
//! anywhere; recovery at open is the same functions run again.

mod attempt;
mod attempts;
mod call;
mod configs;
mod deliver;
mod dispatcher;
mod documents;
mod external;
mod fetch;
mod files;
mod finalize;
mod follow;
mod function_tree;
mod hub;
mod items;
mod lost;
mod newcomers;
mod observer;
mod outputs;
pub(crate) mod pipelines;
mod recover;
mod retention;
mod rows;
mod scheduler;
pub(crate) mod schedules;
mod slots;
mod submission;
mod sweep;
mod transfer;
mod uploads;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use hub::Hub;

use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::error::Error;
use crate::executors::function::{Functions, Reporter, StopSignal};
use crate::executors::{AttemptName, BoxFuture, Executors, Platform, Transfers};
use crate::files::{Layout, LogLimits, ProjectFiles};
use crate::job::output::NewOutput;
use crate::job::{Event, JobEvent, JobId, Seq};
use crate::secret::Entropy;
use crate::store::{Moved, Store};
use observer::Observer;
use schedules::Schedules;
use slots::Slots;

/// Everything the loops work with.
pub(crate) struct Runtime {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) config: EngineConfig,
    pub(crate) layout: Layout,
    pub(crate) files: ProjectFiles,
    pub(crate) functions: Functions,
    pub(crate) executors: Executors,
    pub(crate) transfers: Transfers,
    pub(crate) hub: Arc<Hub>,
    pub(crate) schedules: Arc<Schedules>,
    pub(crate) outputs: outputs::Outputs,
    uploads: uploads::Uploads,
    pub(crate) slots: Mutex<Slots>,
    /// Turns true when external attempts are to be left to the next life of the engine.
    pub(crate) detach: watch::Sender<bool>,
    /// Raised when functions that still run are to be put back into their queue.
    hand_back: StopSignal,
    loops: Mutex<Vec<JoinHandle<()>>>,
    /// The observers of platforms, by the name of the platform.
    observers: Mutex<HashMap<String, Arc<Observer>>>,
    /// Jobs that were taken off their queue and whose executor is not registered.
    unserved: Mutex<Vec<Seq>>,
    /// Told when something may have been left on a platform.
    orphans: watch::Sender<()>,
}

/// The parts of a [`Runtime`] that its builder decides.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) config: EngineConfig,
    pub(crate) layout: Layout,
    pub(crate) files: ProjectFiles,
    pub(crate) functions: Functions,
    pub(crate) executors: Executors,
    pub(crate) transfers: Transfers,
    pub(crate) hub: Arc<Hub>,
}

/// The data behind these locks is valid after every step, so a panic elsewhere does not poison it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runtime {
    /// Recovers what an earlier life left behind and starts the loops.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) async fn start(parts: Parts) -> Result<Arc<Runtime>, Error> {
        let Parts { store, clock, entropy, config, layout, files, functions, executors, transfers, hub } = parts;
        let schedules = hub.schedules.clone();
        let runtime = Arc::new(Runtime {
            schedules,
            store,
            clock,
            entropy,
            config,
            layout,
            files,
            functions,
            executors,
            transfers,
            hub,
            outputs: outputs::Outputs::default(),
            uploads: uploads::Uploads::default(),
            slots: Mutex::new(Slots::default()),
            detach: watch::Sender::new(false),
            hand_back: StopSignal::default(),
            loops: Mutex::new(Vec::new()),
            observers: Mutex::default(),
            unserved: Mutex::default(),
            orphans: watch::Sender::new(()),
        });
        let first_new = runtime.store.next_seq();
        recover::run(&runtime).await?;
        lock(&runtime.loops).extend([
            tokio::spawn(dispatcher::run(runtime.clone())),
            tokio::spawn(scheduler::run(runtime.clone())),
            tokio::spawn(schedules::run(runtime.clone())),
            tokio::spawn(retention::run(runtime.clone(), first_new)),
            tokio::spawn(newcomers::run(runtime.clone())),
        ]);
        Ok(runtime)
    }

    /// The observer of a platform; its loop begins with the first run.
    fn observer(self: &Arc<Self>, name: &str, platform: &Arc<dyn Platform>) -> Arc<Observer> {
        let mut observers = lock(&self.observers);
        if let Some(observer) = observers.get(name) {
            return observer.clone();
        }
        let observer = Observer::start(self, platform.clone());
        observers.insert(name.to_owned(), observer.clone());
        observer
    }

    /// Stops claiming, lets functions finish within the grace time, hands back those that do not, detaches
    /// from external attempts, and closes the store.
    pub(crate) async fn shutdown(&self) {
        // They hold the store, and its file is to be free for the next engine.
        for gone in self.stop_loops() {
            let _ = gone.await;
        }
        self.detach.send_replace(true);
        let grace = self.clock.sleep(self.config.shutdown_grace_ms);
        tokio::select! {
            () = self.hub.attempts.all_over() => {}
            () = grace => {
                self.hand_back.raise();
                self.hub.attempts.all_over().await;
            }
        }
        self.executors.release();
        self.files.close();
        self.store.close();
        self.hub.close();
    }

    /// Ends as a crash would: nothing is finished, nothing more is written.
    pub(crate) fn abandon(&self) {
        drop(self.stop_loops());
        self.hub.attempts.abort_all();
        self.executors.release();
        self.files.close();
        self.store.abandon();
        self.hub.close();
    }

    fn stop_loops(&self) -> Vec<JoinHandle<()>> {
        let loops = std::mem::take(&mut *lock(&self.loops));
        loops.iter().for_each(JoinHandle::abort);
        loops
    }
}

impl Runtime {
    /// Returns when the engine shuts down and has waited long enough for functions.
    pub(crate) async fn handed_back(&self) {
        self.hand_back.raised().await;
    }
}

impl Reporter for Runtime {
    fn log_of(&self, attempt: AttemptName) -> (PathBuf, LogLimits) {
        (self.layout.log(attempt.job, attempt.attempt), self.config.log_limits)
    }

    fn accept(
        self: Arc<Self>,
        project: String,
        of: Option<String>,
        json: Vec<u8>,
    ) -> BoxFuture<'static, Result<NewOutput, Error>> {
        Box::pin(async move { self.accepted(&project, of.as_deref(), json).await })
    }

    fn publish(&self, event: JobEvent) {
        self.hub.publish([event]);
    }

    fn change(&self, id: JobId, event: Event) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let stored = self.store.find(id)?.ok_or_else(|| Error::NotFound(id.to_string()))?;
            // The claim of this attempt may still be on its way to the disk.
            let stored = if stored.job.status.state == crate::job::State::Queued {
                self.store.flush().await?;
                self.store.find(id)?.ok_or_else(|| Error::NotFound(id.to_string()))?
            } else {
                stored
            };
            match self.store.change(&stored.job, &[event], None, self.clock.now()).await? {
                Moved::Illegal(illegal, _) => Err(Error::Conflict(illegal.to_string())),
                Moved::Changed(_) | Moved::Unchanged(_) | Moved::Late(_) => Ok(()),
            }
        })
    }
}

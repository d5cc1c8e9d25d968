//! The executors of an engine by name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::guarded::Guarded;
use super::{Executor, Platform};
use crate::error::Problem;
use crate::job::Task;

/// An executor that is registered.
#[derive(Clone)]
pub(crate) enum Registered {
    /// Its runs are on this machine, and it tells when they end.
    Local(Arc<dyn Executor>),
    /// Its runs are somewhere else, and it is asked after them.
    Platform(Arc<dyn Platform>),
}

impl Registered {
    /// A platform, whose panics are errors of its calls.
    pub(crate) fn platform(platform: Arc<dyn Platform>) -> Registered {
        Registered::Platform(Arc::new(Guarded(platform)))
    }

    /// Checks a task before its job is accepted.
    ///
    /// # Errors
    /// Every mistake.
    pub(crate) async fn validate(&self, task: &Task) -> Result<(), Vec<Problem>> {
        match self {
            Registered::Local(executor) => executor.validate(task),
            Registered::Platform(platform) => platform.validate(task).await,
        }
    }
}

/// The executors by name. Some may come while the engine runs; none goes.
#[derive(Default)]
pub(crate) struct Executors {
    by_name: RwLock<BTreeMap<String, Registered>>,
    /// Told when one has come.
    news: watch::Sender<()>,
}

impl Executors {
    pub(crate) fn get(&self, name: &str) -> Option<Registered> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn insert(&self, name: impl Into<String>, executor: Registered) {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), executor);
        self.news.send_replace(());
    }

    /// Changes whenever an executor has come.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(crate) fn all(&self) -> Vec<(String, Registered)> {
        let executors = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        executors.iter().map(|(name, executor)| (name.clone(), executor.clone())).collect()
    }

    /// Ends what cannot go on without the engine.
    pub(crate) fn release(&self) {
        for (_, executor) in self.all() {
            if let Registered::Local(executor) = executor {
                executor.release();
            }
        }
    }
}

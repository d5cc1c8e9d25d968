//! What the engine gives back: plain data.

use tokio::sync::broadcast;

use crate::executors::function::Progress;
use crate::job::{ChainSummary, Cursor, Job, JobEvent, State};
use crate::store::DiskUse;

/// A job as callers see it: its run options are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// The job; `spec.options` is empty.
    pub job: Job,
    /// How far the function that runs it says it is.
    pub progress: Option<Progress>,
}

impl JobView {
    /// Its state.
    pub fn state(&self) -> State {
        self.job.status.state
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs. There may be fewer than asked for although `next` is there: a page looks at a bounded
    /// number of jobs.
    pub jobs: Vec<JobView>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<Cursor>,
}

/// A chain and its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// Its condition, folded from its jobs.
    pub summary: ChainSummary,
    /// Its jobs in the order of submission.
    pub jobs: Vec<JobView>,
}

/// What a key rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// Records that were sealed anew.
    pub resealed: u64,
    /// The id of the key that seals from now on.
    pub active: String,
}

/// Figures of a running engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineStats {
    /// Live jobs by state, in the order of [`State::ALL`].
    pub live: [u64; State::ALL.len()],
    /// Jobs that are over.
    pub finished: u64,
    /// What was done to the disk since the engine was opened.
    pub disk: DiskUse,
}

/// Events that were dropped because the subscriber was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Missed(pub u64);

/// A stream of facts about all jobs, each told after it is on disk.
#[derive(Debug)]
pub struct Subscription {
    events: Option<broadcast::Receiver<JobEvent>>,
}

impl Subscription {
    pub(super) fn new(events: Option<broadcast::Receiver<JobEvent>>) -> Self {
        Subscription { events }
    }

    /// The next event; [`Missed`] when this subscriber was too slow for [`EngineConfig::event_backlog`]
    /// (go on reading; [`Engine::list`](crate::Engine::list) tells what became of the jobs); `None` when the engine is closed.
    ///
    /// [`EngineConfig::event_backlog`]: crate::EngineConfig::event_backlog
    /// [`Engine::list`]: crate::Engine::list
    pub async fn next(&mut self) -> Option<Result<JobEvent, Missed>> {
        match self.events.as_mut()?.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Err(Missed(missed))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

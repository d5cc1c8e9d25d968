//! The attempts that are under way in this process, and the signals that reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::lock;
use crate::executors::function::{FunctionContext, Progress, StopSignal};
use crate::job::{Job, Seq};

/// All attempts under way.
#[derive(Default)]
pub(super) struct Attempts {
    running: Mutex<HashMap<Seq, Arc<Control>>>,
    over: Notify,
}

/// How an attempt is reached.
#[derive(Default)]
pub(super) struct Control {
    /// The job is to be stopped, or is over already.
    pub(super) stop: StopSignal,
    /// The attempt is out of contact and counts no more: nobody waits for it.
    pub(super) given_up: StopSignal,
    pub(super) task: Mutex<Option<AbortHandle>>,
    pub(super) function: Mutex<Option<FunctionContext>>,
    /// The job is ready for its next attempt; it is given back to its queue when this one has left.
    again: Mutex<Option<Job>>,
}

impl Attempts {
    /// Makes an attempt reachable, before its job is read: a cancel that is committed later reaches it, one
    /// that was committed before is seen in what is read. `None` when one is under way.
    pub(super) fn register(&self, seq: Seq) -> Option<Arc<Control>> {
        let mut running = lock(&self.running);
        if running.contains_key(&seq) {
            return None;
        }
        let control = Arc::new(Control::default());
        running.insert(seq, control.clone());
        Some(control)
    }

    /// Keeps a job that is ready again until its attempt has left. It comes back when that has left already.
    pub(super) fn keep(&self, job: Job) -> Option<Job> {
        let running = lock(&self.running);
        let Some(control) = running.get(&job.seq()) else { return Some(job) };
        *lock(&control.again) = Some(job);
        None
    }

    /// The attempt has left; how many are still under way, and the job where it is ready again.
    pub(super) fn unregister(&self, seq: Seq) -> (usize, Option<Job>) {
        let mut running = lock(&self.running);
        let again = running.remove(&seq).and_then(|control| lock(&control.again).take());
        let left = running.len();
        drop(running);
        if left == 0 {
            self.over.notify_waiters();
        }
        (left, again)
    }

    /// What reaches the attempt of a job, where one is under way here.
    pub(super) fn control(&self, seq: Seq) -> Option<Arc<Control>> {
        lock(&self.running).get(&seq).cloned()
    }

    pub(super) fn stop(&self, seq: Seq) {
        if let Some(control) = self.control(seq) {
            control.stop.raise();
        }
    }

    pub(super) fn progress(&self, seq: Seq) -> Option<Progress> {
        let control = self.control(seq)?;
        let function = lock(&control.function).clone();
        function?.last_progress()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.running).len()
    }

    /// Returns when none is under way.
    pub(super) async fn all_over(&self) {
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            if lock(&self.running).is_empty() {
                return;
            }
            over.await;
        }
    }

    pub(super) fn abort_all(&self) {
        for (_, control) in lock(&self.running).drain() {
            if let Some(task) = lock(&control.task).take() {
                task.abort();
            }
        }
        self.over.notify_waiters();
    }
}

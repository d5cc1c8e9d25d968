//! The attempts that are under way in this process, and the signals that reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::lock;
use crate::executors::function::{FunctionContext, Progress, StopSignal};
use crate::job::Seq;

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
    /// The engine shuts down and has waited long enough.
    pub(super) hand_back: StopSignal,
    pub(super) task: Mutex<Option<AbortHandle>>,
    pub(super) function: Mutex<Option<FunctionContext>>,
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

    pub(super) fn unregister(&self, seq: Seq) {
        let mut running = lock(&self.running);
        running.remove(&seq);
        if running.is_empty() {
            drop(running);
            self.over.notify_waiters();
        }
    }

    pub(super) fn stop(&self, seq: Seq) {
        let control = lock(&self.running).get(&seq).cloned();
        if let Some(control) = control {
            control.stop.raise();
        }
    }

    pub(super) fn progress(&self, seq: Seq) -> Option<Progress> {
        let control = lock(&self.running).get(&seq).cloned()?;
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

    pub(super) fn hand_back_all(&self) {
        for control in lock(&self.running).values() {
            control.hand_back.raise();
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

//! Slots: how many attempts a queue and a function may have under way, and the jobs that wait for a function.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Runtime, lock};
use crate::job::Seq;

/// Jobs of one queue that may stand aside because their function is busy, before the queue waits for it.
const ASIDE: usize = 4_096;

/// Who holds slots.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    queues: HashMap<Arc<str>, usize>,
    functions: HashMap<String, usize>,
    /// Ready jobs whose function is busy, by queue and function, in the order of the queue.
    aside: HashMap<(Arc<str>, String), VecDeque<Seq>>,
}

impl Slots {
    /// Slots of a queue that are in use.
    pub(super) fn used(&self, queue: &str) -> usize {
        self.queues.get(queue).copied().unwrap_or(0)
    }

    /// Slots that are in use in all queues.
    pub(super) fn all_used(&self) -> usize {
        self.queues.values().sum()
    }

    fn aside_of(&self, queue: &str) -> usize {
        self.aside.iter().filter(|((of, _), _)| &**of == queue).map(|(_, jobs)| jobs.len()).sum()
    }

    /// Whether so many jobs of the queue stand aside that no more are looked at.
    pub(super) fn is_congested(&self, queue: &str) -> bool {
        !self.aside.is_empty() && self.aside_of(queue) >= ASIDE
    }

    /// Puts a job aside until its function has room.
    pub(super) fn put_aside(&mut self, queue: &Arc<str>, function: &str, seq: Seq) {
        self.aside.entry((queue.clone(), function.to_owned())).or_default().push_back(seq);
    }

    /// Takes jobs back whose function has room, at most `most`; `room` says how much a function has.
    pub(super) fn take_back(&mut self, queue: &str, most: usize, room: impl Fn(&Slots, &str) -> usize) -> Vec<Seq> {
        if self.aside.is_empty() {
            return Vec::new();
        }
        let keys: Vec<_> = self.aside.keys().filter(|(of, _)| &**of == queue).cloned().collect();
        let mut taken = Vec::new();
        for key in keys {
            let room = room(self, &key.1).min(most - taken.len());
            let Some(jobs) = self.aside.get_mut(&key) else { continue };
            taken.extend(jobs.drain(..room.min(jobs.len())));
            if jobs.is_empty() {
                self.aside.remove(&key);
            }
        }
        taken
    }

    /// Queues with jobs aside.
    pub(super) fn queues_aside(&self) -> Vec<Arc<str>> {
        self.aside.keys().map(|(queue, _)| queue.clone()).collect()
    }

    pub(super) fn calls(&self, function: &str) -> usize {
        self.functions.get(function).copied().unwrap_or(0)
    }
}

/// One slot of a queue, and of a function where its calls are limited. Given back when dropped.
pub(super) struct Slot {
    runtime: Arc<Runtime>,
    queue: Arc<str>,
    function: Option<String>,
}

impl Slot {
    /// Takes a slot; the caller has seen to it that there is one.
    pub(super) fn take(runtime: &Arc<Runtime>, queue: &Arc<str>, function: Option<&str>) -> Slot {
        let mut slots = lock(&runtime.slots);
        *slots.queues.entry(queue.clone()).or_default() += 1;
        if let Some(function) = function {
            *slots.functions.entry(function.to_owned()).or_default() += 1;
        }
        Slot { runtime: runtime.clone(), queue: queue.clone(), function: function.map(str::to_owned) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = lock(&self.runtime.slots);
        if let Some(used) = slots.queues.get_mut(&self.queue) {
            *used = used.saturating_sub(1);
        }
        if let Some(used) = self.function.as_ref().and_then(|function| slots.functions.get_mut(function)) {
            *used = used.saturating_sub(1);
        }
        drop(slots);
        self.runtime.hub.dispatch.notify_one();
    }
}

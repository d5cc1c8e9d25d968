//! The dispatcher: gives free slots to ready jobs, in the order of their queue.

use std::sync::Arc;

use super::slots::Slot;
use super::{Runtime, attempt, lock};
use crate::error::Error;
use crate::job::{Job, Seq, State, Task};

/// Jobs read from the store at a time.
const BATCH: usize = 256;

/// Attempts under way beyond the slots: those whose work is done and whose end is being written.
pub(super) const FINISHING: usize = 16_384;

pub(super) async fn run(runtime: Arc<Runtime>) {
    loop {
        // Register interest, then look, then wait: a job that becomes ready in between is not missed.
        let work = runtime.hub.dispatch.notified();
        tokio::pin!(work);
        work.as_mut().enable();
        if let Err(error) = dispatch(&runtime).await {
            tracing::error!(%error, "the dispatcher cannot read the store");
        }
        work.await;
    }
}

async fn dispatch(runtime: &Arc<Runtime>) -> Result<(), Error> {
    let mut queues = runtime.store.ready_queues();
    queues.extend(lock(&runtime.slots).queues_aside());
    queues.sort_unstable();
    queues.dedup();
    for queue in queues {
        loop {
            let seqs = next_jobs(runtime, &queue);
            if seqs.is_empty() {
                break;
            }
            launch(runtime, &queue, &seqs)?;
            // Attempts that were just made get their turn before more are.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// The next jobs of a queue that there are slots for.
fn next_jobs(runtime: &Runtime, queue: &Arc<str>) -> Vec<Seq> {
    let mut slots = lock(&runtime.slots);
    let free = runtime.config.slots(queue).saturating_sub(slots.used(queue)).min(BATCH);
    if free == 0 || runtime.hub.attempts.len() >= FINISHING + slots.all_used() {
        return Vec::new();
    }
    let mut seqs = slots.take_back(queue, free, |slots, function| room(runtime, slots, function));
    if !slots.is_congested(queue) {
        seqs.extend(runtime.store.take_ready(queue, free - seqs.len()));
    }
    seqs
}

/// How many more calls of a function there may be.
fn room(runtime: &Runtime, slots: &super::Slots, function: &str) -> usize {
    match runtime.functions.get(function).and_then(|function| function.concurrency) {
        Some(most) => most.saturating_sub(slots.calls(function)),
        None => usize::MAX,
    }
}

fn launch(runtime: &Arc<Runtime>, queue: &Arc<str>, seqs: &[Seq]) -> Result<(), Error> {
    let controls: Vec<_> = seqs.iter().map(|seq| runtime.hub.attempts.register(*seq)).collect();
    let loaded = match runtime.store.load_many(seqs) {
        Ok(loaded) => loaded,
        Err(error) => {
            for seq in seqs {
                runtime.hub.attempts.unregister(*seq);
            }
            return Err(error);
        }
    };
    for ((seq, control), stored) in seqs.iter().zip(controls).zip(loaded) {
        // Without a control the job's last attempt is still being cleaned up after; it is offered again then.
        let Some(control) = control else {
            if let Some(job) = stored.and_then(|stored| runtime.hub.attempts.keep(stored.job)) {
                runtime.store.give_back(&job);
                runtime.hub.dispatch.notify_one();
            }
            continue;
        };
        match stored.filter(|stored| stored.job.status.state == State::Queued) {
            Some(stored) => match limited_function(runtime, queue, &stored.job) {
                Ok(function) => {
                    let slot = Slot::take(runtime, queue, function.as_deref());
                    attempt::spawn(runtime, Box::new(stored), control, slot, attempt::Begin::Claim);
                }
                Err(Busy) => drop_offer(runtime, *seq),
            },
            None => drop_offer(runtime, *seq),
        }
    }
    Ok(())
}

fn drop_offer(runtime: &Runtime, seq: Seq) {
    runtime.hub.attempts.unregister(seq);
}

/// The function has no room; the job stands aside.
struct Busy;

/// The function whose calls are limited, when the job calls one.
fn limited_function(runtime: &Runtime, queue: &Arc<str>, job: &Job) -> Result<Option<String>, Busy> {
    let Task::Function(task) = &job.spec.task else { return Ok(None) };
    if runtime.functions.get(&task.name).is_none_or(|function| function.concurrency.is_none()) {
        return Ok(None);
    }
    let mut slots = lock(&runtime.slots);
    if room(runtime, &slots, &task.name) == 0 {
        slots.put_aside(queue, &task.name, job.seq());
        return Err(Busy);
    }
    Ok(Some(task.name.clone()))
}

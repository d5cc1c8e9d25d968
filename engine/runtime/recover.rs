//! Recovery at open: a normal start. No other owner can exist, since the file is locked, so every attempt that
//! was under way is decided at once or found again.

use std::sync::Arc;

use super::slots::Slot;
use super::{Runtime, attempt};
use crate::error::Error;
use crate::job::{Effect, Event, Job, Outcome, Task, pending_effects};
use crate::store::Stored;

/// Jobs looked at together.
const BATCH: usize = 1_024;

pub(super) async fn run(runtime: &Arc<Runtime>) -> Result<(), Error> {
    let active = runtime.store.active();
    for batch in active.chunks(BATCH) {
        let mut interrupted = Vec::new();
        for mut stored in runtime.store.load_many(batch)?.into_iter().flatten() {
            match stored.job.spec.task {
                _ if stored.job.spec.items.is_some() => find_again(runtime, stored),
                Task::Function(_) => interrupted.push(stored),
                Task::Process(_) | Task::Named(_) => {
                    runtime.count_anew(&mut stored.job).await?;
                    find_again(runtime, stored);
                }
            }
        }
        interrupt(runtime, interrupted).await?;
    }
    Ok(())
}

/// In-process work went away with the last life of the engine.
async fn interrupt(runtime: &Arc<Runtime>, jobs: Vec<Stored>) -> Result<(), Error> {
    let mut changes = tokio::task::JoinSet::new();
    for stored in jobs {
        let runtime = runtime.clone();
        changes.spawn(async move {
            let outcome = if is_to_stop(&stored.job) { Outcome::Stopped } else { Outcome::Interrupted };
            let status = &stored.job.status;
            let ended = Event::Ended { attempt: status.attempt, outcome, roll: runtime.entropy.next_u64() as u32 };
            let now = runtime.clock.now();
            runtime.store.change(&stored.job, &[ended], None, now).await.map(drop)
        });
    }
    while let Some(changed) = changes.join_next().await {
        changed.map_err(|error| Error::Storage(error.to_string()))??;
    }
    Ok(())
}

fn is_to_stop(job: &Job) -> bool {
    pending_effects(job).any(|effect| matches!(effect, Effect::Stop { .. }))
}

/// External work may go on: it is asked for by its name.
fn find_again(runtime: &Arc<Runtime>, stored: Stored) {
    let Some(control) = runtime.hub.attempts.register(stored.job.seq()) else { return };
    if is_to_stop(&stored.job) {
        control.stop.raise();
    }
    let slot = Slot::take(runtime, &stored.job.spec.slots_of().into(), None);
    attempt::spawn(runtime, Box::new(stored), control, slot, attempt::Begin::Recover);
}

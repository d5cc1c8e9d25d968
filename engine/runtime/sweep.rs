//! The sweep of a platform: runs that this engine has started and no job of it owns are stopped and removed. At open, where a
//! crash or a restored backup may have left some, and now and then.

use std::sync::Arc;

use super::Runtime;
use crate::error::Error;
use crate::executors::{Platform, Run};
use crate::job::{Job, State};

/// Pages of one sweep; a platform that has more is broken.
const MOST_PAGES: usize = 10_000;

/// When something may have been left behind, the next sweep comes after as many milliseconds: what is still on its way to the
/// platform has arrived by then.
const SOON_MS: u64 = 10_000;

/// How long a platform that cannot be reached, or that does not remove what it is told to, is left alone: doubling, at most as
/// long as the interval of sweeps, in milliseconds. One that comes back is not to run for long what was given up meanwhile.
const FIRST_PAUSE_MS: u64 = 1_000;
const LAST_PAUSE_MS: u64 = 60_000;

pub(super) async fn run(runtime: Arc<Runtime>, name: String, platform: Arc<dyn Platform>) {
    let interval_ms = runtime.config.platforms.sweep_interval_ms;
    let mut pause_ms = FIRST_PAUSE_MS;
    let mut orphans = runtime.orphans.subscribe();
    loop {
        let (wait_ms, next_ms) = match sweep(&runtime, &name, &*platform).await {
            Ok(0) => (interval_ms, FIRST_PAUSE_MS),
            Ok(left) => {
                tracing::warn!(left, platform = name, "there are orphans that could not be removed");
                (pause_ms, pause_ms.saturating_mul(2))
            }
            Err(error) => {
                tracing::warn!(error, platform = name, "there may be orphans");
                (pause_ms.min(LAST_PAUSE_MS), (pause_ms * 2).min(LAST_PAUSE_MS))
            }
        };
        let wait_ms = wait_ms.min(interval_ms);
        pause_ms = next_ms.min(interval_ms);
        tokio::select! {
            () = runtime.clock.sleep(wait_ms) => {}
            // The sender lives as long as the runtime, which this task holds.
            _ = orphans.changed() => runtime.clock.sleep(SOON_MS.min(wait_ms)).await,
        }
    }
}

/// How many orphans could not be removed.
async fn sweep(runtime: &Runtime, name: &str, platform: &dyn Platform) -> Result<u64, String> {
    let (mut cursor, mut left) = (None, 0_u64);
    for _ in 0..MOST_PAGES {
        let page = platform.owned(cursor).await.map_err(|error| error.to_string())?;
        for run in &page.runs {
            if is_orphan(runtime, name, run).map_err(|error| error.to_string())? && !is_removed(platform, run).await {
                left += 1;
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(left);
        }
    }
    Err(format!("it has more than {MOST_PAGES} pages of runs"))
}

/// The claim of an attempt is on disk before its platform hears of it, so what the store does not know as under way is not.
/// Jobs of other executors are none of this platform's business, whatever it says.
fn is_orphan(runtime: &Runtime, name: &str, run: &Run) -> Result<bool, Error> {
    let Some(stored) = runtime.store.find(run.name.job)? else { return Ok(true) };
    if stored.job.spec.task.executor() != name {
        return Ok(false);
    }
    let under_way = |job: &Job| matches!(job.status.state, State::Running | State::Cancelling);
    Ok(!under_way(&stored.job) || stored.job.status.attempt != run.name.attempt)
}

/// Stops and removes an orphan; whether that went well.
async fn is_removed(platform: &dyn Platform, run: &Run) -> bool {
    tracing::info!(run = %run.name, "a run that no job owns is removed");
    if let Err(error) = platform.stop(run, 0).await {
        tracing::warn!(%error, run = %run.name, "an orphan could not be stopped");
    }
    let removed = platform.remove_orphan(run).await;
    removed.inspect_err(|error| tracing::warn!(%error, run = %run.name, "an orphan could not be removed")).is_ok()
}

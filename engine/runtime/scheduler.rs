//! The scheduler: waits for the next due time and ticks the jobs that are due.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Runtime;
use super::lost::Doubtful;
use crate::error::Error;
use crate::job::{Event, Seq};

/// Jobs ticked at a time: they share a group.
const BATCH: usize = 1_024;

pub(super) async fn run(runtime: Arc<Runtime>) {
    loop {
        // Register interest, then look, then wait.
        let work = runtime.hub.schedule.notified();
        tokio::pin!(work);
        work.as_mut().enable();
        let due = runtime.store.due(runtime.clock.now(), BATCH);
        if !due.is_empty() {
            if let Err(error) = tick_all(&runtime, due).await {
                tracing::error!(%error, "the scheduler cannot write to the store");
                work.await;
            }
            continue;
        }
        match runtime.store.first_tick() {
            None => work.await,
            Some(at) => tokio::select! {
                () = work => {}
                () = runtime.clock.sleep_until(at) => {}
            },
        }
    }
}

async fn tick_all(runtime: &Arc<Runtime>, due: Vec<Seq>) -> Result<(), Error> {
    let mut ticks = JoinSet::new();
    for stored in runtime.store.load_many(&due)?.into_iter().flatten() {
        let runtime = runtime.clone();
        ticks.spawn(async move {
            let doubtful = Doubtful::of(&runtime, &stored.job);
            let now = runtime.clock.now();
            let ticked = runtime.store.change(&stored.job, &[Event::Tick], None, now).await;
            ticked.map(|moved| doubtful.leave_if_over(&moved))
        });
    }
    while let Some(ticked) = ticks.join_next().await {
        ticked.map_err(|error| Error::Storage(error.to_string()))??;
    }
    Ok(())
}

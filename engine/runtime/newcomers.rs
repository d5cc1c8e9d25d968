//! Executors that are registered while the engine runs, and jobs that wait for one: an earlier life had it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attempt::{Begin, detached, note_contact};
use super::{Runtime, lock, sweep};
use crate::error::Error;
use crate::executors::Registered;
use crate::job::{Event, Job, State};

/// Sweeps each platform, and offers jobs again whose executor may have come.
pub(super) async fn run(runtime: Arc<Runtime>) {
    let mut news = runtime.executors.news();
    let mut swept = BTreeSet::new();
    loop {
        for (name, executor) in runtime.executors.all() {
            if let Registered::Platform(platform) = executor
                && swept.insert(name.clone())
            {
                let sweep = tokio::spawn(sweep::run(runtime.clone(), name, platform));
                lock(&runtime.loops).push(sweep);
            }
        }
        if let Err(error) = offer_again(&runtime) {
            tracing::error!(%error, "jobs whose executor was not registered cannot be read");
        }
        // The sender lives as long as the runtime, which this task holds.
        let _ = news.changed().await;
    }
}

fn offer_again(runtime: &Runtime) -> Result<(), Error> {
    let seqs = std::mem::take(&mut *lock(&runtime.unserved));
    for stored in runtime.store.load_many(&seqs)?.into_iter().flatten() {
        if stored.job.status.state == State::Queued {
            runtime.store.give_back(&stored.job);
        }
    }
    runtime.hub.dispatch.notify_one();
    Ok(())
}

/// The executor of a job, which is not registered. A run that an earlier life has begun is out of contact and waits until
/// it is; a job that has not begun is put aside until then.
pub(super) async fn executor_of(
    runtime: &Runtime,
    job: &mut Job,
    begin: Begin,
    name: &str,
) -> Result<Option<Registered>, Error> {
    tracing::warn!(job = %job.id, executor = name, "the executor of a job is not registered");
    if begin == Begin::Recover {
        note_contact(runtime, job, Event::ContactLost { attempt: job.status.attempt }).await?;
        if let Some(stored) = runtime.store.find(job.id)? {
            *job = stored.job;
        }
    }
    let (mut news, mut detach) = (runtime.executors.news(), runtime.detach.subscribe());
    loop {
        {
            // Who offers jobs again takes this lock when the executor is there: one of both is seen.
            let mut unserved = lock(&runtime.unserved);
            if let Some(executor) = runtime.executors.get(name) {
                return Ok(Some(executor));
            }
            if begin == Begin::Claim {
                unserved.push(job.seq());
                return Ok(None);
            }
        }
        tokio::select! {
            // The sender lives as long as the runtime.
            _ = news.changed() => {}
            () = detached(&mut detach) => return Ok(None),
        }
    }
}

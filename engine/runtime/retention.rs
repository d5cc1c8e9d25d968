//! Retention: finished jobs are forgotten by age, count and bytes, oldest first, with everything beside the
//! store that is theirs.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Runtime, function_tree, lock};
use crate::error::Error;
use crate::executors::{AttemptName, Registered, Run};
use crate::job::spec::FUNCTION;
use crate::job::{ChainId, Job, RunHandle, Seq, State};
use crate::store::Finished;

/// Jobs looked at, and forgotten in one operation, at a time.
const BATCH: usize = 1_000;

/// `first_new` is the sequence number of the first job of this life of the engine.
pub(super) async fn run(runtime: Arc<Runtime>, first_new: Seq) {
    if let Err(error) = sweep(&runtime, first_new).await {
        tracing::warn!(%error, "files of forgotten jobs could not be removed");
    }
    if let Err(error) = clean_up(&runtime, first_new).await {
        tracing::warn!(%error, "what is left of attempts that are over could not be removed");
    }
    while runtime.config.retention.is_limited() {
        if let Err(error) = prune(&runtime).await {
            tracing::warn!(%error, "finished jobs could not be forgotten");
        }
        runtime.clock.sleep(runtime.config.retention.interval_ms).await;
    }
}

/// Removes files of jobs that the store does not know: left by a crash in the middle of a submission or of
/// forgetting.
async fn sweep(runtime: &Arc<Runtime>, first_new: Seq) -> Result<(), Error> {
    let runtime = runtime.clone();
    let swept = tokio::task::spawn_blocking(move || {
        let jobs = runtime.layout.jobs_with_files().map_err(|error| Error::io("the store directory", &error))?;
        for seq in jobs {
            // A submission of this life may have written its payload before the store knows it.
            if seq < first_new && !runtime.store.knows(seq)? {
                runtime.layout.remove_job(seq).map_err(|error| Error::io("the files of a job", &error))?;
            }
        }
        Ok(())
    });
    swept.await.map_err(|error| Error::Storage(error.to_string()))?
}

/// Asks executors again to remove what is left of attempts that are over: a crash may have come between the
/// durable end and its removal. What is kept on purpose is asked for in vain. Each executor is asked by itself: one that hangs
/// keeps no other waiting.
async fn clean_up(runtime: &Arc<Runtime>, first_new: Seq) -> Result<(), Error> {
    let layout = runtime.layout.clone();
    let left = tokio::task::spawn_blocking(move || layout.attempts_with_files()).await;
    let left = left.map_err(|error| Error::Storage(error.to_string()))?;
    let mut by_executor: HashMap<String, Vec<Left>> = HashMap::new();
    for (seq, attempt) in left.map_err(|error| Error::io("the work trees", &error))? {
        let Some(job) = runtime.store.load(seq)?.map(|stored| stored.job).filter(|_| seq < first_new) else { continue };
        if job.status.state.is_final() || attempt < job.status.attempt {
            let succeeded = job.status.state == State::Succeeded && attempt == job.status.attempt;
            let name = AttemptName { job: job.id, attempt };
            by_executor.entry(job.spec.task.executor().to_owned()).or_default().push(Left { name, succeeded });
        }
    }
    for (executor, left) in by_executor {
        match runtime.executors.get(&executor) {
            Some(executor) => lock(&runtime.loops).push(tokio::spawn(remove_all(executor, left))),
            None if executor == FUNCTION => {
                for Left { name, succeeded } in left {
                    function_tree::clear(runtime, name, succeeded).await;
                }
            }
            None => {}
        }
    }
    Ok(())
}

/// An attempt that is over and has something left here.
struct Left {
    name: AttemptName,
    succeeded: bool,
}

async fn remove_all(executor: Registered, left: Vec<Left>) {
    for Left { name, succeeded } in left {
        let removed = match &executor {
            Registered::Local(executor) => {
                // One that was given up may have gone on.
                let stopped = executor.stop(name, &RunHandle(Vec::new()), 0).await;
                match stopped {
                    Ok(()) => executor.remove(name, succeeded).await,
                    Err(error) => Err(error),
                }
            }
            Registered::Platform(platform) => platform.remove_left(&Run { name, handle: None }, succeeded).await,
        };
        if let Err(error) = removed {
            tracing::warn!(%error, attempt = %name, "what is left of an attempt could not be removed");
        }
    }
}

/// Forgets what is over the limits now.
pub(super) async fn prune(runtime: &Arc<Runtime>) -> Result<(), Error> {
    let retention = &runtime.config.retention;
    let too_many = retention.max_jobs.map(|most| runtime.store.finished_count().map(|has| has.saturating_sub(most)));
    let mut too_many = too_many.transpose()?.unwrap_or(0);
    let mut too_heavy = match retention.max_bytes {
        Some(most) => total_bytes(runtime).await?.saturating_sub(most),
        None => 0,
    };
    let mut from: Seq = 0;
    let mut live_chains: HashMap<ChainId, bool> = HashMap::new();
    loop {
        let found = runtime.store.finished_from(from, BATCH)?;
        let Some(last) = found.last() else { return Ok(()) };
        from = last.job.seq() + 1;
        let now = runtime.clock.now();
        let too_old = |job: &Job| match (retention.max_age_ms, job.status.finished_at) {
            (Some(most), Some(finished)) => now.millis_since(finished) > most,
            _ => false,
        };
        // Sequence numbers grow with the creation time: when the last of a batch was made within the age
        // limit, none after it can be too old.
        let later_may_be_too_old =
            retention.max_age_ms.is_some_and(|most| now.millis_since(last.job.created_at) > most);
        let mut forget = Vec::new();
        for finished in found {
            let is_due = too_many > 0 || too_heavy > 0 || too_old(&finished.job);
            // What goes on may need what those before it have left.
            let is_needed = match finished.job.chain.filter(|_| is_due) {
                Some(chain) => match live_chains.get(&chain) {
                    Some(is_live) => *is_live,
                    None => *live_chains.entry(chain).or_insert(runtime.store.is_live_chain(chain)?),
                },
                None => false,
            };
            let is_needed = is_needed || (is_due && is_of_live_job(runtime, &finished.job)?);
            if is_due && !is_needed {
                let bytes = if too_heavy > 0 { weight(runtime, &finished) } else { 0 };
                too_many = too_many.saturating_sub(1);
                too_heavy = too_heavy.saturating_sub(bytes);
                forget.push(finished.job);
            }
        }
        forget_jobs(runtime, forget).await?;
        if too_many == 0 && too_heavy == 0 && !later_may_be_too_old {
            return Ok(());
        }
    }
}

/// Whether it is that of an item of a job that is not over: its result belongs to that of the whole.
fn is_of_live_job(runtime: &Runtime, job: &Job) -> Result<bool, Error> {
    let Some(item) = &job.spec.item else { return Ok(false) };
    let of = runtime.store.load(item.job.seq())?;
    Ok(of.is_some_and(|stored| !stored.job.status.state.is_final()))
}

async fn forget_jobs(runtime: &Arc<Runtime>, jobs: Vec<Job>) -> Result<(), Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let (layout, seqs) = (runtime.layout.clone(), jobs.iter().map(Job::seq).collect::<Vec<_>>());
    // Files first: what a crash leaves is a job without files, which is forgotten the next time.
    let removed = tokio::task::spawn_blocking(move || seqs.into_iter().try_for_each(|seq| layout.remove_job(seq)));
    removed
        .await
        .map_err(|error| Error::Storage(error.to_string()))?
        .map_err(|error| Error::io("the files of a job", &error))?;
    runtime.store.forget(jobs).await
}

fn weight(runtime: &Runtime, finished: &Finished) -> u64 {
    finished.record_bytes + runtime.layout.size_of_job(finished.job.seq())
}

async fn total_bytes(runtime: &Arc<Runtime>) -> Result<u64, Error> {
    let runtime = runtime.clone();
    let total = tokio::task::spawn_blocking(move || {
        let (mut from, mut total) = (0, 0);
        loop {
            let found = runtime.store.finished_from(from, BATCH)?;
            let Some(last) = found.last() else { return Ok(total) };
            from = last.job.seq() + 1;
            total += found.iter().map(|finished| weight(&runtime, finished)).sum::<u64>();
        }
    });
    total.await.map_err(|error| Error::Storage(error.to_string()))?
}

//! What a success leaves behind, before it is written down: its output value, its output records, the files that become its
//! project's, and those that are delivered.
//!
//! A crash between the two has the next life do it again, which changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::attempts::Control;
use super::outputs::Collected;
use super::transfer::open_private;
use super::{Runtime, deliver};
use crate::error::{Error, MOST_MESSAGE_BYTES, bounded};
use crate::executors::TransferError;
use crate::files::{FileError, read_value};
use crate::job::{Event, Job, Outcome, Private, State, Step, StopCause};
use crate::store::{Left, Moved};

/// How the attempt ended with that, and what it leaves.
pub(super) type Finalized = (Outcome, Left);

/// Takes what an attempt leaves in its work tree. One that did not succeed leaves nothing, and neither does one that counts
/// no more or is cancelled.
pub(super) async fn finalize(
    runtime: &Arc<Runtime>,
    job: &Job,
    outcome: Outcome,
    work: Option<PathBuf>,
    control: &Control,
) -> Result<Finalized, Error> {
    if outcome != Outcome::Succeeded {
        return Ok((outcome, Left::default()));
    }
    let Some(work) = work else {
        let message = "it is to leave files, and its executor has no work tree; allowed: an executor that has one";
        return Ok(if leaves_files(job) { failed(message.to_owned(), true) } else { (outcome, Left::default()) });
    };
    let value = match value_of(runtime, &work) {
        Ok(value) => value,
        Err(message) => return Ok(failed(message, false)),
    };
    // What is refused is told and no failure: the work is done, and doing it again would leave the same.
    let Collected { outputs, refused } = runtime.collect_outputs(job, &work).await?;
    let left = Left { value, outputs, refused, ..Left::default() };
    if !leaves_files(job) || !begins(runtime, job).await? {
        return Ok((outcome, left));
    }
    Ok(match publish(runtime, job, control, work).await? {
        Ok(()) => (outcome, left),
        Err(Unpublished::Files(error)) => failed(format!("its files could not be published: {error}"), false),
        Err(Unpublished::Delivery(error)) => failed(error.message, error.permanent),
    })
}

fn leaves_files(job: &Job) -> bool {
    !job.spec.writes.is_empty() || !job.spec.deliveries.is_empty()
}

/// Why what an attempt has left appears nowhere.
enum Unpublished {
    Files(FileError),
    Delivery(TransferError),
}

fn failed(message: String, permanent: bool) -> Finalized {
    (Outcome::Error { message: bounded(message, MOST_MESSAGE_BYTES), permanent }, Left::default())
}

/// The output value as JSON.
fn value_of(runtime: &Runtime, work: &std::path::Path) -> Result<Option<Vec<u8>>, String> {
    let value = read_value(work, runtime.config.files.value_bytes).map_err(|error| error.to_string())?;
    value.map(|value| serde_json::to_vec(&value).map_err(|error| error.to_string())).transpose()
}

/// Says that the attempt finalizes; whether it still counts then. Decided on the job as it is now: what the attempt has in
/// hand may not know of a cancel.
async fn begins(runtime: &Runtime, job: &Job) -> Result<bool, Error> {
    let attempt = job.status.attempt;
    let Some(stored) = runtime.store.find(job.id)? else { return Ok(false) };
    let step = Event::Step { attempt, step: Step::Finalizing };
    let moved = runtime.store.change(&stored.job, &[step], None, runtime.clock.now()).await?;
    Ok(match moved {
        Moved::Changed(now) | Moved::Unchanged(now) => counts(&now, attempt),
        Moved::Late(_) | Moved::Illegal(..) => false,
    })
}

/// Whether a success of this attempt makes the job one.
fn counts(job: &Job, attempt: u32) -> bool {
    let late = || matches!(&job.status.stopping, Some(stopping) if matches!(stopping.cause, StopCause::Deadline(_)));
    let under_way = match job.status.state {
        State::Running => true,
        // What succeeds after its deadline has succeeded.
        State::Cancelling => late(),
        _ => false,
    };
    under_way && job.status.attempt == attempt
}

/// Stages everything, looks again whether the attempt counts, and has everything appear.
async fn publish(
    runtime: &Arc<Runtime>,
    job: &Job,
    control: &Control,
    work: PathBuf,
) -> Result<Result<(), Unpublished>, Error> {
    let (files, spec, output) = (runtime.files.clone(), job.spec.clone(), work.join("output"));
    let staging = move || files.stage(&spec.project, &spec.writes, &output);
    let staged = match tokio::task::spawn_blocking(staging).await.map_err(broken)? {
        Ok(staged) => staged,
        Err(error) => return Ok(Err(Unpublished::Files(error))),
    };
    let mut delivered = match deliver(runtime, job, control, &work).await? {
        Some(Ok(delivered)) => delivered,
        Some(Err(error)) => return Ok(Err(Unpublished::Delivery(error))),
        None => return Ok(Ok(())),
    };
    // Copying may have taken a while.
    if !still_counts(runtime, job)? {
        delivered.abort(runtime).await;
        tokio::task::spawn_blocking(move || drop(staged)).await.map_err(broken)?;
        return Ok(Ok(()));
    }
    if let Err(error) = delivered.commit(runtime).await {
        delivered.abort(runtime).await;
        return Ok(Err(Unpublished::Delivery(error)));
    }
    match tokio::task::spawn_blocking(move || staged.publish()).await.map_err(broken)? {
        // It is done by the next life.
        Err(FileError::Closed) => Err(Error::Closed),
        published => Ok(published.map_err(Unpublished::Files)),
    }
}

/// Stages what is to be delivered. `None` when the attempt counts no more meanwhile.
async fn deliver(
    runtime: &Arc<Runtime>,
    job: &Job,
    control: &Control,
    work: &Path,
) -> Result<Option<Result<deliver::Staged, TransferError>>, Error> {
    let Some(stored) = runtime.store.find(job.id)? else { return Ok(None) };
    let private = match &*job.spec.deliveries {
        [] => Private::default(),
        _ => open_private(runtime, &stored)?,
    };
    tokio::select! {
        staged = deliver::stage(runtime, job, &private, work) => Ok(Some(staged)),
        of_no_use = is_cancelled(runtime, job, control) => of_no_use.map(|()| None),
        // The next life delivers.
        () = runtime.handed_back() => Err(Error::Closed),
    }
}

/// Returns when the attempt is stopped in a way that its success makes up for no more.
async fn is_cancelled(runtime: &Runtime, job: &Job, control: &Control) -> Result<(), Error> {
    control.stop.raised().await;
    if still_counts(runtime, job)? { std::future::pending().await } else { Ok(()) }
}

fn still_counts(runtime: &Runtime, job: &Job) -> Result<bool, Error> {
    Ok(runtime.store.find(job.id)?.is_some_and(|stored| counts(&stored.job, job.status.attempt)))
}

fn broken(error: tokio::task::JoinError) -> Error {
    Error::Storage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Deadline, JobId, JobSpec, Stopping, Timestamp, Verdict, apply};

    #[test]
    fn only_an_attempt_whose_success_makes_the_job_one_counts() {
        let now = Timestamp::from_millis(1);
        let id = JobId::new(1, now, 1);
        let spec = JobSpec::process("true", [""; 0]);
        let mut job = Job::accept(id, None, Arc::new(spec), Vec::new(), now);
        assert!(!counts(&job, 0) && !counts(&job, 1), "it has not begun");
        let Ok(Verdict::Changed(running)) = apply(&job, &Event::Claim, now) else { panic!("it is queued") };
        job = running;
        assert!(counts(&job, 1) && !counts(&job, 2));
        let cancel = Event::Cancel { by: "me".into() };
        let Ok(Verdict::Changed(cancelling)) = apply(&job, &cancel, now) else { panic!("it runs") };
        assert!(!counts(&cancelling, 1));
        let late = Stopping { cause: StopCause::Deadline(Deadline::Attempt), since: now };
        let mut overrun = cancelling.clone();
        overrun.status.stopping = Some(late);
        assert!(counts(&overrun, 1));
        let ended = Event::Ended { attempt: 1, outcome: Outcome::Succeeded, roll: 0 };
        let Ok(Verdict::Changed(over)) = apply(&job, &ended, now) else { panic!("it runs") };
        assert!(!counts(&over, 1));
        job.status.attempt = 2;
        assert!(!counts(&job, 1), "an earlier attempt is fenced");
    }
}

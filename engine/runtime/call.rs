//! One call of a function: its panics are outcomes, its stop is asked for and then made.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use super::attempts::Control;
use super::finalize::Finalized;
use super::{Runtime, lock};
use crate::error::{MOST_MESSAGE_BYTES, bounded};
use crate::executors::function::{FunctionContext, FunctionError, FunctionLog, Inner, Input};
use crate::executors::{AttemptName, catch};
use crate::job::{Job, Outcome, RunOptions};
use crate::store::Left;

/// Calls the function, in a work tree where it has one; how that ended and what it returned.
pub(super) async fn call(
    runtime: &Arc<Runtime>,
    control: &Control,
    job: &Job,
    name: &str,
    options: RunOptions,
    input: Input,
    work: Option<PathBuf>,
) -> Finalized {
    let Some(function) = runtime.functions.get(name) else {
        let message = format!("no function is registered as \"{name}\"");
        return (Outcome::NotStarted { message, permanent: false }, Left::default());
    };
    // A cancel that came before the start: it never starts.
    if control.stop.is_raised() {
        return (Outcome::Stopped, Left::default());
    }
    let context = context(runtime, control, job, options, work);
    *lock(&control.function) = Some(context.clone());
    let outputs = context.outputs();
    let ended = tokio::select! {
        biased;
        ended = catch(move || function.call(context, input)) => ended,
        () = stopped(runtime, control, job.spec.stop_grace_ms) => return (Outcome::Stopped, Left::default()),
        () = runtime.handed_back() => return (Outcome::HandedBack, Left::default()),
    };
    let (outcome, value) = outcome_of(runtime, ended);
    (outcome, Left { value, outputs: std::mem::take(&mut *lock(&outputs)), ..Left::default() })
}

fn context(
    runtime: &Arc<Runtime>,
    control: &Control,
    job: &Job,
    options: RunOptions,
    work: Option<PathBuf>,
) -> FunctionContext {
    let attempt = job.status.attempt;
    FunctionContext::new(Inner {
        name: AttemptName { job: job.id, attempt },
        options,
        work,
        job_id: OnceLock::new(),
        stop: control.stop.clone(),
        clock: runtime.clock.clone(),
        progress: Mutex::new(None),
        reporter: runtime.clone(),
        log: Mutex::new(FunctionLog::default()),
        project: job.spec.project.clone(),
        outputs: Arc::default(),
        output_limits: runtime.config.output_limits.clone(),
    })
}

/// Returns when the attempt was asked to stop and the grace time is over.
async fn stopped(runtime: &Runtime, control: &Control, grace_ms: u64) {
    control.stop.raised().await;
    runtime.clock.sleep(grace_ms).await;
}

type Ended = Result<Result<Vec<u8>, FunctionError>, String>;

fn outcome_of(runtime: &Runtime, ended: Ended) -> (Outcome, Option<Vec<u8>>) {
    match ended {
        Ok(Ok(output)) if output.len() > runtime.config.output_bytes => {
            let (has, most) = (output.len(), runtime.config.output_bytes);
            let message = format!("the output has {has} bytes; allowed: at most {most}");
            (Outcome::Error { message, permanent: true }, None)
        }
        Ok(Ok(output)) => (Outcome::Succeeded, Some(output).filter(|output| output != b"null")),
        Ok(Err(error)) => {
            let (message, permanent) = error.into_parts();
            (Outcome::Error { message: bounded(message, MOST_MESSAGE_BYTES), permanent }, None)
        }
        Err(message) => (Outcome::Panicked { message }, None),
    }
}

//! One attempt, read top to bottom: claim → open options → start → observe → finalize → finish → clean up.

use std::sync::Arc;

use tokio::sync::watch;

use super::attempts::Control;
use super::call::call;
use super::fetch::bring;
use super::finalize::{Finalized, finalize};
use super::function_tree;
use super::slots::Slot;
use super::transfer::open_private;
use super::{Runtime, external, items, lock, newcomers};
use crate::error::Error;
use crate::executors::function::Input;
use crate::executors::{AttemptName, AttemptOrder, Executor, JobFiles, Registered, StartError};
use crate::files::{read_payload, write_payload};
use crate::job::options::JOB_ID;
use crate::job::{
    Deadline, Effect, Event, Job, OnCrash, Outcome, Private, RunHandle, RunOptions, State, Step, Task, Timestamp,
    deadline_at, pending_effects,
};
use crate::store::{Left, Moved, Stored};

/// How long the engine waits before it asks an unreachable platform again: doubling, in milliseconds.
const FIRST_ASK_AGAIN_MS: u64 = 5;
const LAST_ASK_AGAIN_MS: u64 = 2_000;

/// How long a run lasts before the store is told that it executes, in milliseconds.
const SHOWN_AFTER_MS: u64 = 50;

/// Where an attempt begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At the claim of a queued job.
    Claim,
    /// At an attempt that an earlier life of the engine has begun.
    Recover,
}

/// Runs the attempt in a task of its own.
pub(super) fn spawn(runtime: &Arc<Runtime>, stored: Box<Stored>, control: Arc<Control>, slot: Slot, begin: Begin) {
    let handle = {
        let (runtime, control) = (runtime.clone(), control.clone());
        tokio::spawn(async move {
            let id = stored.job.id;
            tokio::select! {
                ran = run(&runtime, stored, &control, slot, begin) => if let Err(error) = ran {
                    tracing::error!(%error, job = %id, "an attempt is left as it is");
                },
                () = control.given_up.raised() => {
                    tracing::warn!(job = %id, "an attempt that is out of contact is given up");
                    runtime.orphans.send_replace(());
                }
            }
            let (left, again) = runtime.hub.attempts.unregister(id.seq());
            if let Some(job) = &again {
                runtime.store.give_back(job);
            }
            // The dispatcher may have stopped because too many ends were being written.
            if again.is_some() || left + 1 >= super::dispatcher::FINISHING {
                runtime.hub.dispatch.notify_one();
            }
        })
    };
    *lock(&control.task) = Some(handle.abort_handle());
}

async fn run(
    runtime: &Arc<Runtime>,
    stored: Box<Stored>,
    control: &Arc<Control>,
    slot: Slot,
    begin: Begin,
) -> Result<(), Error> {
    if stored.job.spec.items.is_some() {
        let supervised = Box::pin(items::run(runtime, stored, control, begin)).await;
        drop(slot);
        return supervised;
    }
    match &stored.job.spec.clone().task {
        Task::Function(task) => in_process(runtime, stored, control, slot, &task.name).await,
        // Boxed, so that the many small attempts of functions do not carry the space of this one.
        task => Box::pin(elsewhere(runtime, stored, control, slot, begin, task.executor())).await,
    }
}

async fn in_process(
    runtime: &Arc<Runtime>,
    mut stored: Box<Stored>,
    control: &Control,
    slot: Slot,
    function: &str,
) -> Result<(), Error> {
    let Some(job) = claim_in_process(runtime, &stored.job).await? else { return Ok(()) };
    stored.job = job;
    let opened = open_private(runtime, &stored);
    let input = input_of(runtime, &stored.job, stored.large_input.is_some());
    let (outcome, left) = match (opened, input) {
        (Ok(private), Ok(input)) => match function_tree::files_of(runtime, &stored.job, &private) {
            None => call(runtime, control, &stored.job, function, private.options, input, None).await,
            Some(files) => {
                Box::pin(call_in_tree(runtime, control, &stored.job, function, private, input, &files)).await?
            }
        },
        (Err(error), _) | (_, Err(error)) => (not_started(&error), Left::default()),
    };
    // The work is done: the next job need not wait for the disk.
    drop(slot);
    finish(runtime, &stored.job, outcome, left).await.map(drop)
}

/// Calls a function that has a work tree, and takes what it leaves there.
async fn call_in_tree(
    runtime: &Arc<Runtime>,
    control: &Control,
    job: &Job,
    function: &str,
    private: Private,
    input: Input,
    files: &JobFiles,
) -> Result<Finalized, Error> {
    let brought = tokio::select! {
        brought = bring(runtime, job, &private, control) => brought,
        () = runtime.handed_back() => return Ok((Outcome::HandedBack, Left::default())),
    };
    if let Err(outcome) = brought {
        function_tree::clear(runtime, name_of(job), false).await;
        return Ok((outcome, Left::default()));
    }
    let work = match function_tree::make(runtime, job, files).await {
        Ok(work) => work,
        Err(StartError { message, permanent }) => {
            return Ok((Outcome::NotStarted { message, permanent }, Left::default()));
        }
    };
    let told = files.told(&format!("{}/", work.display()));
    let (outcome, returned) =
        call(runtime, control, job, function, private.options.overlaid(told), input, Some(work.clone())).await;
    let (outcome, mut left) = finalize(runtime, job, outcome, Some(work), control).await?;
    function_tree::clear(runtime, name_of(job), outcome == Outcome::Succeeded).await;
    left.value = returned.value.or(left.value);
    left.outputs.splice(..0, returned.outputs);
    Ok((outcome, left))
}

async fn elsewhere(
    runtime: &Arc<Runtime>,
    mut stored: Box<Stored>,
    control: &Control,
    slot: Slot,
    begin: Begin,
    executor: &str,
) -> Result<(), Error> {
    let (registered, slot) = match runtime.executors.get(executor) {
        Some(registered) => (Some(registered), slot),
        None => {
            // It holds up nobody meanwhile.
            drop(slot);
            let registered = newcomers::executor_of(runtime, &mut stored.job, begin, executor).await?;
            (registered, Slot::take(runtime, &stored.job.spec.queue.as_str().into(), None))
        }
    };
    match registered {
        Some(Registered::Local(local)) => supervised(runtime, stored, control, slot, begin, &*local).await,
        Some(Registered::Platform(platform)) => {
            external::run(runtime, stored, control, slot, begin, executor, platform).await
        }
        None => Ok(()),
    }
}

/// In-process work dies with the engine, so the claim of an at-least-once job need not be on disk before it
/// begins: it rides in the next group. At-most-once jobs, jobs that have met a crash, and those that leave files behind wait
/// for the disk.
async fn claim_in_process(runtime: &Runtime, job: &Job) -> Result<Option<Job>, Error> {
    let attempt = job.status.attempt + 1;
    let events = [Event::Claim, Event::Step { attempt, step: Step::Executing }];
    let now = runtime.clock.now();
    let leaves_files = !job.spec.writes.is_empty() || !job.spec.deliveries.is_empty();
    if job.spec.on_crash == OnCrash::Rerun && job.status.interruptions == 0 && !leaves_files {
        return runtime.store.change_lazily(job, &events, now);
    }
    Ok(claimed(runtime.store.change(job, &events, None, now).await?))
}

/// The job when the claim went through. A job that was cancelled or timed out meanwhile is left alone.
pub(super) fn claimed(moved: Moved) -> Option<Job> {
    match moved {
        Moved::Changed(job) => Some(job),
        Moved::Unchanged(_) | Moved::Late(_) | Moved::Illegal(..) => None,
    }
}

fn input_of(runtime: &Runtime, job: &Job, large: bool) -> Result<Input, Error> {
    if !large {
        return Ok(Input::InSpec(job.spec.clone()));
    }
    let path = runtime.layout.input(job.seq());
    read_payload(&path).map(Input::Large).map_err(|error| Error::io(path.display(), &error))
}

/// Request and config options were merged when the job was accepted; the system's own win over both.
fn with_system_options(job: &Job, options: RunOptions) -> RunOptions {
    let system = [(JOB_ID, job.id.to_string())].into_iter().collect();
    options.overlaid(system)
}

pub(super) fn not_started(error: &Error) -> Outcome {
    Outcome::NotStarted { message: error.to_string(), permanent: matches!(error, Error::Invalid(_)) }
}

async fn supervised(
    runtime: &Arc<Runtime>,
    mut stored: Box<Stored>,
    control: &Control,
    slot: Slot,
    begin: Begin,
    executor: &dyn Executor,
) -> Result<(), Error> {
    let found = match begin {
        Begin::Claim => {
            // Intent before effect: the attempt and so its name are on disk before the executor hears of it.
            let now = runtime.clock.now();
            let moved = runtime.store.change(&stored.job, &[Event::Claim], None, now).await?;
            let Some(job) = claimed(moved) else { return Ok(()) };
            stored.job = job;
            None
        }
        Begin::Recover => {
            let (job, mut pause) = (&stored.job, Pause::new(runtime));
            match find_again(runtime, job, executor, job.status.lost_since.is_some(), &mut pause).await? {
                Found::Detached => return Ok(()),
                Found::Run(handle) => Some(handle),
                Found::Nothing => None,
            }
        }
    };
    let outcome = match found {
        Some(handle) => observe(runtime, &mut stored.job, control, executor, &handle).await?,
        None => match start(runtime, &mut stored, control, executor).await? {
            Started::Run(handle) => observe(runtime, &mut stored.job, control, executor, &handle).await?,
            Started::Over(outcome) => Some(outcome),
            Started::Detached => None,
        },
    };
    // Without an outcome the engine shuts down and the run goes on; the next life finds it again.
    let Some(outcome) = outcome else { return Ok(()) };
    let name = name_of(&stored.job);
    drop(slot);
    let (outcome, left) = finalize(runtime, &stored.job, outcome, executor.work(name), control).await?;
    let job = finish(runtime, &stored.job, outcome, left).await?;
    let succeeded = job.status.state == State::Succeeded;
    if let Err(error) = executor.remove(name, succeeded).await {
        tracing::warn!(%error, job = %job.id, "what is left of an attempt could not be removed");
    }
    Ok(())
}

pub(super) fn name_of(job: &Job) -> AttemptName {
    AttemptName { job: job.id, attempt: job.status.attempt }
}

/// What an executor is told of an attempt.
pub(super) fn order_of(runtime: &Runtime, job: &Job, private: &Private) -> AttemptOrder {
    let deadlines = [Deadline::Attempt, Deadline::Total].map(|deadline| deadline_at(job, deadline));
    AttemptOrder {
        name: name_of(job),
        job_name: job.spec.name.clone(),
        chain: job.chain,
        task: job.spec.task.clone(),
        options: with_system_options(job, private.options.clone()),
        stop_grace_ms: job.spec.stop_grace_ms,
        deadline: deadlines.into_iter().flatten().min(),
        files: JobFiles::new(job, private, &runtime.layout, &runtime.files),
    }
}

/// What became of the start of an attempt.
enum Started {
    Run(RunHandle),
    Over(Outcome),
    /// The engine leaves it to its next life.
    Detached,
}

/// Starts the attempt, or says how it ended without a start.
async fn start(
    runtime: &Arc<Runtime>,
    stored: &mut Stored,
    control: &Control,
    executor: &dyn Executor,
) -> Result<Started, Error> {
    let job = &stored.job;
    match pending_effects(job).next() {
        Some(Effect::Start { .. }) if !control.stop.is_raised() => {}
        // It was started in an earlier life and its platform does not know it any more.
        Some(Effect::Observe { .. }) => return Ok(Started::Over(Outcome::Interrupted)),
        _ => return Ok(Started::Over(Outcome::Stopped)),
    }
    let private = match open_private(runtime, stored) {
        Ok(private) => private,
        Err(error) => return Ok(Started::Over(not_started(&error))),
    };
    let mut detach = runtime.detach.subscribe();
    let brought = tokio::select! {
        brought = bring(runtime, job, &private, control) => brought,
        () = detached(&mut detach) => return Ok(Started::Detached),
    };
    if let Err(outcome) = brought {
        return Ok(Started::Over(outcome));
    }
    let order = order_of(runtime, job, &private);
    let handle = match executor.start(&order).await {
        Ok(handle) => handle,
        Err(error) => {
            return Ok(Started::Over(Outcome::NotStarted { message: error.message, permanent: error.permanent }));
        }
    };
    if !handle.0.is_empty() {
        let attempt = order.name.attempt;
        let checkpoint = Event::Checkpoint { attempt, handle: handle.clone() };
        let step = Event::Step { attempt, step: Step::Executing };
        let moved = runtime.store.change(job, &[checkpoint, step], None, runtime.clock.now()).await?;
        if let Moved::Changed(job) = moved {
            stored.job = job;
        }
    }
    Ok(Started::Run(handle))
}

/// What became of an attempt that an earlier life of the engine has begun.
enum Found {
    Run(RunHandle),
    Nothing,
    Detached,
}

/// Asks until the executor can be reached.
async fn find_again(
    runtime: &Runtime,
    job: &Job,
    executor: &dyn Executor,
    was_lost: bool,
    pause: &mut Pause,
) -> Result<Found, Error> {
    let mut lost = was_lost;
    loop {
        match executor.find(name_of(job), job.status.handle.as_ref()).await {
            Ok(found) => {
                if lost {
                    note_contact(runtime, job, Event::ContactFound { attempt: job.status.attempt }).await?;
                }
                return Ok(found.map_or(Found::Nothing, Found::Run));
            }
            Err(error) => lose_contact(runtime, job, &error).await?,
        }
        lost = true;
        if pause.is_detached(runtime).await {
            return Ok(Found::Detached);
        }
    }
}

/// How long the engine waits before it asks again.
struct Pause {
    millis: u64,
    /// When contact was last looked for.
    since: Timestamp,
}

impl Pause {
    fn new(runtime: &Runtime) -> Self {
        Pause { millis: FIRST_ASK_AGAIN_MS, since: runtime.clock.now() }
    }

    /// Waits, longer each time unless contact has held for a while. Whether the engine detaches meanwhile.
    async fn is_detached(&mut self, runtime: &Runtime) -> bool {
        if runtime.clock.now().millis_since(self.since) > 2 * LAST_ASK_AGAIN_MS {
            self.millis = FIRST_ASK_AGAIN_MS;
        }
        let mut detach = runtime.detach.subscribe();
        tokio::select! {
            () = runtime.clock.sleep(self.millis) => {}
            () = detached(&mut detach) => return true,
        }
        self.millis = (self.millis * 2).min(LAST_ASK_AGAIN_MS);
        self.since = runtime.clock.now();
        false
    }
}

async fn lose_contact(runtime: &Runtime, job: &Job, error: &crate::executors::ContactError) -> Result<(), Error> {
    tracing::warn!(%error, job = %job.id, "the executor of an attempt cannot be reached");
    note_contact(runtime, job, Event::ContactLost { attempt: job.status.attempt }).await
}

/// Decided on the job as it is now: what the attempt has in hand may not know of the last loss.
pub(super) async fn note_contact(runtime: &Runtime, job: &Job, contact: Event) -> Result<(), Error> {
    let Some(stored) = runtime.store.find(job.id)? else { return Ok(()) };
    runtime.store.change(&stored.job, &[contact], None, runtime.clock.now()).await.map(drop)
}

/// Returns when external attempts are to be left to the next life of the engine.
pub(super) async fn detached(detach: &mut watch::Receiver<bool>) {
    // The sender lives as long as the runtime, which this task holds.
    let _ = detach.wait_for(|detach| *detach).await;
}

/// A run that is found by its name alone and has lasted for a while: worth a write to say that it executes.
async fn show_executing(runtime: &Runtime, job: &mut Job) -> Result<(), Error> {
    let step = Event::Step { attempt: job.status.attempt, step: Step::Executing };
    if let Moved::Changed(now) = runtime.store.change(job, &[step], None, runtime.clock.now()).await? {
        *job = now;
    }
    Ok(())
}

/// Waits for the end of the attempt, passing on a stop. `None` when the engine detaches from it.
async fn observe(
    runtime: &Runtime,
    job: &mut Job,
    control: &Control,
    executor: &dyn Executor,
    handle: &RunHandle,
) -> Result<Option<Outcome>, Error> {
    let (name, grace_ms) = (name_of(job), job.spec.stop_grace_ms);
    let shown = runtime.clock.sleep(SHOWN_AFTER_MS);
    tokio::pin!(shown);
    let mut is_shown = job.status.step != Some(Step::Preparing);
    let mut detach = runtime.detach.subscribe();
    let mut stop_told = false;
    let mut pause = Pause::new(runtime);
    loop {
        let wait = executor.wait(name, handle);
        tokio::pin!(wait);
        let ended = loop {
            tokio::select! {
                ended = &mut wait => break ended,
                () = detached(&mut detach) => return Ok(None),
                () = &mut shown, if !is_shown => {
                    is_shown = true;
                    show_executing(runtime, job).await?;
                }
                () = control.stop.raised(), if !stop_told => {
                    stop_told = match executor.stop(name, handle, grace_ms).await {
                        Ok(()) => true,
                        Err(error) => break Err(error),
                    };
                }
            }
        };
        match ended {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(error) => lose_contact(runtime, job, &error).await?,
        }
        if pause.is_detached(runtime).await {
            return Ok(None);
        }
        match find_again(runtime, job, executor, true, &mut pause).await? {
            Found::Run(_) => {}
            Found::Nothing => return Ok(Some(Outcome::Interrupted)),
            Found::Detached => return Ok(None),
        }
    }
}

/// Writes how the attempt ended; the core decides what that makes of the job. The job as it is then.
pub(super) async fn finish(runtime: &Runtime, job: &Job, outcome: Outcome, mut left: Left) -> Result<Job, Error> {
    let attempt = job.status.attempt;
    left.value = left.value.map(|value| store_output(runtime, job, value)).transpose()?;
    left.most = runtime.config.output_limits.records;
    let roll = runtime.entropy.next_u64() as u32;
    let ended = Event::Ended { attempt, outcome, roll };
    let now = runtime.clock.now();
    Ok(match runtime.store.change(job, &[ended], Some(&left), now).await? {
        Moved::Changed(job) | Moved::Unchanged(job) | Moved::Late(job) | Moved::Illegal(_, job) => job,
    })
}

/// A small output goes into the store, a large one into a file beside it first.
fn store_output(runtime: &Runtime, job: &Job, output: Vec<u8>) -> Result<Vec<u8>, Error> {
    if output.len() <= runtime.config.inline_payload_bytes {
        return Ok(output);
    }
    let path = runtime.layout.output(job.seq());
    write_payload(&path, &output).map_err(|error| Error::io(path.display(), &error))?;
    Ok(Vec::new())
}

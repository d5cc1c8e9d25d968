//! The state machine: a pure, total function from (job, event, time) to what follows.
//!
//! [`TABLE`] lists every change of state there is; the diagram in `engine/architecture.md` is made from it
//! and the property tests hold [`apply`] to it.

use super::after::{End, Unmet};
use super::effect::deadline_at;
use super::event::{Event, EventKind};
use super::id::JobId;
use super::outcome::{Deadline, Outcome, OutcomeKind, Reason};
use super::retry::Decision;
use super::spec::OnCrash;
use super::status::{Job, State, Status, Step, StopCause, Stopping};
use super::time::Timestamp;

/// What [`apply`] says to a legal event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a change is the common case and is moved out at once; a box would cost an allocation each"
)]
pub enum Verdict {
    /// The job as it is from now on, one revision further.
    Changed(Job),
    /// Accepted; there is nothing to change (a second cancel, a tick that came early).
    Unchanged,
    /// From an attempt that no longer counts: changes nothing. Of these only an [`Event::Ended`] is recorded.
    Late,
}

/// An event that cannot happen to a job in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a job that is {state}")]
pub struct Illegal {
    /// The state of the job.
    pub state: State,
    /// The event.
    pub event: EventKind,
}

use EventKind as On;
use State::{Cancelled, Cancelling, Failed, Queued, Running, Succeeded, TimedOut, Waiting};

/// Every change of state: from, on which event, to which states. What is not listed does not happen.
pub const TABLE: &[(State, EventKind, &[State])] = &[
    (Waiting, On::ItemsAdded, &[Waiting]),
    (Waiting, On::ItemsClosed, &[Waiting, Queued]),
    (Waiting, On::Release, &[Waiting, Queued]),
    (Waiting, On::Predecessor, &[Waiting, Queued, Failed, Cancelled]),
    (Waiting, On::Tick, &[Waiting, Queued, TimedOut]),
    (Waiting, On::Cancel, &[Cancelled]),
    (Queued, On::Claim, &[Running]),
    (Queued, On::Tick, &[TimedOut]),
    (Queued, On::Cancel, &[Cancelled]),
    (Running, On::Step, &[Running]),
    (Running, On::Checkpoint, &[Running]),
    (Running, On::ItemsAdded, &[Running]),
    (Running, On::ItemBegan, &[Running]),
    (Running, On::ItemEnded, &[Running]),
    (Running, On::ContactLost, &[Running]),
    (Running, On::ContactFound, &[Running]),
    (Running, On::Tick, &[Cancelling, Queued, Failed]),
    (Running, On::Cancel, &[Cancelling]),
    (Running, On::Ended, &[Succeeded, Failed, Waiting, Queued]),
    (Running, On::GiveUp, &[Failed, Queued]),
    (Cancelling, On::Checkpoint, &[Cancelling]),
    (Cancelling, On::ItemEnded, &[Cancelling]),
    (Cancelling, On::ContactLost, &[Cancelling]),
    (Cancelling, On::ContactFound, &[Cancelling]),
    (Cancelling, On::Tick, &[Cancelled, TimedOut, Waiting, Queued]),
    (Cancelling, On::Cancel, &[Cancelling]),
    (Cancelling, On::Ended, &[Succeeded, Cancelled, TimedOut, Waiting, Queued]),
    (Cancelling, On::GiveUp, &[Cancelled, TimedOut, Waiting, Queued]),
];

/// Spreads consecutive numbers over all of 32 bits.
const SPREAD: u32 = 0x9E37_79B1;

/// Decides what `event` at time `now` makes of `job`.
///
/// # Errors
/// [`Illegal`] when the event cannot happen to a job in this state.
pub fn apply(job: &Job, event: &Event, now: Timestamp) -> Result<Verdict, Illegal> {
    if let Some(attempt) = event.attempt() {
        // Attempts are counted from 1: none reports before the first began.
        if attempt == 0 || attempt > job.status.attempt {
            return Err(illegal(job, event));
        }
        if attempt < job.status.attempt || !has_attempt(job) {
            return Ok(Verdict::Late);
        }
    }
    let next = match event {
        Event::Ended { outcome, roll, .. } => Some(ended(job, outcome, *roll, now)),
        Event::GiveUp { by, .. } => {
            if job.status.lost_since.is_none() {
                return Err(illegal(job, event));
            }
            Some(given_up(job, Reason::GivenUpBy(by.clone()), now))
        }
        _ if job.status.state.is_final() => at_the_end(job, event)?,
        Event::Cancel { by } => cancel(job, by, now),
        Event::Tick => tick(job, now),
        Event::Claim => Some(claim(job, now).ok_or_else(|| illegal(job, event))?),
        Event::Predecessor { id, end } => predecessor(job, *id, *end, now),
        Event::Release | Event::ItemsClosed => unblock(job, event, now),
        Event::ItemsAdded(_) | Event::ItemBegan { .. } | Event::ItemEnded { .. } => items(job, event)?,
        Event::Step { step, .. } => reach(job, *step),
        Event::Checkpoint { .. } | Event::ContactLost { .. } | Event::ContactFound { .. } => observe(job, event, now),
    };
    Ok(match next {
        None => Verdict::Unchanged,
        Some(status) => {
            let status = Status { rev: job.status.rev + 1, ..status };
            Verdict::Changed(Job { status, ..job.clone() })
        }
    })
}

fn illegal(job: &Job, event: &Event) -> Illegal {
    Illegal { state: job.status.state, event: event.kind() }
}

fn has_attempt(job: &Job) -> bool {
    matches!(job.status.state, Running | Cancelling)
}

/// Final is final: what may still arrive changes nothing, what may not is illegal.
fn at_the_end(job: &Job, event: &Event) -> Result<Option<Status>, Illegal> {
    match event {
        Event::Cancel { .. } | Event::Tick | Event::Predecessor { .. } => Ok(None),
        _ => Err(illegal(job, event)),
    }
}

fn cancel(job: &Job, by: &str, now: Timestamp) -> Option<Status> {
    let reason = Reason::CancelledBy(by.to_owned());
    let status = &job.status;
    match (status.state, &status.stopping) {
        (Cancelling, Some(Stopping { cause: StopCause::Cancel { .. }, .. })) => None,
        (Running | Cancelling, stopping) => {
            let since = stopping.as_ref().map_or(now, |stopping| stopping.since);
            Some(stop(status, StopCause::Cancel { by: by.to_owned() }, reason, since))
        }
        _ => Some(finish(status, Cancelled, Some(reason), now)),
    }
}

fn stop(status: &Status, cause: StopCause, reason: Reason, since: Timestamp) -> Status {
    Status {
        state: Cancelling,
        step: None,
        stopping: Some(Stopping { cause, since }),
        reason: Some(reason),
        ..status.clone()
    }
}

fn tick(job: &Job, now: Timestamp) -> Option<Status> {
    let status = &job.status;
    let passed = |deadline| deadline_at(job, deadline).is_some_and(|at| at <= now);
    let timed_out = |deadline| Some(finish(status, TimedOut, Some(Reason::Deadline(deadline)), now));
    let overrun = |deadline| Some(stop(status, StopCause::Deadline(deadline), Reason::Deadline(deadline), now));
    match status.state {
        Waiting | Queued if passed(Deadline::Total) => timed_out(Deadline::Total),
        Queued if passed(Deadline::Queue) => timed_out(Deadline::Queue),
        Running if passed(Deadline::Total) => overrun(Deadline::Total),
        Running if passed(Deadline::Attempt) => overrun(Deadline::Attempt),
        Running | Cancelling if passed(Deadline::Lost) => Some(given_up(job, Reason::Deadline(Deadline::Lost), now)),
        Waiting if status.waits.until.is_some_and(|until| until <= now) => {
            let mut next = status.clone();
            next.waits.until = None;
            Some(queue_if_ready(next, now))
        }
        _ => None,
    }
}

fn claim(job: &Job, now: Timestamp) -> Option<Status> {
    let status = &job.status;
    // A deadline that has passed is not overtaken by a free slot: after an outage both are there at once.
    let free = status.state == Queued && tick(job, now).is_none();
    free.then(|| Status {
        state: Running,
        step: Some(Step::Preparing),
        attempt: status.attempt + 1,
        started_at: status.started_at.or(Some(now)),
        attempt_started_at: Some(now),
        reason: None,
        ..status.clone()
    })
}

/// A job that waits for another one hears that it ended. In a chain a failure ends the successors as failed, a cancel
/// ends them with the same word, and both name the job that was the cause; a job with a condition is skipped when the
/// condition does not hold, but not before all that it comes after are over.
fn predecessor(job: &Job, id: JobId, end: End, now: Timestamp) -> Option<Status> {
    let status = &job.status;
    let at = status.waits.after.iter().position(|before| before.seq == id.seq());
    let (Waiting, Some(at)) = (status.state, at) else { return None };
    let mut next = status.clone();
    let on = next.waits.after.remove(at).on;
    let unmet = Unmet { job: id, on: on.unwrap_or_default(), end };
    match (on, end) {
        (None, End::Failed | End::TimedOut | End::Cancelled) => {
            let word = if end == End::Cancelled { Cancelled } else { Failed };
            return Some(finish(&next, word, Some(Reason::PreviousJob(id, end.state())), now));
        }
        (None, End::Skipped) => return Some(finish(&next, Cancelled, Some(unmet.reason()), now)),
        (Some(on), end) if !on.holds(end) => next.waits.unmet = Some(unmet.first(next.waits.unmet)),
        _ => {}
    }
    match next.waits.unmet {
        Some(unmet) if next.waits.after.is_empty() => Some(finish(&next, Cancelled, Some(unmet.reason()), now)),
        _ => Some(queue_if_ready(next, now)),
    }
}

fn unblock(job: &Job, event: &Event, now: Timestamp) -> Option<Status> {
    let mut next = job.status.clone();
    let wait = match event {
        Event::Release => &mut next.waits.held,
        _ => &mut next.waits.items_open,
    };
    let was_waited_for = std::mem::take(wait);
    // Until it is released the job of an item ends with the job whose item it is.
    if *event == Event::Release && job.spec.item.is_some() {
        next.waits.after.clear();
    }
    was_waited_for.then(|| queue_if_ready(next, now))
}

fn queue_if_ready(mut status: Status, now: Timestamp) -> Status {
    if status.waits.is_over() {
        status.state = Queued;
        status.ready_at = now;
        status.waits.retry = false;
    }
    status
}

fn items(job: &Job, event: &Event) -> Result<Option<Status>, Illegal> {
    let status = &job.status;
    let counts = match (event, status.state) {
        (Event::ItemsAdded(count), Waiting) if status.waits.items_open => status.items.add(*count),
        (Event::ItemsAdded(count), Running) => status.items.add(*count),
        (Event::ItemBegan { .. }, Running) => status.items.begin(),
        // An attempt that is being stopped has no items to begin.
        (Event::ItemBegan { .. }, Cancelling) => Some(status.items),
        (Event::ItemEnded { succeeded, .. }, Running | Cancelling) => status.items.end(*succeeded),
        _ => None,
    };
    let items = counts.ok_or_else(|| illegal(job, event))?;
    Ok((items != status.items).then(|| Status { items, ..status.clone() }))
}

fn reach(job: &Job, step: Step) -> Option<Status> {
    let status = &job.status;
    // An attempt that is being stopped has no steps to go.
    let further = status.state == Running && status.step < Some(step);
    further.then(|| Status { step: Some(step), ..status.clone() })
}

fn observe(job: &Job, event: &Event, now: Timestamp) -> Option<Status> {
    let status = &job.status;
    let mut next = status.clone();
    match event {
        Event::Checkpoint { handle, .. } => next.handle = Some(handle.clone()),
        Event::ContactLost { .. } => next.lost_since = next.lost_since.or(Some(now)),
        _ => next.lost_since = None,
    }
    (next != *status).then_some(next)
}

fn ended(job: &Job, outcome: &Outcome, roll: u32, now: Timestamp) -> Status {
    let status = &job.status;
    let cause = status.stopping.as_ref().map(|stopping| &stopping.cause);
    match cause {
        Some(StopCause::Cancel { .. }) => finish(status, Cancelled, status.reason.clone(), now),
        // Work that is done is not done again and not thrown away, though it came late.
        Some(StopCause::Deadline(_)) if *outcome == Outcome::Succeeded => finish(status, Succeeded, None, now),
        Some(StopCause::Deadline(Deadline::Attempt)) => {
            let reason = Reason::Deadline(Deadline::Attempt);
            retry_or(job, OutcomeKind::TimedOut, &Outcome::Stopped, reason, TimedOut, roll, now)
        }
        Some(StopCause::Deadline(deadline)) => finish(status, TimedOut, Some(Reason::Deadline(*deadline)), now),
        None => match (outcome, outcome.kind(), outcome.reason()) {
            (Outcome::Succeeded, _, _) => finish(status, Succeeded, None, now),
            (Outcome::HandedBack, _, _) => handed_back(job, now),
            (Outcome::Interrupted, _, _) | (_, None, _) | (_, _, None) => interrupted(job, Reason::Interrupted, now),
            (_, Some(kind), Some(reason)) => retry_or(job, kind, outcome, reason, Failed, roll, now),
        },
    }
}

/// Nobody waits any longer for an attempt that is out of contact: it is lost, as to a crash, unless it was to be stopped.
fn given_up(job: &Job, reason: Reason, now: Timestamp) -> Status {
    match job.status.stopping {
        None => interrupted(job, reason, now),
        // A number that differs from job to job is all the jitter needs.
        Some(_) => ended(job, &Outcome::Interrupted, (job.seq() as u32).wrapping_mul(SPREAD), now),
    }
}

/// The attempt was lost to a crash: at-least-once jobs are queued again, at-most-once jobs fail.
fn interrupted(job: &Job, reason: Reason, now: Timestamp) -> Status {
    let status = &job.status;
    let again = job.spec.on_crash == OnCrash::Rerun && status.interruptions < job.spec.retry.max_interruptions;
    if !again {
        return finish(status, Failed, Some(reason), now);
    }
    let next = Status { interruptions: status.interruptions + 1, ..after_attempt(status, reason) };
    queue_if_ready(next, now)
}

/// The engine stopped the attempt at its own shutdown. The job did nothing to be held against it, and no loop is
/// to be feared: it goes back to the queue however often.
fn handed_back(job: &Job, now: Timestamp) -> Status {
    let status = &job.status;
    if job.spec.on_crash == OnCrash::Fail {
        return finish(status, Failed, Some(Reason::Interrupted), now);
    }
    let next = Status { handed_back: status.handed_back + 1, ..after_attempt(status, Reason::Interrupted) };
    queue_if_ready(next, now)
}

fn retry_or(
    job: &Job,
    kind: OutcomeKind,
    outcome: &Outcome,
    reason: Reason,
    end: State,
    roll: u32,
    now: Timestamp,
) -> Status {
    let status = &job.status;
    match job.spec.retry.decide(status.attempt, status.uncounted(), kind, outcome, roll) {
        Decision::GiveUp => finish(status, end, Some(reason), now),
        Decision::RetryAfter(millis) => {
            let mut next = after_attempt(status, reason);
            next.waits.until = (millis > 0).then(|| now.plus_millis(millis));
            next.waits.retry = true;
            queue_if_ready(next, now)
        }
    }
}

/// The attempt is over and the job is not.
fn after_attempt(status: &Status, reason: Reason) -> Status {
    Status {
        state: Waiting,
        step: None,
        stopping: None,
        lost_since: None,
        handle: None,
        reason: Some(reason),
        items: status.items.restart(),
        ..status.clone()
    }
}

fn finish(status: &Status, state: State, reason: Option<Reason>, now: Timestamp) -> Status {
    Status {
        state,
        waits: Default::default(),
        step: None,
        stopping: None,
        lost_since: None,
        handle: None,
        reason,
        items: status.items.close(),
        finished_at: Some(now),
        ..status.clone()
    }
}

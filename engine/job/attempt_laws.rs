//! The laws of attempts: which of them are heard, and what their end decides.

use super::event::Event;
use super::outcome::{Deadline, Outcome, OutcomeKind, Reason};
use super::retry::RetryOn;
use super::spec::OnCrash;
use super::status::{Job, State, StopCause};
use super::time::Timestamp;
use super::transition::{Illegal, Verdict};

/// An attempt that no longer counts changes nothing, and one that never began cannot report.
pub(crate) fn check_fence(job: &Job, event: &Event, verdict: &Result<Verdict, Illegal>) {
    let Some(attempt) = event.attempt() else {
        return assert_ne!(verdict, &Ok(Verdict::Late), "{event:?}");
    };
    let current = job.status.attempt;
    let runs = matches!(job.state(), State::Running | State::Cancelling);
    if attempt == 0 || attempt > current {
        assert!(verdict.is_err(), "{event:?} of attempt {current}");
    } else if attempt < current || !runs {
        assert_eq!(verdict, &Ok(Verdict::Late), "{event:?} of {current}");
    } else if matches!(event, Event::Ended { .. }) {
        assert!(matches!(verdict, Ok(Verdict::Changed(_))), "{verdict:?}");
    } else if matches!(event, Event::GiveUp { .. }) {
        // Only who is out of contact is given up.
        assert_eq!(matches!(verdict, Ok(Verdict::Changed(_))), job.status.lost_since.is_some(), "{verdict:?}");
        assert_eq!(verdict.is_err(), job.status.lost_since.is_none(), "{verdict:?}");
    } else {
        assert_ne!(verdict, &Ok(Verdict::Late), "{event:?} of {current}");
    }
}

/// Within an attempt steps only rise and the first word counts; its end is decided by the policy.
pub(crate) fn check_attempt(before: &Job, event: &Event, after: &Job, now: Timestamp) {
    let (old, new) = (&before.status, &after.status);
    let began = match event {
        Event::Claim => Some(now),
        _ => old.attempt_started_at,
    };
    assert_eq!(new.attempt_started_at, began);
    check_uncounted(before, event, after);
    if let Event::Ended { outcome, roll, .. } = event {
        check_success(before, outcome, after);
        assert_eq!(!new.state.is_final(), goes_on(before, outcome), "{old:?} {event:?}");
        let failures = new.attempt - new.interruptions - new.handed_back;
        let delay_ms = before.spec.retry.backoff.delay_ms(failures, *roll);
        let retry_at = new.waits.retry.then(|| now.plus_millis(delay_ms));
        assert_eq!(new.waits.until, retry_at);
        return;
    }
    if let Some(reason) = given_up(before, event, after) {
        assert!(old.lost_since.is_some(), "{old:?}");
        check_success(before, &Outcome::Interrupted, after);
        assert_eq!(!new.state.is_final(), goes_on(before, &Outcome::Interrupted), "{old:?} {event:?}");
        assert!(old.stopping.is_some() || new.reason == Some(reason), "{new:?}");
        return;
    }
    if let (Some(old), Some(new)) = (old.step, new.step) {
        assert!(old <= new, "{old:?} after {new:?}");
    }
    if let (Some(old), Some(new)) = (&old.stopping, &new.stopping) {
        assert_eq!(old.since, new.since);
    }
    if let (Some(old), Some(new)) = (old.lost_since, new.lost_since) {
        assert_eq!(old, new);
    }
}

/// The reason that the attempt carries when the event gave it up.
fn given_up(before: &Job, event: &Event, after: &Job) -> Option<Reason> {
    let runs = |job: &Job| matches!(job.state(), State::Running | State::Cancelling);
    match event {
        Event::GiveUp { by, .. } => Some(Reason::GivenUpBy(by.clone())),
        Event::Tick if runs(before) && !runs(after) => Some(Reason::Deadline(Deadline::Lost)),
        _ => None,
    }
}

/// An attempt counts, unless a crash took it or the engine handed it back: the job is then queued again at once.
fn check_uncounted(before: &Job, event: &Event, after: &Job) {
    let (old, new) = (&before.status, &after.status);
    let back = matches!(new.state, State::Waiting | State::Queued) && old.stopping.is_none();
    let (lost, returned) = match event {
        Event::Ended { outcome, .. } if back => {
            (matches!(outcome, Outcome::Stopped | Outcome::Interrupted), *outcome == Outcome::HandedBack)
        }
        _ => (back && given_up(before, event, after).is_some(), false),
    };
    assert_eq!(new.interruptions, old.interruptions + u32::from(lost));
    assert_eq!(new.handed_back, old.handed_back + u32::from(returned));
    if lost || returned {
        let reason = given_up(before, event, after).unwrap_or(Reason::Interrupted);
        let expected = (State::Queued, Some(reason));
        assert_eq!((new.state, new.reason.clone()), expected);
    }
}

/// A success is one, even after a deadline; only somebody's cancel outweighs it.
fn check_success(before: &Job, outcome: &Outcome, after: &Job) {
    let cause = before.status.stopping.as_ref().map(|stop| &stop.cause);
    let cancelled = matches!(cause, Some(StopCause::Cancel { .. }));
    let succeeds = *outcome == Outcome::Succeeded && !cancelled;
    assert_eq!(after.state() == State::Succeeded, succeeds, "{outcome:?}");
    assert_eq!(after.state() == State::Cancelled, cancelled, "{outcome:?}");
}

/// What a retry policy promises, said a second time in other words.
fn goes_on(job: &Job, outcome: &Outcome) -> bool {
    let (spec, status) = (&job.spec, &job.status);
    let uncounted = status.interruptions + status.handed_back;
    let tries_left = spec.retry.max_attempts + uncounted - status.attempt;
    let worth = |kind: OutcomeKind| match &spec.retry.on {
        RetryOn::Any => true,
        RetryOn::Only { kinds, .. } => kinds.contains(&kind),
    };
    let listed = match (&spec.retry.on, outcome) {
        (RetryOn::Only { exit_codes, .. }, Outcome::Exit { code }) => exit_codes.contains(code),
        _ => false,
    };
    match status.stopping.as_ref().map(|stopping| &stopping.cause) {
        Some(StopCause::Deadline(_)) if *outcome == Outcome::Succeeded => false,
        Some(StopCause::Deadline(Deadline::Attempt)) => tries_left > 0 && worth(OutcomeKind::TimedOut),
        Some(_) => false,
        None => match outcome {
            Outcome::Succeeded => false,
            Outcome::HandedBack => spec.on_crash == OnCrash::Rerun,
            Outcome::Stopped | Outcome::Interrupted => {
                spec.on_crash == OnCrash::Rerun && status.interruptions < spec.retry.max_interruptions
            }
            failure => {
                let again = worth(failure.kind().unwrap()) || listed;
                tries_left > 0 && again && !failure.is_permanent()
            }
        },
    }
}

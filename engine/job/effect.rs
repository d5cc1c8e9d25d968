//! What the engine has to do for a job, derived from its stored state and never remembered.

use super::outcome::Deadline;
use super::spec::JobSpec;
use super::status::{Job, State, Step};
use super::time::Timestamp;

/// Something that is to be done for a job. Every effect may happen twice and must be idempotent by job id
/// and attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Apply [`Event::Tick`](super::Event::Tick) at this time.
    TickAt(Timestamp),
    /// Offer it to the dispatcher.
    Offer,
    /// Start the attempt unless it already runs, then observe it.
    Start {
        /// Which attempt.
        attempt: u32,
    },
    /// Observe the attempt, which was started before.
    Observe {
        /// Which attempt.
        attempt: u32,
    },
    /// Stop the attempt.
    Stop {
        /// Which attempt.
        attempt: u32,
    },
    /// Tell the jobs that wait for it.
    TellSuccessors,
}

/// What is to be done for `job` now. Recovery at open and normal operation both use this function.
pub fn pending_effects(job: &Job) -> impl Iterator<Item = Effect> {
    let attempt = job.status.attempt;
    let main = match job.status.state {
        State::Waiting => None,
        State::Queued => Some(Effect::Offer),
        State::Running if job.status.step == Some(Step::Preparing) => Some(Effect::Start { attempt }),
        State::Running => Some(Effect::Observe { attempt }),
        State::Cancelling => Some(Effect::Stop { attempt }),
        State::Succeeded | State::Failed | State::Cancelled | State::TimedOut => Some(Effect::TellSuccessors),
    };
    main.into_iter().chain(next_tick(job).map(Effect::TickAt))
}

/// The first time at which a tick changes the job.
pub fn next_tick(job: &Job) -> Option<Timestamp> {
    let status = &job.status;
    let own = match status.state {
        State::Waiting => status.waits.until,
        State::Queued => deadline_at(job, Deadline::Queue),
        State::Running => deadline_at(job, Deadline::Attempt),
        State::Cancelling => return deadline_at(job, Deadline::Lost),
        _ => return None,
    };
    let others = [Deadline::Total, Deadline::Lost].map(|deadline| deadline_at(job, deadline));
    own.into_iter().chain(others.into_iter().flatten()).min()
}

/// When a deadline of the job passes, where it has that deadline and its clock runs.
pub fn deadline_at(job: &Job, deadline: Deadline) -> Option<Timestamp> {
    let JobSpec { deadlines, items, .. } = &*job.spec;
    // Those of one try are for the jobs of its items.
    if items.is_some() && deadline != Deadline::Total {
        return None;
    }
    let (from, millis) = match deadline {
        Deadline::Queue => (Some(job.status.ready_at), deadlines.queue_ms),
        Deadline::Attempt => (job.status.attempt_started_at, deadlines.attempt_ms),
        Deadline::Total => (Some(job.created_at), deadlines.total_ms),
        Deadline::Lost => (job.status.lost_since, deadlines.lost_ms),
    };
    Some(from?.plus_millis(millis?))
}

//! Attempts that are out of contact and given up, by somebody or by their deadline. Nobody waits for them any longer; what may
//! be left of them on a platform is found by its sweep.

use std::sync::Arc;

use super::Runtime;
use super::attempts::Control;
use crate::error::Error;
use crate::job::{Event, Job, State};
use crate::store::Moved;

/// Whether an attempt is under way.
pub(super) fn is_under_way(job: &Job) -> bool {
    matches!(job.status.state, State::Running | State::Cancelling)
}

/// An attempt that is about to be given up, with what reaches it.
pub(super) struct Doubtful(Option<Arc<Control>>);

impl Doubtful {
    /// To be called before the attempt under way is given up: afterwards another one may have its place.
    pub(super) fn of(runtime: &Runtime, job: &Job) -> Doubtful {
        Doubtful(is_under_way(job).then(|| runtime.hub.attempts.control(job.seq())).flatten())
    }

    /// The attempt is waited for no longer where the change has ended it.
    pub(super) fn leave_if_over(self, moved: &Moved) {
        if let (Some(control), Moved::Changed(job)) = (self.0, moved)
            && !is_under_way(job)
        {
            control.given_up.raise();
        }
    }
}

impl Runtime {
    /// Gives up the attempt of a job that is out of contact. It goes through whether or not the caller waits for it.
    pub(crate) async fn give_up(self: &Arc<Self>, job: Job, by: String) -> Result<Moved, Error> {
        let runtime = self.clone();
        let given_up = tokio::spawn(async move {
            let attempt = job.status.attempt;
            let mut events = vec![Event::GiveUp { attempt, by }];
            // Nobody has tried to reach it, and nobody can.
            if runtime.executors.get(job.spec.task.executor()).is_none() {
                events.insert(0, Event::ContactLost { attempt });
            }
            let doubtful = Doubtful::of(&runtime, &job);
            let moved = runtime.store.change(&job, &events, None, runtime.clock.now()).await?;
            doubtful.leave_if_over(&moved);
            Ok(moved)
        });
        given_up.await.map_err(|error| Error::Storage(error.to_string()))?
    }

    /// Out of contact is counted anew for an attempt with a deadline for that: nobody has tried to reach it while there was
    /// no engine.
    pub(super) async fn count_anew(&self, job: &mut Job) -> Result<(), Error> {
        if job.status.lost_since.is_none() || job.spec.deadlines.lost_ms.is_none() {
            return Ok(());
        }
        let attempt = job.status.attempt;
        let events = [Event::ContactFound { attempt }, Event::ContactLost { attempt }];
        if let Moved::Changed(anew) = self.store.change(job, &events, None, self.clock.now()).await? {
            *job = anew;
        }
        Ok(())
    }
}

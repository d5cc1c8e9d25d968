//! The end of a job, and what those hear of it that come after it.

use windlass::job::{End, JobId, On, Reason, State};

use super::Model;

impl Model {
    pub(super) fn finish(&mut self, id: JobId, state: State, reason: Option<Reason>) {
        let now = self.now;
        let job = self.job_mut(id);
        (job.state, job.reason, job.finished) = (state, reason, Some(now));
        (job.open, job.held, job.until, job.lost) = (false, false, None, None);
        (job.run, job.stop) = (None, None);
        job.after.clear();
        let skipped = matches!(job.reason, Some(Reason::Skipped { .. }));
        let end = match state {
            State::Succeeded => End::Succeeded,
            State::Failed => End::Failed,
            State::TimedOut => End::TimedOut,
            _ if skipped => End::Skipped,
            _ => End::Cancelled,
        };
        // Those right behind it end before those further down.
        self.ends.push_back((id, end));
        if self.ends.len() > 1 {
            return;
        }
        while let Some((id, end)) = self.ends.front().copied() {
            for next in self.ids(|job| job.after.contains_key(&id.seq())) {
                self.tell_successor(next, id, end);
            }
            self.ends.pop_front();
        }
    }

    fn tell_successor(&mut self, next: JobId, id: JobId, end: End) {
        let now = self.now;
        let job = self.job_mut(next);
        let on = job.after.remove(&id.seq()).unwrap();
        let previous = |state| Some(Reason::PreviousJob(id, state));
        match (on, end) {
            (_, End::Succeeded) if on != Some(On::Failure) => {}
            (Some(On::Always), _) | (Some(On::Failure), End::Failed | End::TimedOut) => {}
            (Some(on), _) => drop(job.unmet.insert(id, (on, end))),
            (None, End::Cancelled) => return self.finish(next, State::Cancelled, previous(State::Cancelled)),
            (None, End::Failed) => return self.finish(next, State::Failed, previous(State::Failed)),
            (None, End::TimedOut) => return self.finish(next, State::Failed, previous(State::TimedOut)),
            (None, _) => {
                return self.finish(next, State::Cancelled, Some(Reason::Skipped { job: id, on: On::Success, end }));
            }
        }
        match job.unmet.first_key_value() {
            Some((first, (on, end))) if job.after.is_empty() => {
                let reason = Reason::Skipped { job: *first, on: *on, end: *end };
                self.finish(next, State::Cancelled, Some(reason));
            }
            _ => job.queue_if_ready(now),
        }
    }
}

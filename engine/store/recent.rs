//! Jobs that were stored not long ago and are not over, as they are on disk: the attempt that follows a
//! submission and the caller who waits for it need not read them back.

use std::collections::HashMap;

use super::Stored;
use crate::job::{Job, Seq};

/// What a job takes in memory beside the bytes of its spec, about.
const JOB_BYTES: usize = 512;

/// How much is turned away, as a multiple of the room there is, before those that have the room are taken for jobs
/// that nobody will soon ask for.
const PATIENCE: usize = 8;

/// The newest live jobs, within a limit of bytes. Part of the index, so it is changed only after a commit.
#[derive(Debug)]
pub(super) struct Recent {
    jobs: HashMap<Seq, Entry>,
    bytes: usize,
    most_bytes: usize,
    /// Bytes of the jobs for which there was no room since it was last emptied.
    turned_away: usize,
}

#[derive(Debug)]
struct Entry {
    stored: Stored,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(most_bytes: usize) -> Self {
        Recent { jobs: HashMap::new(), bytes: 0, most_bytes, turned_away: 0 }
    }

    /// Takes a job in, if there is room. The jobs that came first stay, since they are dispatched first; but when
    /// many times as much was turned away as there is room for, those that are here wait for something else.
    pub(super) fn insert(&mut self, stored: &Stored, spec_bytes: usize) {
        let bytes = spec_bytes + JOB_BYTES;
        if self.bytes + bytes > self.most_bytes {
            self.turned_away += bytes;
            if self.turned_away <= PATIENCE * self.most_bytes {
                return;
            }
            self.clear();
        }
        if bytes <= self.most_bytes {
            self.bytes += bytes;
            self.jobs.insert(stored.job.seq(), Entry { stored: stored.clone(), bytes });
        }
    }

    /// The job has changed. One that carries a reason or a handle takes more than was counted, and is read when it is
    /// asked for.
    pub(super) fn change(&mut self, job: &Job) {
        let status = &job.status;
        if status.state.is_final() || status.reason.is_some() || status.handle.is_some() {
            self.remove(job.seq());
        } else if let Some(entry) = self.jobs.get_mut(&job.seq()) {
            entry.stored.job.status = job.status.clone();
        }
    }

    /// Forgets the job, whose records have changed otherwise.
    pub(super) fn remove(&mut self, seq: Seq) {
        if let Some(entry) = self.jobs.remove(&seq) {
            self.bytes -= entry.bytes;
        }
    }

    /// The job as it is on disk, if it is here.
    pub(super) fn get(&self, seq: Seq) -> Option<&Stored> {
        self.jobs.get(&seq).map(|entry| &entry.stored)
    }

    fn clear(&mut self) {
        self.jobs.clear();
        (self.bytes, self.turned_away) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::{Event, JobId, JobSpec, Outcome, Step, Timestamp, Verdict, apply};

    fn stored(seq: Seq) -> Stored {
        let now = Timestamp::from_millis(1);
        let job = Job::accept(JobId::new(seq, now, 7), None, Arc::new(JobSpec::function("f", "1")), vec![], now);
        Stored { job, private: None, parameters: None, large_input: None, told: None }
    }

    #[test]
    fn a_job_is_here_as_it_is_until_it_is_over() {
        let mut recent = Recent::new(10_000);
        let mut job = stored(1);
        recent.insert(&job, 100);
        for event in [Event::Claim, Event::Step { attempt: 1, step: Step::Executing }] {
            let Ok(Verdict::Changed(next)) = apply(&job.job, &event, Timestamp::from_millis(2)) else { panic!() };
            job.job = next;
            recent.change(&job.job);
            assert_eq!(recent.get(1).map(|stored| &stored.job), Some(&job.job));
        }
        let ended = Event::Ended { attempt: 1, outcome: Outcome::Succeeded, roll: 0 };
        let Ok(Verdict::Changed(over)) = apply(&job.job, &ended, Timestamp::from_millis(3)) else { panic!() };
        recent.change(&over);
        assert!(recent.get(1).is_none());
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_makes_room_when_nobody_comes() {
        let (room, bytes) = (10, 100 + JOB_BYTES);
        let mut recent = Recent::new(room * bytes);
        let most = (1 + PATIENCE) * room;
        for seq in 0..=most as u64 {
            recent.insert(&stored(seq), 100);
            assert!(recent.bytes <= room * bytes && recent.jobs.len() * bytes == recent.bytes);
            assert_eq!(recent.get(0).is_some(), (seq as usize) < most, "at {seq}");
        }
        assert!(recent.get(most as u64).is_some(), "the newest has room again");
        recent.insert(&stored(1_000), room * bytes);
        assert!(recent.get(1_000).is_none(), "what is larger than all room stays away");
    }
}

//! Those that come after a job hear of its end in the very operation that ends it.
//!
//! This is decided by whoever commits, when nobody else changes anything: of a job that many come before, each end that is
//! in the same group builds on the one before it, where callers who decided for themselves would refuse each other.

use std::collections::{HashMap, VecDeque};

use super::group::{Change, Envelope, Op};
use super::read::Snapshot;
use super::verbs::encode_change;
use super::writer::Writer;
use super::{Stored, lock};
use crate::error::Error;
use crate::job::{Effect, End, Event, Job, JobId, Seq, Timestamp, Verdict, apply, pending_effects};

impl Writer {
    /// Adds to every end of a job in the group what it makes of those that come after it, and so on down the graph.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn add_followers(&self, group: &mut [Envelope]) -> Result<(), Error> {
        let Some(first) = group.iter().position(|envelope| self.is_followed(&envelope.op)) else { return Ok(()) };
        let (before, rest) = group.split_at_mut(first);
        let mut telling = Telling { writer: self, known: HashMap::new(), snapshot: None };
        before.iter().for_each(|envelope| telling.note(&envelope.op));
        for envelope in rest {
            if let Op::Change(changes) = &mut envelope.op {
                telling.tell(changes)?;
            }
            telling.note(&envelope.op);
        }
        Ok(())
    }

    fn is_followed(&self, op: &Op) -> bool {
        let Op::Change(changes) = op else { return false };
        let mut ended = changes.iter().filter(|change| change.after.status.state.is_final()).peekable();
        ended.peek().is_some() && {
            let index = lock(&self.index);
            ended.any(|change| index.has_followers(change.after.seq()))
        }
    }
}

/// A group on its way through the graphs.
struct Telling<'w> {
    writer: &'w Writer,
    /// Jobs as the group makes them, as far as it has come.
    known: HashMap<Seq, Job>,
    /// Everything before the group.
    snapshot: Option<Snapshot>,
}

/// A job that heard of the end of others.
struct Told {
    before: Job,
    after: Job,
}

impl Telling<'_> {
    fn note(&mut self, op: &Op) {
        if let Op::Change(changes) = op {
            self.known.extend(changes.iter().map(|change| (change.after.seq(), change.after.clone())));
        }
    }

    fn tell(&mut self, changes: &mut Vec<Change>) -> Result<(), Error> {
        let mut ended: VecDeque<(JobId, End, Timestamp)> = changes.iter().filter_map(|it| end_of(&it.after)).collect();
        let mut told: Vec<Told> = Vec::new();
        let mut places: HashMap<Seq, usize> = HashMap::new();
        while let Some((id, end, now)) = ended.pop_front() {
            let followers = lock(&self.writer.index).followers(id.seq());
            for seq in followers {
                let place = match places.get(&seq) {
                    Some(place) => *place,
                    None => {
                        let Some(job) = self.load(seq)? else { continue };
                        places.insert(seq, told.len());
                        told.push(Told { before: job.clone(), after: job });
                        told.len() - 1
                    }
                };
                let Some(it) = told.get_mut(place) else { continue };
                if let Ok(Verdict::Changed(after)) = apply(&it.after, &Event::Predecessor { id, end }, now) {
                    ended.extend(end_of(&after));
                    it.after = after;
                }
            }
        }
        for Told { before, after } in told {
            if before.status.rev != after.status.rev {
                let at = changes.first().and_then(|change| change.after.status.finished_at).unwrap_or_default();
                changes.push(encode_change(&before, after, None, at)?);
            }
        }
        Ok(())
    }

    fn load(&mut self, seq: Seq) -> Result<Option<Job>, Error> {
        if let Some(job) = self.known.get(&seq) {
            return Ok(Some(job.clone()));
        }
        if let Some(stored) = lock(&self.writer.index).recent.get(seq) {
            return Ok(Some(stored.job.clone()));
        }
        let snapshot = match &mut self.snapshot {
            Some(snapshot) => snapshot,
            None => self.snapshot.insert(Snapshot::of(&self.writer.begin_read()?)?),
        };
        Ok(snapshot.job(seq)?.map(|Stored { job, .. }| job))
    }
}

/// How a job is over that others may come after.
fn end_of(job: &Job) -> Option<(JobId, End, Timestamp)> {
    let is_told = pending_effects(job).next() == Some(Effect::TellSuccessors);
    let end = End::of(&job.status).filter(|_| is_told)?;
    Some((job.id, end, job.status.finished_at?))
}

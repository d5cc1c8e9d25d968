//! Reading: snapshots that never wait for the writer.

use redb::{ReadOnlyTable, ReadTransaction};

use super::tables::{DONE, EVENT, LIVE, OUTPUT, SPEC};
use super::{DiskUse, Store, Stored, lock, records, storage};
use crate::error::Error;
use crate::job::event::facts_in_records;
use crate::job::{Job, JobEvent, JobFact, JobId, Seq, State, Timestamp};

/// The tables of one snapshot that make up a job.
pub(super) struct Snapshot {
    pub(super) spec: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) live: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) done: ReadOnlyTable<u64, &'static [u8]>,
}

impl Snapshot {
    pub(super) fn of(read: &ReadTransaction) -> Result<Snapshot, Error> {
        Ok(Snapshot {
            spec: read.open_table(SPEC).map_err(storage)?,
            live: read.open_table(LIVE).map_err(storage)?,
            done: read.open_table(DONE).map_err(storage)?,
        })
    }

    pub(super) fn job(&self, seq: Seq) -> Result<Option<Stored>, Error> {
        let Some(spec) = self.spec.get(seq).map_err(storage)? else { return Ok(None) };
        let status = match self.live.get(seq).map_err(storage)? {
            Some(live) => records::decode_live(live.value())?,
            None => {
                let done = self.done.get(seq).map_err(storage)?;
                let done = done.ok_or_else(|| Error::Storage(format!("job {seq} has no status record")))?;
                records::decode_done(done.value())?
            }
        };
        records::decode_job(seq, spec.value(), status).map(Some)
    }
}

impl Store {
    pub(super) fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::of(&self.writer.begin_read()?)
    }

    /// The job with this sequence number.
    pub(crate) fn load(&self, seq: Seq) -> Result<Option<Stored>, Error> {
        if let Some(stored) = lock(&self.index).recent.get(seq) {
            return Ok(Some(stored.clone()));
        }
        self.snapshot()?.job(seq)
    }

    /// Several jobs, in the order asked for.
    pub(crate) fn load_many(&self, seqs: &[Seq]) -> Result<Vec<Option<Stored>>, Error> {
        let mut loaded: Vec<Option<Stored>> = {
            let index = lock(&self.index);
            seqs.iter().map(|seq| index.recent.get(*seq).cloned()).collect()
        };
        if loaded.iter().any(Option::is_none) {
            let snapshot = self.snapshot()?;
            for (seq, stored) in seqs.iter().zip(&mut loaded).filter(|(_, stored)| stored.is_none()) {
                *stored = snapshot.job(*seq)?;
            }
        }
        Ok(loaded)
    }

    /// The job with this id; `None` also for an id that was guessed.
    pub(crate) fn find(&self, id: JobId) -> Result<Option<Stored>, Error> {
        Ok(self.load(id.seq())?.filter(|stored| stored.job.id == id))
    }

    /// What a function returned.
    pub(crate) fn output(&self, seq: Seq) -> Result<Option<Vec<u8>>, Error> {
        let read = self.writer.begin_read()?;
        let row = read.open_table(OUTPUT).map_err(storage)?.get(seq).map_err(storage)?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    /// Everything that happened to a job, in order: what its records carry and what was noted beside them.
    pub(crate) fn events(&self, job: &Job) -> Result<Vec<JobEvent>, Error> {
        let read = self.writer.begin_read()?;
        let rows = read.open_table(EVENT).map_err(storage)?;
        let mut events = facts_in_records(job);
        for row in rows.range((job.seq(), 0)..=(job.seq(), u32::MAX)).map_err(storage)? {
            let (_, bytes) = row.map_err(storage)?;
            let (at, fact) = records::decode_event(bytes.value())?;
            events.push(JobEvent { id: job.id, at, fact });
        }
        // Within one millisecond: accepted first, the end last but for what came too late.
        let rank = |event: &JobEvent| match event.fact {
            JobFact::Submitted => 0,
            JobFact::Finished { .. } => 2,
            JobFact::LateOutcome { .. } => 3,
            _ => 1,
        };
        events.sort_by_key(|event| (event.at, rank(event)));
        Ok(events)
    }

    /// The names of the queues that have ready jobs.
    pub(crate) fn ready_queues(&self) -> Vec<std::sync::Arc<str>> {
        lock(&self.index).ready_queues()
    }

    /// Takes up to `most` ready jobs off a queue. Whoever takes them claims them or gives them back.
    pub(crate) fn take_ready(&self, queue: &str, most: usize) -> Vec<Seq> {
        lock(&self.index).take_ready(queue, most)
    }

    /// Gives back a job that was taken and not claimed.
    pub(crate) fn give_back(&self, job: &Job) {
        lock(&self.index).give_back(job);
    }

    /// The earliest time at which a job is due.
    pub(crate) fn first_tick(&self) -> Option<Timestamp> {
        lock(&self.index).first_tick()
    }

    /// Up to `most` jobs that are due by `now`.
    pub(crate) fn due(&self, now: Timestamp, most: usize) -> Vec<Seq> {
        lock(&self.index).due(now, most)
    }

    /// Running and cancelling jobs.
    pub(crate) fn active(&self) -> Vec<Seq> {
        lock(&self.index).active()
    }

    /// Live jobs by state, in the order of [`State::ALL`].
    pub(crate) fn live(&self) -> [u64; State::ALL.len()] {
        lock(&self.index).live()
    }

    /// Operations handed to the writer so far.
    pub(crate) fn operations(&self) -> u64 {
        self.writer.operations()
    }

    /// What was done to the disk since the store was opened.
    pub(crate) fn disk_use(&self) -> DiskUse {
        self.meter.read()
    }

    /// Why the store acknowledges nothing any more, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.writer.failure()
    }
}

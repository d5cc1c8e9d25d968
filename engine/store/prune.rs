//! Forgetting: jobs that are over leave the store, oldest first.

use redb::ReadableTableMetadata;

use super::group::{Op, Pruned};
use super::outputs::bytes_of_outputs;
use super::read::Snapshot;
use super::tables::OUTPUT_RECORD;
use super::writer::Urgency;
use super::{Store, records, storage};
use crate::error::Error;
use crate::job::{ChainId, Job, Seq};

/// A finished job and what its records weigh.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) job: Job,
    pub(crate) record_bytes: u64,
}

impl Store {
    /// How many finished jobs there are.
    pub(crate) fn finished_count(&self) -> Result<u64, Error> {
        self.snapshot()?.done.len().map_err(storage)
    }

    /// Up to `most` finished jobs from `from` on, oldest first.
    pub(crate) fn finished_from(&self, from: Seq, most: usize) -> Result<Vec<Finished>, Error> {
        let read = self.writer.begin_read()?;
        let (snapshot, outputs) = (Snapshot::of(&read)?, read.open_table(OUTPUT_RECORD).map_err(storage)?);
        let mut found = Vec::new();
        for row in snapshot.done.range(from..).map_err(storage)?.take(most) {
            let (seq, done) = row.map_err(storage)?;
            let Some(spec) = snapshot.spec.get(seq.value()).map_err(storage)? else { continue };
            let record_bytes = (spec.value().len() + done.value().len()) as u64;
            let record_bytes = record_bytes + bytes_of_outputs(&outputs, seq.value())?;
            let status = records::decode_done(done.value())?;
            let job = records::decode_job(seq.value(), spec.value(), status)?.job;
            found.push(Finished { job, record_bytes });
        }
        Ok(found)
    }

    /// Whether a job of the chain is not over.
    pub(crate) fn is_live_chain(&self, chain: ChainId) -> Result<bool, Error> {
        let snapshot = self.snapshot()?;
        // Jobs of a chain have consecutive numbers: the first live one from its first on is of it, or none is.
        let Some(row) = snapshot.live.range(chain.seq()..).map_err(storage)?.next() else { return Ok(false) };
        let seq = row.map_err(storage)?.0.value();
        let Some(spec) = snapshot.spec.get(seq).map_err(storage)? else { return Ok(false) };
        Ok(records::decode_chain(seq, spec.value())? == Some(chain))
    }

    /// Whether there is a job with this number, finished or not.
    pub(crate) fn knows(&self, seq: Seq) -> Result<bool, Error> {
        Ok(self.snapshot()?.spec.get(seq).map_err(storage)?.is_some())
    }

    /// Forgets finished jobs; returns when that is on disk.
    pub(crate) async fn forget(&self, jobs: Vec<Job>) -> Result<(), Error> {
        let rows = jobs.into_iter().map(|job| Pruned { job }).collect();
        self.send(Op::Prune(rows), Urgency::Waited).await.map(drop)
    }
}

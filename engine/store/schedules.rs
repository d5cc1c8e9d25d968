//! The state of schedules, and their fires: a fire is stored with its jobs and with what it changes, or not at all.

use redb::{ReadableTable, ReadableTableMetadata};

use super::group::{FireWrite, Op, Refusal, Submission};
use super::records::{decode_schedule, encode_schedule};
use super::tables::{FIRE, LIVE, META, SCHEDULE, meta};
use super::verbs::NewJob;
use super::writer::Urgency;
use super::{Store, commit::read_u64, storage};
use crate::error::Error;
use crate::job::schedule::ScheduleStatus;
use crate::job::{Seq, Timestamp};

/// What is to become of the state of a schedule.
#[derive(Debug)]
pub(crate) struct ScheduleChange {
    pub(crate) seq: Seq,
    /// The revision that it was decided on; `None` for a new one.
    pub(crate) seen: Option<u32>,
    /// What it is from now on; `None` when it is deleted.
    pub(crate) status: Option<ScheduleStatus>,
}

/// The same, encoded.
#[derive(Debug)]
pub(crate) struct ScheduleWrite {
    pub(super) seq: Seq,
    pub(super) seen: Option<u32>,
    pub(super) row: Option<Vec<u8>>,
}

impl ScheduleChange {
    pub(crate) fn encode(self) -> Result<ScheduleWrite, Error> {
        let row = self.status.as_ref().map(encode_schedule).transpose()?;
        Ok(ScheduleWrite { seq: self.seq, seen: self.seen, row })
    }
}

/// A fire whose jobs are to be stored.
#[derive(Debug)]
pub(crate) struct NewFire {
    pub(crate) nominal: Timestamp,
    /// Its jobs; one is enough.
    pub(crate) jobs: Vec<NewJob>,
}

/// What became of a look at a schedule.
#[derive(Debug)]
pub(crate) enum Fired {
    /// It is on disk.
    Stored,
    /// The schedule has changed since it was decided: decide again.
    Stale,
    /// There is no room for so many jobs.
    Full(Error),
}

impl Store {
    /// Stores the jobs of fires together with what they change, all or none.
    pub(crate) async fn fire(&self, change: ScheduleChange, fires: Vec<NewFire>) -> Result<Fired, Error> {
        let seq = change.seq;
        let mut rows = Vec::new();
        let mut keys = Vec::with_capacity(fires.len());
        let answer = {
            let keyring = self.keyring();
            for fire in fires {
                let first = fire.jobs.first().map(|new| new.job.seq());
                keys.extend(first.map(|first| (fire.nominal.as_millis(), first)));
                for new in fire.jobs {
                    rows.push(self.encode_new(&keyring, new)?);
                }
            }
            let submission = Submission { rows, joined: false, queue_limit: self.queue_limit };
            let write = FireWrite { submission, schedule: change.encode()?, fires: keys };
            self.writer.send(Op::Fire(write), Urgency::Waited)
        };
        match answer.await {
            Ok(Ok(_)) => Ok(Fired::Stored),
            Ok(Err(Refusal::Stale)) => Ok(Fired::Stale),
            Ok(Err(Refusal::Error(error @ Error::Full { .. }))) => Ok(Fired::Full(error)),
            Ok(Err(Refusal::Error(error))) => Err(error),
            Err(_) => Err(Error::Closed).inspect_err(|_| tracing::debug!(seq, "a fire came too late")),
        }
    }

    /// The state of a schedule.
    pub(crate) fn schedule(&self, seq: Seq) -> Result<Option<ScheduleStatus>, Error> {
        let read = self.writer.begin_read()?;
        let row = read.open_table(SCHEDULE).map_err(storage)?.get(seq).map_err(storage)?;
        row.map(|row| decode_schedule(row.value())).transpose()
    }

    /// Every schedule with its number.
    pub(crate) fn schedules(&self) -> Result<Vec<(Seq, ScheduleStatus)>, Error> {
        let read = self.writer.begin_read()?;
        let rows = read.open_table(SCHEDULE).map_err(storage)?;
        let mut found = Vec::with_capacity(rows.len().map_err(storage)? as usize);
        for row in rows.iter().map_err(storage)? {
            let (seq, row) = row.map_err(storage)?;
            found.push((seq.value(), decode_schedule(row.value())?));
        }
        Ok(found)
    }

    /// The number of the next new schedule. Numbers of schedules that are gone are not given out again; that it is
    /// still free is checked with the state of the documents.
    pub(crate) fn next_schedule(&self) -> Result<Seq, Error> {
        let read = self.writer.begin_read()?;
        let row = read.open_table(META).map_err(storage)?.get(meta::NEXT_SCHEDULE).map_err(storage)?;
        Ok(row.and_then(|row| read_u64(row.value())).unwrap_or(1))
    }

    /// Those of these nominal times at which the schedule has fired.
    pub(crate) fn fired(&self, schedule: Seq, nominals: &[Timestamp]) -> Result<Vec<Timestamp>, Error> {
        let read = self.writer.begin_read()?;
        let fires = read.open_table(FIRE).map_err(storage)?;
        let mut found = Vec::new();
        for nominal in nominals {
            if fires.get((schedule, nominal.as_millis())).map_err(storage)?.is_some() {
                found.push(*nominal);
            }
        }
        Ok(found)
    }

    /// The latest fires of a schedule, newest first: their nominal times and their first jobs.
    pub(crate) fn latest_fires(&self, schedule: Seq, most: usize) -> Result<Vec<(Timestamp, Seq)>, Error> {
        let read = self.writer.begin_read()?;
        let fires = read.open_table(FIRE).map_err(storage)?;
        let mut found = Vec::new();
        for row in fires.range((schedule, 0)..=(schedule, u64::MAX)).map_err(storage)?.rev().take(most) {
            let (key, first) = row.map_err(storage)?;
            found.push((Timestamp::from_millis(key.value().1), first.value()));
        }
        Ok(found)
    }

    /// The live ones among `count` jobs from this number on.
    pub(crate) fn live_among(&self, first: Seq, count: u32) -> Result<Vec<Seq>, Error> {
        let read = self.writer.begin_read()?;
        let live = read.open_table(LIVE).map_err(storage)?;
        let rows = live.range(first..first.saturating_add(u64::from(count))).map_err(storage)?;
        rows.map(|row| row.map(|(seq, _)| seq.value()).map_err(storage)).collect()
    }
}

//! Documents and schedules within a group.

use redb::ReadableTable;

use super::changes::Answer;
use super::commit::{Group, read_u64};
use super::documents::DocumentWrite;
use super::group::{FireWrite, Refusal, Reply};
use super::records::schedule_rev;
use super::schedules::ScheduleWrite;
use super::tables::meta;
use super::{lock, storage};
use crate::error::Error;
use crate::job::Job;

impl<'s> Group<'_, 's> {
    /// Changes documents, unless there is a newer state of them than the change was decided on.
    pub(super) fn documents(
        &mut self,
        seen: u64,
        documents: &[DocumentWrite],
        schedules: &[ScheduleWrite],
    ) -> Result<Answer, Error> {
        let is_stale = self.documents_changed || lock(self.index).documents != seen;
        if is_stale || !self.are_as_seen(schedules)? {
            return Ok(Err(Refusal::Stale));
        }
        self.documents_changed = true;
        for document in documents {
            self.write_document(document)?;
        }
        for schedule in schedules {
            self.write_schedule(schedule)?;
        }
        Ok(Ok(Reply::Done))
    }

    fn write_document(&mut self, write: &DocumentWrite) -> Result<(), Error> {
        let DocumentWrite { kind, name, revision, row } = write;
        let heads = self.document.open(self.txn)?;
        heads.insert((*kind, name.as_str()), (*revision, row.is_some())).map_err(storage)?;
        let revisions = self.revision.open(self.txn)?;
        match row {
            Some(row) => {
                revisions.insert((*kind, name.as_str(), *revision), row.as_slice()).map_err(storage)?;
            }
            None => {
                let all = (*kind, name.as_str(), 0)..=(*kind, name.as_str(), u32::MAX);
                revisions.retain_in(all, |_, _| false).map_err(storage)?;
            }
        }
        Ok(())
    }

    /// Revisions that were deleted meanwhile stay away.
    pub(super) fn reseal_documents(&mut self, rows: &[DocumentWrite]) -> Result<Reply, Error> {
        let revisions = self.revision.open(self.txn)?;
        for DocumentWrite { kind, name, revision, row } in rows {
            let key = (*kind, name.as_str(), *revision);
            let is_there = revisions.get(key).map_err(storage)?.is_some();
            if let (true, Some(row)) = (is_there, row) {
                revisions.insert(key, row.as_slice()).map_err(storage)?;
            }
        }
        Ok(Reply::Done)
    }

    /// Stores fires, unless the schedule has changed since they were decided.
    pub(super) fn fire(&mut self, fire: &'s FireWrite) -> Result<Answer, Error> {
        if !self.are_as_seen(std::slice::from_ref(&fire.schedule))? {
            return Ok(Err(Refusal::Stale));
        }
        let answer = self.insert(&fire.submission)?;
        if answer.is_err() {
            return Ok(answer);
        }
        self.write_schedule(&fire.schedule)?;
        let fires = self.fire.open(self.txn)?;
        for (nominal, first) in &fire.fires {
            fires.insert((fire.schedule.seq, *nominal), *first).map_err(storage)?;
        }
        Ok(answer)
    }

    fn are_as_seen(&mut self, writes: &[ScheduleWrite]) -> Result<bool, Error> {
        let schedules = self.schedule.open(self.txn)?;
        for write in writes {
            let row = schedules.get(write.seq).map_err(storage)?;
            if row.map(|row| schedule_rev(row.value())).transpose()? != write.seen {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn write_schedule(&mut self, write: &ScheduleWrite) -> Result<(), Error> {
        let schedules = self.schedule.open(self.txn)?;
        match &write.row {
            Some(row) => drop(schedules.insert(write.seq, row.as_slice()).map_err(storage)?),
            None => drop(schedules.remove(write.seq).map_err(storage)?),
        }
        if write.seen.is_some() {
            return Ok(());
        }
        let table = self.meta.open(self.txn)?;
        let known = table.get(meta::NEXT_SCHEDULE).map_err(storage)?.and_then(|row| read_u64(row.value())).unwrap_or(1);
        let next = known.max(write.seq + 1);
        table.insert(meta::NEXT_SCHEDULE, next.to_le_bytes().as_slice()).map_err(storage)?;
        Ok(())
    }

    /// A fire is known as long as its first job.
    pub(super) fn forget_fire(&mut self, job: &Job) -> Result<(), Error> {
        let Some(fired) = &job.spec.fired else { return Ok(()) };
        let key = (fired.schedule, fired.nominal.as_millis());
        let fires = self.fire.open(self.txn)?;
        let first = fires.get(key).map_err(storage)?.map(|first| first.value());
        if first == Some(job.seq()) {
            fires.remove(key).map_err(storage)?;
        }
        Ok(())
    }
}

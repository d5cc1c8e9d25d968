//! Changes of live jobs within a group: each is written if the job is still at the revision that it was decided on.

use redb::ReadableTable;

use super::commit::Group;
use super::group::{Change, Refusal, Reply};
use super::{records, storage};
use crate::error::Error;
use crate::job::State;

/// What an operation is answered with.
pub(super) type Answer = Result<Reply, Refusal>;

/// The answers of the operations of a group so far, in order.
pub(super) type Results = Vec<Answer>;

/// Takes back what was promised to the operation at `position`.
fn stale(results: &mut Results, position: usize) {
    if let Some(result) = results.get_mut(position) {
        *result = Err(Refusal::Stale);
    }
}

/// A change that nobody waits for, with its place in the group: the next change of the same job says more.
pub(super) type Held<'s> = (usize, &'s Change);

impl<'s> Group<'_, 's> {
    /// Keeps a change that nobody waits for until the next one of the same job, or the end of the group. Its answer
    /// is a promise, which [`Group::write_held`] corrects.
    pub(super) fn hold(&mut self, position: usize, change: &'s Change, results: &mut Results) -> Result<Answer, Error> {
        if let Some(held) = self.held.insert(change.after.seq(), (position, change)) {
            self.write_held(held, results)?;
        }
        Ok(Ok(Reply::Done))
    }

    pub(super) fn write_held(&mut self, (position, change): Held<'s>, results: &mut Results) -> Result<(), Error> {
        if !self.change_row(change, change.before.status.rev)? {
            stale(results, position);
        }
        Ok(())
    }

    /// One row: compared while it is written. What was held of the same job is part of it when it was decided on
    /// that: the row goes from the one before to the one after, as if both had been written.
    pub(super) fn change_one(&mut self, change: &'s Change, results: &mut Results) -> Result<Answer, Error> {
        let rev = change.before.status.rev;
        let written = match self.held.remove(&change.after.seq()) {
            Some((_, held)) if held.after.status.rev == rev && self.change_row(change, held.before.status.rev)? => true,
            Some(held) => {
                self.write_held(held, results)?;
                self.change_row(change, rev)?
            }
            None => self.change_row(change, rev)?,
        };
        Ok(if written { Ok(Reply::Done) } else { Err(Refusal::Stale) })
    }

    /// Several rows: compared first, so that none is written when one is stale.
    pub(super) fn change_together(&mut self, changes: &'s [Change], results: &mut Results) -> Result<Answer, Error> {
        for change in changes {
            if let Some(held) = self.held.remove(&change.after.seq()) {
                self.write_held(held, results)?;
            }
        }
        for change in changes {
            let found = self.live.open(self.txn)?.get(change.before.seq()).map_err(storage)?;
            let rev = found.map(|found| records::live_rev(found.value())).transpose()?;
            if rev != Some(change.before.status.rev) {
                return Ok(Err(Refusal::Stale));
            }
        }
        for change in changes {
            self.change_row(change, change.before.status.rev)?;
        }
        Ok(Ok(Reply::Done))
    }

    /// Whether the job is at revision `expected`; if not, nothing is written.
    fn change_row(&mut self, change: &'s Change, expected: u32) -> Result<bool, Error> {
        let (seq, over) = (change.after.seq(), change.after.status.state.is_final());
        let live = self.live.open(self.txn)?;
        let old = if over { live.remove(seq) } else { live.insert(seq, change.bytes.as_slice()) }.map_err(storage)?;
        let rev = old.as_ref().map(|old| records::live_rev(old.value())).transpose()?;
        if rev != Some(expected) {
            let old = old.map(|old| old.value().to_vec());
            match old {
                Some(old) => drop(live.insert(seq, old.as_slice()).map_err(storage)?),
                None => drop(live.remove(seq).map_err(storage)?),
            }
            return Ok(false);
        }
        drop(old);
        if over {
            self.over.push(change);
        }
        if let Some(event) = &change.event {
            self.note(seq, event)?;
        }
        Ok(true)
    }

    /// Writes what remains of the jobs that this group has ended: nobody asks for it within the group.
    pub(super) fn write_over(&mut self) -> Result<(), Error> {
        self.over.sort_unstable_by_key(|change| change.after.seq());
        let Some(_) = self.over.first() else { return Ok(()) };
        let done = self.done.open(self.txn)?;
        for change in &self.over {
            done.insert(change.after.seq(), change.bytes.as_slice()).map_err(storage)?;
        }
        for change in std::mem::take(&mut self.over) {
            let (seq, state) = (change.after.seq(), change.after.status.state);
            if let Some(output) = &change.output {
                self.output.open(self.txn)?.insert(seq, output.as_slice()).map_err(storage)?;
            }
            self.outputs_of_end(change)?;
            if state != State::Succeeded {
                self.by_state.open(self.txn)?.insert((state.into(), seq), ()).map_err(storage)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
    use tokio::sync::oneshot;

    use super::super::commit::Names;
    use super::super::group::{Envelope, Op};
    use super::super::index::{Index, placement};
    use super::super::records::encode_live;
    use super::super::tables::{DONE, EVENT, LIVE};
    use super::super::verbs::encode_change;
    use super::*;
    use crate::job::{Event, Job, JobId, JobSpec, Outcome, RetryPolicy, Seq, Timestamp, Verdict, apply};
    use crate::secret::Entropy;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn queued(seq: Seq) -> Job {
        let spec =
            JobSpec { retry: RetryPolicy { max_attempts: 2, ..RetryPolicy::default() }, ..JobSpec::function("f", "1") };
        Job::accept(JobId::new(seq, NOW, 7), None, Arc::new(spec), vec![], NOW)
    }

    fn after(job: &Job, event: &Event) -> Job {
        let Ok(Verdict::Changed(job)) = apply(job, event, NOW) else { panic!("{event:?} changes {job:?}") };
        job
    }

    fn ended(outcome: Outcome) -> Event {
        Event::Ended { attempt: 1, outcome, roll: 0 }
    }

    fn op(before: &Job, after: &Job) -> Op {
        Op::Change(vec![encode_change(before, after.clone(), None, NOW).unwrap()])
    }

    /// A store of a few queued jobs, in memory.
    struct Bench {
        db: Database,
        names: Names,
        index: Mutex<Index>,
    }

    impl Bench {
        fn of(jobs: &[Job]) -> Bench {
            let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let txn = db.begin_write().unwrap();
            for job in jobs {
                let live = encode_live(job, &placement(job)).unwrap();
                txn.open_table(LIVE).unwrap().insert(job.seq(), live.as_slice()).unwrap();
            }
            txn.open_table(DONE).unwrap();
            txn.open_table(EVENT).unwrap();
            txn.commit().unwrap();
            Bench { db, names: Names::default(), index: Mutex::new(Index::new(0, 0)) }
        }

        /// Writes a group; which of its operations were not stale. Nobody waits for the lazy ones.
        fn write(&mut self, ops: Vec<(Op, bool)>) -> Vec<bool> {
            let reply = |lazy: bool| (!lazy).then(|| oneshot::channel().0);
            let group: Vec<Envelope> = ops.into_iter().map(|(op, lazy)| Envelope { op, reply: reply(lazy) }).collect();
            let txn = self.db.begin_write().unwrap();
            let results = Group::new(&txn, &mut self.names, &self.index).write(&group).unwrap();
            txn.commit().unwrap();
            results.iter().map(Result::is_ok).collect()
        }

        fn rows(&self, table: TableDefinition<'_, u64, &'static [u8]>) -> Vec<(u64, Vec<u8>)> {
            let table = self.db.begin_read().unwrap().open_table(table).unwrap();
            table.iter().unwrap().map(Result::unwrap).map(|(seq, row)| (seq.value(), row.value().to_vec())).collect()
        }
    }

    #[test]
    fn a_claim_that_meets_its_end_is_not_written() {
        let job = queued(1);
        let claimed = after(&job, &Event::Claim);
        let done = after(&claimed, &ended(Outcome::Succeeded));
        let mut bench = Bench::of(std::slice::from_ref(&job));
        // The end alone was decided on what is not there.
        assert_eq!(bench.write(vec![(op(&claimed, &done), false)]), [false]);
        assert_eq!(bench.write(vec![(op(&job, &claimed), true), (op(&claimed, &done), false)]), [true, true]);
        assert_eq!(bench.rows(LIVE), []);
        assert_eq!(bench.rows(DONE).len(), 1);
    }

    #[test]
    fn a_claim_after_a_cancel_is_stale_and_so_is_its_end() {
        let job = queued(1);
        let cancelled = after(&job, &Event::Cancel { by: "me".into() });
        let claimed = after(&job, &Event::Claim);
        let done = after(&claimed, &ended(Outcome::Succeeded));
        let mut bench = Bench::of(std::slice::from_ref(&job));
        let ops = vec![(op(&job, &cancelled), false), (op(&job, &claimed), true), (op(&claimed, &done), false)];
        assert_eq!(bench.write(ops), [true, false, false]);
        let [(1, row)] = &*bench.rows(DONE) else { panic!() };
        assert_eq!(records::decode_done(row).unwrap(), cancelled.status);
    }

    /// Whether somebody waits for a change makes no difference to what is written and answered.
    #[test]
    fn held_changes_end_as_waited_ones_do() {
        let dice = Entropy::seeded(3);
        let jobs = [queued(1), queued(2)];
        let mut stale = 0;
        for _ in 0..500 {
            let length = 2 + dice.next_u64() % 8;
            let picks: Vec<u64> = (0..length).map(|_| dice.next_u64()).collect();
            let group = |lazies: bool| picks.iter().map(|pick| any_op(&jobs, *pick, lazies)).collect::<Vec<_>>();
            let (mut held, mut waited) = (Bench::of(&jobs), Bench::of(&jobs));
            let answers = held.write(group(true));
            assert_eq!(answers, waited.write(group(false)), "{picks:?}");
            assert_eq!(held.rows(LIVE), waited.rows(LIVE), "{picks:?}");
            assert_eq!(held.rows(DONE), waited.rows(DONE), "{picks:?}");
            stale += answers.iter().filter(|ok| !**ok).count();
        }
        assert!(stale > 100, "{stale} stale answers are too few to say anything");
    }

    fn any_op(jobs: &[Job; 2], pick: u64, lazies: bool) -> (Op, bool) {
        let [one, other] = jobs;
        let job = if pick.is_multiple_of(2) { one } else { other };
        let cancel = Event::Cancel { by: "me".into() };
        let claimed = after(job, &Event::Claim);
        let failed = ended(Outcome::Error { message: "no".into(), permanent: false });
        match pick / 2 % 7 {
            0 | 1 => (op(job, &claimed), lazies),
            2 => (op(&claimed, &after(&claimed, &ended(Outcome::Succeeded))), false),
            3 => (op(&claimed, &after(&claimed, &failed)), lazies),
            4 => (op(job, &after(job, &cancel)), false),
            5 => (op(&claimed, &after(&claimed, &cancel)), lazies),
            _ => {
                let change = |job: &Job| encode_change(job, after(job, &cancel), None, NOW).unwrap();
                (Op::Change(vec![change(one), change(other)]), false)
            }
        }
    }
}

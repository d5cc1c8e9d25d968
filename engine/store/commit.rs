//! One group: its rows go to redb in one transaction.

use std::collections::HashMap;

use redb::{Key, ReadableTable, Table, TableDefinition, Value, WriteTransaction};

use super::changes::{Answer, Held, Results};
use super::group::{Change, Envelope, NewRow, Op, Pruned, Refusal, Reply, Submission};
use super::index::Index;
use super::tables::{
    BY_ITEM, BY_NAME, BY_OUTPUT_TYPE, BY_STATE, DOCUMENT, DONE, EVENT, FIRE, IDEMPOTENCY, KIND_CONFIG, KIND_PIPELINE,
    KIND_PROJECT, LIVE, META, NAME, OUTPUT, OUTPUT_RECORD, REVISION, SCHEDULE, SPEC, meta,
};
use super::{Stored, lock, records, storage};
use crate::error::Error;
use crate::job::spec::DEFAULT_NAME;
use crate::job::{Job, JobId, JobSpec, Seq, Status};

/// What the writer knows beside the index: the numbers of names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) numbers: HashMap<(u8, String), u32>,
}

/// A table that is opened when the first row of the group needs it.
pub(super) struct Lazy<'t, K: Key + 'static, V: Value + 'static> {
    definition: TableDefinition<'static, K, V>,
    table: Option<Table<'t, K, V>>,
}

impl<'t, K: Key + 'static, V: Value + 'static> Lazy<'t, K, V> {
    fn new(definition: TableDefinition<'static, K, V>) -> Self {
        Lazy { definition, table: None }
    }

    pub(super) fn open(&mut self, txn: &'t WriteTransaction) -> Result<&mut Table<'t, K, V>, Error> {
        if self.table.is_none() {
            self.table = Some(txn.open_table(self.definition).map_err(storage)?);
        }
        self.table.as_mut().ok_or_else(|| Error::Storage("a table is gone".into()))
    }
}

/// The group under way.
pub(super) struct Group<'t, 's> {
    pub(super) txn: &'t WriteTransaction,
    names: &'s mut Names,
    pub(super) index: &'s std::sync::Mutex<Index>,
    pub(super) spec: Lazy<'t, u64, &'static [u8]>,
    pub(super) live: Lazy<'t, u64, &'static [u8]>,
    pub(super) done: Lazy<'t, u64, &'static [u8]>,
    pub(super) output: Lazy<'t, u64, &'static [u8]>,
    pub(super) output_record: Lazy<'t, (u64, u32), &'static [u8]>,
    pub(super) by_output_type: Lazy<'t, (u32, u64, u64, u32), ()>,
    event: Lazy<'t, (u64, u32), &'static [u8]>,
    idempotency: Lazy<'t, &'static [u8], (u64, [u8; 16])>,
    name: Lazy<'t, (u8, &'static str), u32>,
    by_name: Lazy<'t, (u32, u64), ()>,
    pub(super) by_state: Lazy<'t, (u8, u64), ()>,
    by_item: Lazy<'t, (u64, u64), ()>,
    pub(super) meta: Lazy<'t, &'static str, &'static [u8]>,
    pub(super) document: Lazy<'t, (u8, &'static str), (u32, bool)>,
    pub(super) revision: Lazy<'t, (u8, &'static str, u32), &'static [u8]>,
    pub(super) schedule: Lazy<'t, u64, &'static [u8]>,
    pub(super) fire: Lazy<'t, (u64, u64), u64>,
    /// Documents were changed in this group.
    pub(super) documents_changed: bool,
    /// Jobs this group adds to each queue.
    added: HashMap<String, u64>,
    /// Changes that nobody waits for, with their places in the group: the next change of the same job says more.
    pub(super) held: HashMap<Seq, Held<'s>>,
    /// New jobs that are not written yet.
    new: Vec<&'s NewRow>,
    /// Ends of jobs that are not written yet.
    pub(super) over: Vec<&'s Change>,
}

impl<'t, 's> Group<'t, 's> {
    pub(super) fn new(txn: &'t WriteTransaction, names: &'s mut Names, index: &'s std::sync::Mutex<Index>) -> Self {
        Group {
            txn,
            names,
            index,
            spec: Lazy::new(SPEC),
            live: Lazy::new(LIVE),
            done: Lazy::new(DONE),
            output: Lazy::new(OUTPUT),
            output_record: Lazy::new(OUTPUT_RECORD),
            by_output_type: Lazy::new(BY_OUTPUT_TYPE),
            event: Lazy::new(EVENT),
            idempotency: Lazy::new(IDEMPOTENCY),
            name: Lazy::new(NAME),
            by_name: Lazy::new(BY_NAME),
            by_state: Lazy::new(BY_STATE),
            by_item: Lazy::new(BY_ITEM),
            meta: Lazy::new(META),
            document: Lazy::new(DOCUMENT),
            revision: Lazy::new(REVISION),
            schedule: Lazy::new(SCHEDULE),
            fire: Lazy::new(FIRE),
            documents_changed: false,
            added: HashMap::new(),
            held: HashMap::new(),
            new: Vec::new(),
            over: Vec::new(),
        }
    }

    /// Writes the rows of the operations in order, and of each all or none; none when it is refused. An error is
    /// one of the disk: the whole group is lost.
    pub(super) fn write(mut self, group: &'s [Envelope]) -> Result<Results, Error> {
        let mut results = Vec::with_capacity(group.len());
        for (position, envelope) in group.iter().enumerate() {
            let result = self.write_op(position, envelope, &mut results)?;
            results.push(result);
        }
        // Table by table and in the order of the keys, as rows are written fastest.
        self.write_new()?;
        let mut held: Vec<_> = self.held.drain().map(|(_, held)| held).collect();
        held.sort_unstable_by_key(|(_, change)| change.after.seq());
        for held in held {
            self.write_held(held, &mut results)?;
        }
        self.write_over()?;
        Ok(results)
    }

    fn write_op(&mut self, position: usize, envelope: &'s Envelope, results: &mut Results) -> Result<Answer, Error> {
        match &envelope.op {
            Op::Change(changes) => match (changes.as_slice(), &envelope.reply) {
                ([change], None) if change.event.is_none() => self.hold(position, change, results),
                ([change], _) => self.change_one(change, results),
                _ => self.change_together(changes, results),
            },
            Op::Insert(submission) => self.insert(submission),
            Op::Output { seq, output } => self.output_of_job(*seq, output),
            Op::Note { id, bytes, .. } => self.note(id.seq(), bytes).map(Ok),
            Op::Reseal(rows) => self.reseal(rows).map(Ok),
            Op::Documents { seen, documents, schedules } => self.documents(*seen, documents, schedules),
            Op::ResealDocuments(rows) => self.reseal_documents(rows).map(Ok),
            Op::Fire(fire) => self.fire(fire),
            Op::Prune(rows) => self.prune(rows).map(Ok),
            Op::Meta(row, bytes) => {
                self.meta.open(self.txn)?.insert(row, bytes.as_slice()).map_err(storage)?;
                Ok(Ok(Reply::Done))
            }
            Op::Flush => Ok(Ok(Reply::Done)),
        }
    }

    pub(super) fn insert(&mut self, submission: &'s Submission) -> Result<Answer, Error> {
        let known = match self.known(submission)? {
            Ok(known) => known,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(refusal) = self.queues_are_full(submission, &known) {
            return Ok(Err(refusal));
        }
        let known_of = |at: usize| known.get(at).copied().flatten();
        let rows = || submission.rows.iter().enumerate();
        let new = || rows().filter(|(at, _)| known_of(*at).is_none()).map(|(_, row)| row);
        self.new.extend(new());
        for row in new() {
            self.insert_keys(row)?;
        }
        Ok(Ok(Reply::Ids(rows().map(|(at, row)| known_of(at).unwrap_or(row.stored.job.id)).collect())))
    }

    pub(super) fn write_new(&mut self) -> Result<(), Error> {
        let mut new = std::mem::take(&mut self.new);
        if new.is_empty() {
            return Ok(());
        }
        new.sort_unstable_by_key(|row| row.stored.job.seq());
        let specs = self.spec.open(self.txn)?;
        for row in &new {
            specs.insert(row.stored.job.seq(), row.spec.as_slice()).map_err(storage)?;
        }
        let live = self.live.open(self.txn)?;
        for row in &new {
            live.insert(row.stored.job.seq(), row.live.as_slice()).map_err(storage)?;
        }
        Ok(())
    }

    /// What the job is found by, beside its number.
    fn insert_keys(&mut self, row: &NewRow) -> Result<(), Error> {
        let seq = row.stored.job.seq();
        if let Some((key, digest)) = &row.idempotency {
            let table = self.idempotency.open(self.txn)?;
            table.insert(key.as_slice(), (seq, *digest)).map_err(storage)?;
        }
        for (kind, name) in indexed_names(&row.stored.job) {
            let number = self.number(kind, name)?;
            self.by_name.open(self.txn)?.insert((number, seq), ()).map_err(storage)?;
        }
        if let Some(item) = &row.stored.job.spec.item {
            self.by_item.open(self.txn)?.insert((item.job.seq(), seq), ()).map_err(storage)?;
        }
        Ok(())
    }

    /// For each job of a submission the one that was accepted under its idempotency key before. Empty when
    /// there is none.
    fn known(&mut self, submission: &Submission) -> Result<Result<Vec<Option<JobId>>, Refusal>, Error> {
        let keyed = submission.rows.iter().filter(|row| row.idempotency.is_some()).count();
        if keyed == 0 {
            return Ok(Ok(Vec::new()));
        }
        let mut known = Vec::with_capacity(submission.rows.len());
        for row in &submission.rows {
            let Some((key, digest)) = &row.idempotency else {
                known.push(None);
                continue;
            };
            let found = self.idempotency.open(self.txn)?.get(key.as_slice()).map_err(storage)?.map(|row| row.value());
            known.push(match found {
                None => None,
                Some((_, other)) if other != *digest => return Ok(Err(another_job(row))),
                Some((seq, _)) => Some(self.id_of(seq)?),
            });
        }
        let found = known.iter().flatten().count();
        if submission.joined && found > 0 {
            return self.whole_submission(submission, &known, found == keyed);
        }
        Ok(Ok(known))
    }

    /// A joined submission was accepted before: its jobs have consecutive sequence numbers, so those without
    /// a key are found beside those with one.
    fn whole_submission(
        &mut self,
        submission: &Submission,
        known: &[Option<JobId>],
        all_keys: bool,
    ) -> Result<Result<Vec<Option<JobId>>, Refusal>, Error> {
        let bases = known.iter().zip(0_u64..).filter_map(|(id, at)| id.as_ref().map(|id| id.seq().wrapping_sub(at)));
        let mut bases: Vec<Seq> = bases.collect();
        bases.dedup();
        let (true, [base]) = (all_keys, bases.as_slice()) else {
            let text = "some jobs of this submission were accepted before under their idempotency keys and others not";
            return Ok(Err(Refusal::Error(Error::Conflict(text.into()))));
        };
        let mut ids = Vec::with_capacity(known.len());
        for (row, seq) in submission.rows.iter().zip(*base..) {
            let spec = self.spec.open(self.txn)?.get(seq).map_err(storage)?;
            let stored = spec.map(|spec| records::decode_job(seq, spec.value(), Status::default())).transpose()?;
            // What has no key is known by where it stands and by what was asked for.
            let Some(Stored { job, .. }) = stored.filter(|Stored { job, large_input, told, .. }| {
                let is_same = is_same_spec(&job.spec, &row.stored.job.spec)
                    && *large_input == row.stored.large_input
                    && *told == row.stored.told;
                job.chain.is_some_and(|chain| chain.seq() == *base) && is_same
            }) else {
                let text = "a job of this submission was accepted before as part of another one, or of one that is \
                            partly forgotten";
                return Ok(Err(Refusal::Error(Error::Conflict(text.into()))));
            };
            ids.push(Some(job.id));
        }
        Ok(Ok(ids))
    }

    fn id_of(&mut self, seq: Seq) -> Result<JobId, Error> {
        // It may have come in this very group.
        self.write_new()?;
        let spec = self.spec.open(self.txn)?.get(seq).map_err(storage)?;
        let spec = spec.ok_or_else(|| Error::Storage(format!("the spec record {seq} is missing")))?;
        records::decode_id(seq, spec.value())
    }

    fn queues_are_full(&mut self, submission: &Submission, known: &[Option<JobId>]) -> Option<Refusal> {
        let is_new = |at: usize| known.get(at).is_none_or(Option::is_none);
        let rows = submission.rows.iter().enumerate().filter(|(at, _)| is_new(*at));
        let mut queues: Vec<&str> = rows.map(|(_, row)| row.stored.job.spec.slots_of()).collect();
        queues.sort_unstable();
        let adds =
            || queues.chunk_by(|one, other| one == other).filter_map(|run| Some((*run.first()?, run.len() as u64)));
        let index = lock(self.index);
        for (queue, add) in adds() {
            let have = index.live_in(queue) + self.added.get(queue).copied().unwrap_or(0);
            if have + add > submission.queue_limit {
                let what = format!("the queue \"{queue}\"");
                return Some(Refusal::Error(Error::Full { what, limit: submission.queue_limit }));
            }
        }
        drop(index);
        for (queue, add) in adds() {
            match self.added.get_mut(queue) {
                Some(added) => *added += add,
                None => drop(self.added.insert(queue.to_owned(), add)),
            }
        }
        None
    }

    pub(super) fn number(&mut self, kind: u8, name: &str) -> Result<u32, Error> {
        if let Some(number) = self.names.numbers.get(&(kind, name.to_owned())) {
            return Ok(*number);
        }
        let number = self.names.numbers.len() as u32;
        self.name.open(self.txn)?.insert((kind, name), number).map_err(storage)?;
        self.names.numbers.insert((kind, name.to_owned()), number);
        Ok(number)
    }

    pub(super) fn note(&mut self, seq: Seq, bytes: &[u8]) -> Result<Reply, Error> {
        let events = self.event.open(self.txn)?;
        let last =
            events.range((seq, 0)..=(seq, u32::MAX)).map_err(storage)?.next_back().transpose().map_err(storage)?;
        let position = last.map_or(0, |(key, _)| key.value().1.saturating_add(1));
        if position < super::EVENTS_OF_A_JOB {
            events.insert((seq, position), bytes).map_err(storage)?;
        }
        Ok(Reply::Done)
    }

    fn reseal(&mut self, rows: &[(Seq, Vec<u8>)]) -> Result<Reply, Error> {
        let specs = self.spec.open(self.txn)?;
        for (seq, bytes) in rows {
            // A job that was pruned meanwhile stays away.
            if specs.get(*seq).map_err(storage)?.is_some() {
                specs.insert(*seq, bytes.as_slice()).map_err(storage)?;
            }
        }
        Ok(Reply::Done)
    }

    fn prune(&mut self, rows: &[Pruned]) -> Result<Reply, Error> {
        for Pruned { job } in rows {
            let seq = job.seq();
            if self.done.open(self.txn)?.remove(seq).map_err(storage)?.is_none() {
                continue;
            }
            self.spec.open(self.txn)?.remove(seq).map_err(storage)?;
            self.output.open(self.txn)?.remove(seq).map_err(storage)?;
            self.forget_outputs(job)?;
            self.event.open(self.txn)?.retain_in((seq, 0)..=(seq, u32::MAX), |_, _| false).map_err(storage)?;
            if let Some(key) = super::idempotency_key(&job.spec) {
                self.idempotency.open(self.txn)?.remove(key.as_slice()).map_err(storage)?;
            }
            for (kind, name) in indexed_names(job) {
                let number = self.number(kind, name)?;
                self.by_name.open(self.txn)?.remove((number, seq)).map_err(storage)?;
            }
            self.by_state.open(self.txn)?.remove((job.status.state.into(), seq)).map_err(storage)?;
            if let Some(item) = &job.spec.item {
                self.by_item.open(self.txn)?.remove((item.job.seq(), seq)).map_err(storage)?;
            }
            self.forget_fire(job)?;
        }
        // The newest job may be among them: its number is not given out again.
        let floor = rows.iter().map(|pruned| pruned.job.seq() + 1).max().unwrap_or(0);
        let table = self.meta.open(self.txn)?;
        let old = table.get(meta::SEQ_FLOOR).map_err(storage)?.and_then(|row| read_u64(row.value())).unwrap_or(0);
        table.insert(meta::SEQ_FLOOR, floor.max(old).to_le_bytes().as_slice()).map_err(storage)?;
        Ok(Reply::Done)
    }
}

/// Reads a row of eight little-endian bytes.
pub(super) fn read_u64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// The names that a job is found by: its config, the pipeline whose run it begins, and its project unless it is the
/// default one.
fn indexed_names(job: &Job) -> impl Iterator<Item = (u8, &str)> {
    let project = Some(job.spec.project.as_str()).filter(|name| *name != DEFAULT_NAME);
    let config = job.spec.config.as_deref();
    let node = job.spec.node.as_ref().filter(|node| node.run.is_some());
    let names =
        [(KIND_PROJECT, project), (KIND_CONFIG, config), (KIND_PIPELINE, node.map(|node| node.pipeline.as_str()))];
    names.into_iter().filter_map(|(kind, name)| Some((kind, name?)))
}

/// Whether the same was asked for: a job of an item may have been one of another job.
fn is_same_spec(one: &JobSpec, other: &JobSpec) -> bool {
    match (&one.item, &other.item) {
        (Some(of_one), Some(of_other)) => {
            let other = JobSpec { item: one.item.clone(), ..other.clone() };
            of_one.name == of_other.name && *one == other
        }
        _ => one == other,
    }
}

fn another_job(row: &NewRow) -> Refusal {
    let key = row.stored.job.spec.idempotency_key.as_deref().unwrap_or_default();
    let project = &row.stored.job.spec.project;
    Refusal::Error(Error::Conflict(format!(
        "the idempotency key {key:?} of project \"{project}\" was used for a job with another spec"
    )))
}

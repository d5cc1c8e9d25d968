//! Output records: what jobs have left behind, by job and by type.

use redb::{ReadOnlyTable, ReadableTable};
use serde::{Deserialize, Serialize};

use super::changes::Answer;
use super::commit::Group;
use super::group::{Change, Op, Refusal, Reply};
use super::records::{check_version, decode, decode_id, encode_event, versioned};
use super::tables::{BY_OUTPUT_TYPE, KIND_OUTPUT_TYPE, NAME, OUTPUT_RECORD, SPEC};
use super::writer::Urgency;
use super::{Store, storage};
use crate::error::Error;
use crate::job::output::NewOutput;
use crate::job::{Job, JobFact, JobId, OutputId, Seq, Timestamp};

/// What a success leaves behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// Its output value; empty where that is in a file beside the store.
    pub(crate) value: Option<Vec<u8>>,
    /// Output records.
    pub(crate) outputs: Vec<NewOutput>,
    /// How many of them a job may have.
    pub(crate) most: u32,
    /// Why others are not among them.
    pub(crate) refused: Vec<JobFact>,
}

/// An output record read back.
#[derive(Clone, Debug)]
pub(crate) struct StoredOutput {
    pub(crate) id: OutputId,
    pub(crate) of: Option<(String, u32)>,
    pub(crate) created_at: Timestamp,
    pub(crate) value: Vec<u8>,
}

/// Where a list of the records of a type goes on: after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputPlace {
    pub(crate) created_at: Timestamp,
    pub(crate) seq: Seq,
    pub(crate) number: u32,
}

/// A record as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct OutputRecord {
    /// Its type, and the revision that has accepted it.
    of: Option<(String, u32)>,
    created_at: Timestamp,
    #[serde(with = "serde_bytes")]
    value: Vec<u8>,
}

/// A record on its way to the disk.
#[derive(Debug)]
pub(super) struct OutputWrite {
    from: String,
    /// The project and the name of its type, as a name in the table of names.
    type_name: Option<String>,
    created_at: Timestamp,
    row: Vec<u8>,
    /// How many the job may have.
    most: u32,
}

impl OutputWrite {
    pub(super) fn new(project: &str, new: NewOutput, most: u32, now: Timestamp) -> Result<Self, Error> {
        let NewOutput { from, of, value } = new;
        let type_name = of.as_ref().map(|(name, _)| type_name(project, name));
        let row = versioned(&OutputRecord { of, created_at: now, value })?;
        Ok(OutputWrite { from, type_name, created_at: now, row, most })
    }
}

/// No name holds a slash.
fn type_name(project: &str, name: &str) -> String {
    format!("{project}/{name}")
}

impl<'s> Group<'_, 's> {
    /// Writes a record of a job that is there.
    pub(super) fn output_of_job(&mut self, seq: Seq, output: &'s OutputWrite) -> Result<Answer, Error> {
        // The job may have come in this very group.
        self.write_new()?;
        if self.spec.open(self.txn)?.get(seq).map_err(storage)?.is_none() {
            return Ok(Err(Refusal::Error(Error::NotFound(seq.to_string()))));
        }
        Ok(match self.write_output(seq, output)? {
            Some(number) => Ok(Reply::Number(number)),
            None => {
                let what = "the list of output records of the job".to_owned();
                Err(Refusal::Error(Error::Full { what, limit: output.most.into() }))
            }
        })
    }

    /// Writes what goes with the end of a job. A record that is one too many is refused and told.
    pub(super) fn outputs_of_end(&mut self, change: &'s Change) -> Result<(), Error> {
        let seq = change.after.seq();
        for output in &change.outputs {
            if self.write_output(seq, output)?.is_none() {
                let why = format!("the job has as many output records as it may; allowed: at most {}", output.most);
                let fact = JobFact::OutputRefused { file: output.from.clone(), why };
                self.note(seq, &encode_event(output.created_at, &fact)?)?;
            }
        }
        for (at, fact) in &change.refused {
            self.note(seq, &encode_event(*at, fact)?)?;
        }
        Ok(())
    }

    /// The number that it has got; `None` when there are as many as there may be.
    fn write_output(&mut self, seq: Seq, output: &OutputWrite) -> Result<Option<u32>, Error> {
        let number = {
            let records = self.output_record.open(self.txn)?;
            let mut of_job = records.range((seq, 0)..=(seq, u32::MAX)).map_err(storage)?;
            let last = of_job.next_back().transpose().map_err(storage)?;
            last.map_or(0, |(key, _)| key.value().1.saturating_add(1))
        };
        if number >= output.most {
            return Ok(None);
        }
        self.output_record.open(self.txn)?.insert((seq, number), output.row.as_slice()).map_err(storage)?;
        if let Some(name) = &output.type_name {
            let key = (self.number(KIND_OUTPUT_TYPE, name)?, output.created_at.as_millis(), seq, number);
            self.by_output_type.open(self.txn)?.insert(key, ()).map_err(storage)?;
        }
        Ok(Some(number))
    }

    /// Forgets the records of a job.
    pub(super) fn forget_outputs(&mut self, job: &Job) -> Result<(), Error> {
        let seq = job.seq();
        let mut typed = Vec::new();
        for row in self.output_record.open(self.txn)?.range((seq, 0)..=(seq, u32::MAX)).map_err(storage)? {
            let (key, row) = row.map_err(storage)?;
            let record = read_record(row.value())?;
            typed.extend(record.of.map(|(name, _)| (name, record.created_at.as_millis(), key.value().1)));
        }
        for (name, at, number) in typed {
            let key = (self.number(KIND_OUTPUT_TYPE, &type_name(&job.spec.project, &name))?, at, seq, number);
            self.by_output_type.open(self.txn)?.remove(key).map_err(storage)?;
        }
        let records = self.output_record.open(self.txn)?;
        records.retain_in((seq, 0)..=(seq, u32::MAX), |_, _| false).map_err(storage)
    }
}

impl Store {
    /// Stores an output record of a job; returns its id when it is on disk.
    pub(crate) async fn add_output(
        &self,
        job: &Job,
        new: NewOutput,
        most: u32,
        now: Timestamp,
    ) -> Result<OutputId, Error> {
        let output = OutputWrite::new(&job.spec.project, new, most, now)?;
        match self.send(Op::Output { seq: job.seq(), output }, Urgency::Waited).await {
            Ok(Reply::Number(number)) => Ok(OutputId { job: job.id, number }),
            Ok(Reply::Done | Reply::Ids(_)) => Err(Error::Closed),
            Err(Error::NotFound(_)) => Err(Error::NotFound(job.id.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The records of a job from this number on, oldest first, until they are `most` or weigh `most_bytes`.
    pub(crate) fn outputs(&self, job: JobId, from: u32, most: usize, most_bytes: usize) -> Result<OutputRows, Error> {
        let rows = self.writer.begin_read()?.open_table(OUTPUT_RECORD).map_err(storage)?;
        let mut page = OutputRows::new(most, most_bytes);
        for row in rows.range((job.seq(), from)..=(job.seq(), u32::MAX)).map_err(storage)? {
            let (key, row) = row.map_err(storage)?;
            let id = OutputId { job, number: key.value().1 };
            if !page.takes(stored(id, row.value())?) {
                break;
            }
        }
        Ok(page)
    }

    /// The records of a type, newest first, after this place.
    pub(crate) fn outputs_of_type(
        &self,
        (project, name): (&str, &str),
        after: Option<OutputPlace>,
        most: usize,
        most_bytes: usize,
    ) -> Result<OutputRows, Error> {
        let read = self.writer.begin_read()?;
        let mut page = OutputRows::new(most, most_bytes);
        let names = read.open_table(NAME).map_err(storage)?;
        let of = names.get((KIND_OUTPUT_TYPE, type_name(project, name).as_str())).map_err(storage)?;
        let Some(of) = of.map(|of| of.value()) else { return Ok(page) };
        let rows = read.open_table(BY_OUTPUT_TYPE).map_err(storage)?;
        let (records, specs) =
            (read.open_table(OUTPUT_RECORD).map_err(storage)?, read.open_table(SPEC).map_err(storage)?);
        let end =
            after.map_or((of, u64::MAX, u64::MAX, u32::MAX), |it| (of, it.created_at.as_millis(), it.seq, it.number));
        for row in rows.range((of, 0, 0, 0)..end).map_err(storage)?.rev() {
            let (_, _, seq, number) = row.map_err(storage)?.0.value();
            let row = records.get((seq, number)).map_err(storage)?;
            let (Some(row), Some(spec)) = (row, specs.get(seq).map_err(storage)?) else { continue };
            let id = OutputId { job: decode_id(seq, spec.value())?, number };
            if !page.takes(stored(id, row.value())?) {
                break;
            }
        }
        Ok(page)
    }
}

/// Records that are read together. One of them is always taken, or nobody would get past it.
#[derive(Debug)]
pub(crate) struct OutputRows {
    pub(crate) outputs: Vec<StoredOutput>,
    /// There are more of them.
    pub(crate) more: bool,
    most: usize,
    bytes_left: usize,
}

impl OutputRows {
    fn new(most: usize, bytes_left: usize) -> Self {
        OutputRows { outputs: Vec::new(), more: false, most: most.max(1), bytes_left }
    }

    fn takes(&mut self, output: StoredOutput) -> bool {
        let bytes = output.value.len();
        let fits = self.outputs.len() < self.most && (self.outputs.is_empty() || bytes <= self.bytes_left);
        if fits {
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
            self.outputs.push(output);
        }
        self.more = !fits;
        fits
    }
}

fn stored(id: OutputId, row: &[u8]) -> Result<StoredOutput, Error> {
    let OutputRecord { of, created_at, value } = read_record(row)?;
    Ok(StoredOutput { id, of, created_at, value })
}

fn read_record(row: &[u8]) -> Result<OutputRecord, Error> {
    decode("an output record", check_version(row)?)
}

/// What the records of a job weigh.
pub(super) fn bytes_of_outputs(records: &ReadOnlyTable<(u64, u32), &'static [u8]>, seq: Seq) -> Result<u64, Error> {
    let mut bytes = 0;
    for row in records.range((seq, 0)..=(seq, u32::MAX)).map_err(storage)? {
        bytes += row.map_err(storage)?.1.value().len() as u64;
    }
    Ok(bytes)
}

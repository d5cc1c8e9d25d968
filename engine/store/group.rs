//! The operations that travel to the writer, and what comes back.

use tokio::sync::oneshot;

use super::Stored;
use super::documents::DocumentWrite;
use super::outputs::OutputWrite;
use super::schedules::ScheduleWrite;
use crate::error::Error;
use crate::job::{Job, JobEvent, JobFact, JobId, Seq, Timestamp};

/// One operation: happens as a whole or not at all.
#[derive(Debug)]
pub(super) enum Op {
    /// New jobs.
    Insert(Submission),
    /// Changes of live jobs that belong together.
    Change(Vec<Change>),
    /// An output record of a job, live or over.
    Output { seq: Seq, output: OutputWrite },
    /// A fact that changes nothing.
    Note { id: JobId, at: Timestamp, fact: JobFact, bytes: Vec<u8> },
    /// Spec records with their options sealed anew.
    Reseal(Vec<(Seq, Vec<u8>)>),
    /// Jobs that are over and forgotten.
    Prune(Vec<Pruned>),
    /// Documents, and the state of schedules that goes with them.
    Documents { seen: u64, documents: Vec<DocumentWrite>, schedules: Vec<ScheduleWrite> },
    /// Revisions of documents with their options sealed anew.
    ResealDocuments(Vec<DocumentWrite>),
    /// Fires of a schedule.
    Fire(FireWrite),
    /// A row of the meta table.
    Meta(&'static str, Vec<u8>),
    /// Nothing; is answered when everything before it is on disk.
    Flush,
}

/// Jobs that are accepted together.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) rows: Vec<NewRow>,
    /// The jobs are joined by `after` edges, so a repeated submission is repeated as a whole.
    pub(super) joined: bool,
    /// How many live jobs a queue may hold.
    pub(super) queue_limit: u64,
}

/// Fires of a schedule: their jobs, what they change in it, and their nominal times with their first jobs.
#[derive(Debug)]
pub(super) struct FireWrite {
    pub(super) submission: Submission,
    pub(super) schedule: ScheduleWrite,
    pub(super) fires: Vec<(u64, Seq)>,
}

/// One new job, encoded.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) stored: Stored,
    pub(super) spec: Vec<u8>,
    pub(super) live: Vec<u8>,
    /// Its idempotency key as a key of the table, and the digest of what was asked for.
    pub(super) idempotency: Option<(Vec<u8>, [u8; 16])>,
}

/// One change of a live job, decided and encoded.
#[derive(Debug)]
pub(crate) struct Change {
    pub(super) before: Job,
    pub(super) after: Job,
    /// The new live record, or the done record when the job is over.
    pub(super) bytes: Vec<u8>,
    pub(super) fact: Option<(Timestamp, JobFact)>,
    /// The fact as it is stored, where it is.
    pub(super) event: Option<Vec<u8>>,
    pub(super) output: Option<Vec<u8>>,
    /// Output records that go with its end.
    pub(super) outputs: Vec<OutputWrite>,
    /// Why others are not among them: told and stored.
    pub(super) refused: Vec<(Timestamp, JobFact)>,
}

/// A finished job that is to be forgotten, with what its index rows are made of.
#[derive(Clone, Debug)]
pub(super) struct Pruned {
    pub(super) job: Job,
}

/// What a caller gets back.
#[derive(Debug)]
pub(super) enum Reply {
    /// The ids of the submission, in order.
    Ids(Vec<JobId>),
    /// The number of the output record.
    Number(u32),
    /// It is on disk.
    Done,
}

/// Why an operation was refused; nothing of it was stored.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A job has changed since the operation was decided: decide again.
    Stale,
    /// For good.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

/// An operation on its way, and where the answer goes.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) op: Op,
    pub(super) reply: Option<oneshot::Sender<Result<Reply, Refusal>>>,
}

impl Envelope {
    /// Answers whoever waits; nobody may, any more.
    pub(super) fn answer(self, result: Result<Reply, Refusal>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(result);
        }
    }
}

impl Op {
    /// Rows it writes, the measure of a group.
    pub(super) fn rows(&self) -> usize {
        match self {
            Op::Insert(submission) => submission.rows.len(),
            Op::Change(changes) => changes.iter().map(|change| 1 + change.outputs.len()).sum(),
            Op::Reseal(rows) => rows.len(),
            Op::Prune(rows) => rows.len(),
            Op::Documents { documents, schedules, .. } => documents.len() + schedules.len(),
            Op::ResealDocuments(rows) => rows.len(),
            Op::Fire(fire) => 1 + fire.submission.rows.len(),
            Op::Output { .. } | Op::Note { .. } | Op::Meta(..) | Op::Flush => 1,
        }
    }
}

/// What one group has put on disk, told to the runtime in the order of the operations.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Facts for subscribers; empty when nobody listens.
    pub(crate) events: Vec<JobEvent>,
    /// Jobs that reached their final state.
    pub(crate) finished: Vec<Seq>,
    /// Those of them that somebody waits for.
    pub(crate) awaited: Vec<Job>,
    /// Jobs that are being stopped from now on.
    pub(crate) stopping: Vec<Seq>,
    /// Some job became ready.
    pub(crate) ready: bool,
    /// The earliest due time may have changed.
    pub(crate) ticks: bool,
}

/// Who is told about committed groups, on the thread that committed.
pub(crate) trait Listener: Send + Sync + 'static {
    /// Whether anybody wants the events.
    fn wants_events(&self) -> bool;
    /// Whether anybody waits for the end of this job.
    fn awaits(&self, job: Seq) -> bool;
    /// A group is on disk and in the index.
    fn committed(&self, group: Committed);
    /// Runs this soon, on a thread that runs tasks.
    fn deliver(&self, answers: Box<dyn FnOnce() + Send>);
    /// The store has failed and acknowledges nothing more.
    fn failed(&self, message: &str);
}

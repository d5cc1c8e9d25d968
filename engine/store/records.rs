//! Records as they are on disk: a version byte, then MessagePack in array form.
//!
//! A live record starts with its revision and its [`Placement`], so that the writer can compare revisions and
//! opening can build the index without decoding the rest. New fields go to the end of a struct, with a
//! default; a change that cannot be made so is a new version.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::documents::DocumentRecord;
use crate::error::Error;
use crate::job::{
    After, Deadlines, Delivery, Fetch, Fired, InputFile, ItemOf, Items, Job, JobFact, JobId, JobSpec, NodeRun, OnCrash,
    RetryPolicy, RunOptions, ScheduleStatus, Seq, State, Status, Task, Timestamp, Told, spec::DEFAULT_NAME,
};
use crate::secret::Sealed;

/// The version that is written.
pub(super) const VERSION: u8 = 1;

/// What a spec record begins with, so that ids and chains are read without decoding the rest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Head {
    created_at: Timestamp,
    tag: u32,
    /// Sequence number and tag of the first job of the chain.
    chain: Option<(Seq, u32)>,
}

/// The immutable part of a job.
#[derive(Debug, Serialize, Deserialize)]
struct SpecRecord<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    project: Option<Cow<'a, str>>,
    #[serde(borrow)]
    queue: Option<Cow<'a, str>>,
    #[serde(borrow)]
    config: Option<Cow<'a, str>>,
    priority: u8,
    task: Cow<'a, Task>,
    /// The run options and what fetchers and sinks are told, sealed; `None` when there is nothing of these.
    private: Option<Cow<'a, Sealed>>,
    retry: Option<Cow<'a, RetryPolicy>>,
    deadlines: Option<Deadlines>,
    on_crash: OnCrash,
    stop_grace_ms: u64,
    after: Cow<'a, [After]>,
    hold: bool,
    open_items: bool,
    start_at: Option<Timestamp>,
    idempotency_key: Option<Cow<'a, str>>,
    /// The digest of the input that lies in a file beside the store.
    large_input: Option<[u8; 16]>,
    #[serde(default)]
    config_revision: Option<u32>,
    #[serde(default)]
    fired: Option<Cow<'a, Fired>>,
    #[serde(default)]
    node: Option<Cow<'a, NodeRun>>,
    /// The parameters of the run of a pipeline whose first job it is, sealed.
    #[serde(default)]
    parameters: Option<Cow<'a, Sealed>>,
    /// The paths of its input files; what they hold lies beside the store.
    #[serde(default)]
    inputs: Vec<Cow<'a, str>>,
    /// The paths of its project that it reads, and those that it writes.
    #[serde(default)]
    reads: Cow<'a, [String]>,
    #[serde(default)]
    writes: Cow<'a, [String]>,
    /// Fetchers, and where what they bring goes to.
    #[serde(default)]
    fetches: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Sinks, what they take, and whether the log too.
    #[serde(default)]
    deliveries: Vec<(Cow<'a, str>, Cow<'a, str>, bool)>,
    #[serde(default)]
    items: Option<ItemsRecord<'a>>,
    #[serde(default)]
    item: Option<Cow<'a, ItemOf>>,
    /// The digest of what its fetchers and sinks are told and of the input files that are sealed.
    #[serde(default)]
    told: Option<[u8; 16]>,
}

/// The items of a job: their fetchers with where what they bring goes to.
#[derive(Debug, Serialize, Deserialize)]
struct ItemsRecord<'a> {
    items: Cow<'a, Items>,
    #[serde(borrow)]
    listed: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(borrow)]
    rows: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Where the in-memory index puts a live job; what opening the store reads of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Placement<'a> {
    /// `None`: the default queue.
    #[serde(borrow)]
    pub(super) queue: Option<Cow<'a, str>>,
    pub(super) state: State,
    pub(super) priority: u8,
    pub(super) ready_at: Timestamp,
    pub(super) tick: Option<Timestamp>,
    pub(super) after: Cow<'a, [Seq]>,
}

/// A job read back. What is private is still sealed, so it is empty in the spec.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) job: Job,
    pub(crate) private: Option<Sealed>,
    /// The parameters of the run of a pipeline, on its first job; those in the spec are empty.
    pub(crate) parameters: Option<Sealed>,
    /// The digest of the input, or of the input files, that lie in a file beside the store; those in the spec are empty.
    pub(crate) large_input: Option<[u8; 16]>,
    /// The digest of what its fetchers and sinks are told and of the input files that are sealed.
    pub(crate) told: Option<[u8; 16]>,
}

fn non_default(name: &str) -> Option<Cow<'_, str>> {
    (name != DEFAULT_NAME).then_some(Cow::Borrowed(name))
}

fn or_default(name: Option<Cow<'_, str>>) -> String {
    name.map_or_else(|| DEFAULT_NAME.to_owned(), Cow::into_owned)
}

/// A record could not be written or read: a defect of this program or of the file.
fn broken(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Storage(format!("{what}: {error}"))
}

fn encode<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    rmp_serde::encode::write(out, value).map_err(|error| broken("a record cannot be encoded", error))
}

pub(super) fn check_version(bytes: &[u8]) -> Result<&[u8], Error> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((version, _)) => Err(broken("a record has an unknown version", version)),
        None => Err(broken("a record is empty", "no bytes")),
    }
}

pub(super) fn decode<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T, Error> {
    rmp_serde::from_slice(bytes).map_err(|error| broken(what, error))
}

/// What is sealed of a spec, and stands for what it was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seals<'a> {
    pub(super) private: Option<&'a Sealed>,
    pub(super) parameters: Option<&'a Sealed>,
    /// The digest of what is sealed but for the options, where there is something.
    pub(super) told: Option<[u8; 16]>,
}

/// Encodes what was asked for.
pub(super) fn encode_spec(job: &Job, seals: Seals<'_>, large_input: Option<[u8; 16]>) -> Result<Vec<u8>, Error> {
    let spec = &*job.spec;
    let head = Head {
        created_at: job.created_at,
        tag: job.id.tag(),
        chain: job.chain.map(|chain| (chain.seq(), chain.tag())),
    };
    let record = SpecRecord {
        name: spec.name.as_deref().map(Cow::Borrowed),
        project: non_default(&spec.project),
        queue: non_default(&spec.queue),
        config: spec.config.as_deref().map(Cow::Borrowed),
        priority: spec.priority,
        task: Cow::Borrowed(&spec.task),
        private: seals.private.map(Cow::Borrowed),
        retry: (spec.retry != RetryPolicy::default()).then_some(Cow::Borrowed(&spec.retry)),
        deadlines: (spec.deadlines != Deadlines::default()).then_some(spec.deadlines),
        on_crash: spec.on_crash,
        stop_grace_ms: spec.stop_grace_ms,
        after: Cow::Borrowed(&spec.after),
        hold: spec.hold,
        open_items: spec.open_items,
        start_at: spec.start_at,
        idempotency_key: spec.idempotency_key.as_deref().map(Cow::Borrowed),
        large_input,
        config_revision: spec.config_revision,
        fired: spec.fired.as_ref().map(Cow::Borrowed),
        node: spec.node.as_ref().map(Cow::Borrowed),
        parameters: seals.parameters.map(Cow::Borrowed),
        inputs: spec.inputs.iter().map(|input| Cow::Borrowed(input.path.as_str())).collect(),
        reads: Cow::Borrowed(&spec.reads),
        writes: Cow::Borrowed(&spec.writes),
        fetches: spec.fetches.iter().map(|it| (it.from.as_str().into(), it.to.as_str().into())).collect(),
        deliveries: spec.deliveries.iter().map(|it| (it.to.as_str().into(), it.from.as_str().into(), it.log)).collect(),
        items: spec.items.as_ref().map(|items| ItemsRecord {
            items: Cow::Borrowed(items),
            listed: items.listed.iter().map(|it| (it.from.as_str().into(), it.to.as_str().into())).collect(),
            rows: items.rows.iter().map(|it| (it.from.as_str().into(), it.to.as_str().into())).collect(),
        }),
        item: spec.item.as_ref().map(Cow::Borrowed),
        told: seals.told,
    };
    let mut out = Vec::with_capacity(256 + spec.task.payload_bytes());
    out.push(VERSION);
    encode(&mut out, &head)?;
    encode(&mut out, &record)?;
    Ok(out)
}

/// The two parts of a spec record.
fn split_spec(bytes: &[u8]) -> Result<(Head, SpecRecord<'_>), Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(check_version(bytes)?);
    let head = Head::deserialize(&mut reader);
    let both = head.and_then(|head| Ok((head, SpecRecord::deserialize(&mut reader)?)));
    both.map_err(|error| broken("a spec record", error))
}

/// Encodes the state of a schedule; its revision stands first.
pub(super) fn encode_schedule(status: &ScheduleStatus) -> Result<Vec<u8>, Error> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&status.rev.to_le_bytes());
    encode(&mut out, status)?;
    Ok(out)
}

/// The revision of the state of a schedule.
pub(super) fn schedule_rev(bytes: &[u8]) -> Result<u32, Error> {
    split_rev(bytes).map(|(rev, _)| rev)
}

/// Decodes the state of a schedule.
pub(super) fn decode_schedule(bytes: &[u8]) -> Result<ScheduleStatus, Error> {
    decode("the state of a schedule", split_rev(bytes)?.1)
}

/// Encodes a revision of a document.
pub(super) fn encode_document(record: &DocumentRecord) -> Result<Vec<u8>, Error> {
    versioned(record)
}

/// Decodes a revision of a document.
pub(super) fn decode_document(bytes: &[u8]) -> Result<DocumentRecord, Error> {
    decode("a document", check_version(bytes)?)
}

pub(super) fn versioned<T: Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    let mut out = vec![VERSION];
    encode(&mut out, record)?;
    Ok(out)
}

/// What is sealed in a spec record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealedField {
    /// What is private of the job.
    Private,
    /// The parameters of a run of a pipeline.
    Parameters,
}

/// The same spec record with what is sealed in it sealed anew; `None` when there is nothing to seal.
pub(super) fn reseal_spec(
    bytes: &[u8],
    reseal: impl Fn(SealedField, &Sealed) -> Result<Option<Sealed>, Error>,
) -> Result<Option<Vec<u8>>, Error> {
    let (head, mut record) = split_spec(bytes)?;
    let anew =
        |field, sealed: Option<&Sealed>| Ok::<_, Error>(sealed.map(|it| reseal(field, it)).transpose()?.flatten());
    let private = anew(SealedField::Private, record.private.as_deref())?;
    let parameters = anew(SealedField::Parameters, record.parameters.as_deref())?;
    if private.is_none() && parameters.is_none() {
        return Ok(None);
    }
    record.private = private.map(Cow::Owned).or(record.private);
    record.parameters = parameters.map(Cow::Owned).or(record.parameters);
    let mut out = Vec::with_capacity(bytes.len() + 16);
    out.push(VERSION);
    encode(&mut out, &head)?;
    encode(&mut out, &record)?;
    Ok(Some(out))
}

/// Decodes a job from its spec record and its status.
pub(super) fn decode_job(seq: Seq, spec: &[u8], status: Status) -> Result<Stored, Error> {
    let (head, record) = split_spec(spec)?;
    let id = JobId::new(seq, head.created_at, head.tag);
    let chain = head.chain.map(|(seq, tag)| JobId::new(seq, head.created_at, tag));
    let spec = JobSpec {
        name: record.name.map(Cow::into_owned),
        project: or_default(record.project),
        queue: or_default(record.queue),
        config: record.config.map(Cow::into_owned),
        config_revision: record.config_revision,
        priority: record.priority,
        task: record.task.into_owned(),
        options: RunOptions::new(),
        retry: record.retry.map(Cow::into_owned).unwrap_or_default(),
        deadlines: record.deadlines.unwrap_or_default(),
        on_crash: record.on_crash,
        stop_grace_ms: record.stop_grace_ms,
        after: record.after.into_owned(),
        hold: record.hold,
        open_items: record.open_items,
        start_at: record.start_at,
        idempotency_key: record.idempotency_key.map(Cow::into_owned),
        fired: record.fired.map(Cow::into_owned),
        node: record.node.map(Cow::into_owned),
        inputs: record.inputs.into_iter().map(placed_beside).collect(),
        reads: record.reads.into_owned(),
        writes: record.writes.into_owned(),
        fetches: record.fetches.into_iter().map(untold_fetch).collect(),
        deliveries: record.deliveries.into_iter().map(untold_delivery).collect(),
        items: record.items.map(|record| Items {
            listed: record.listed.into_iter().map(untold_fetch).collect(),
            rows: record.rows.into_iter().map(untold_fetch).collect(),
            ..record.items.into_owned()
        }),
        item: record.item.map(Cow::into_owned),
    };
    let job = Job { id, chain, created_at: head.created_at, spec: Arc::new(spec), status };
    let sealed = |sealed: Option<Cow<'_, Sealed>>| sealed.map(Cow::into_owned);
    let (private, parameters) = (sealed(record.private), sealed(record.parameters));
    Ok(Stored { job, private, parameters, large_input: record.large_input, told: record.told })
}

/// A fetch of a stored job.
fn untold_fetch((from, to): (Cow<'_, str>, Cow<'_, str>)) -> Fetch {
    Fetch { from: from.into_owned(), told: Told::default(), to: to.into_owned() }
}

/// A delivery of a stored job.
fn untold_delivery((to, from, log): (Cow<'_, str>, Cow<'_, str>, bool)) -> Delivery {
    Delivery { to: to.into_owned(), told: Told::default(), from: from.into_owned(), log }
}

/// An input file of a stored job.
fn placed_beside(path: Cow<'_, str>) -> InputFile {
    InputFile { path: path.into_owned(), content: Vec::new() }
}

/// The id of a job, read without decoding the rest.
pub(super) fn decode_id(seq: Seq, spec: &[u8]) -> Result<JobId, Error> {
    let head = decode_head(seq, spec)?;
    Ok(JobId::new(seq, head.created_at, head.tag))
}

/// The chain of a job, read without decoding the rest.
pub(super) fn decode_chain(seq: Seq, spec: &[u8]) -> Result<Option<JobId>, Error> {
    let head = decode_head(seq, spec)?;
    Ok(head.chain.map(|(seq, tag)| JobId::new(seq, head.created_at, tag)))
}

fn decode_head(seq: Seq, spec: &[u8]) -> Result<Head, Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(check_version(spec)?);
    Head::deserialize(&mut reader).map_err(|error| broken(&format!("spec record {seq}"), error))
}

/// Encodes a live record.
pub(super) fn encode_live(job: &Job, placement: &Placement<'_>) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(96);
    out.push(VERSION);
    out.extend_from_slice(&job.status.rev.to_le_bytes());
    encode(&mut out, placement)?;
    encode(&mut out, &job.status)?;
    Ok(out)
}

/// The revision of a live record.
pub(super) fn live_rev(bytes: &[u8]) -> Result<u32, Error> {
    split_rev(bytes).map(|(rev, _)| rev)
}

fn split_rev(bytes: &[u8]) -> Result<(u32, &[u8]), Error> {
    let rest = check_version(bytes)?;
    let (rev, rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("a live record", "is too short"))?;
    Ok((u32::from_le_bytes(*rev), rest))
}

/// The placement of a live record.
pub(super) fn decode_placement(bytes: &[u8]) -> Result<Placement<'_>, Error> {
    let (_, rest) = split_rev(bytes)?;
    let mut reader = rmp_serde::Deserializer::from_read_ref(rest);
    Placement::deserialize(&mut reader).map_err(|error| broken("a live record", error))
}

/// The status of a live record.
pub(super) fn decode_live(bytes: &[u8]) -> Result<Status, Error> {
    let (_, rest) = split_rev(bytes)?;
    let mut reader = rmp_serde::Deserializer::from_read_ref(rest);
    let read = Placement::deserialize(&mut reader).and_then(|_| Status::deserialize(&mut reader));
    read.map_err(|error| broken("a live record", error))
}

/// Encodes a done record.
pub(super) fn encode_done(status: &Status) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(64);
    out.push(VERSION);
    encode(&mut out, status)?;
    Ok(out)
}

/// The status of a done record.
pub(super) fn decode_done(bytes: &[u8]) -> Result<Status, Error> {
    decode("a done record", check_version(bytes)?)
}

/// Encodes a fact with its time.
pub(super) fn encode_event(at: Timestamp, fact: &JobFact) -> Result<Vec<u8>, Error> {
    let mut out = vec![VERSION];
    encode(&mut out, &(at, fact))?;
    Ok(out)
}

/// A fact with its time.
pub(super) fn decode_event(bytes: &[u8]) -> Result<(Timestamp, JobFact), Error> {
    decode("an event record", check_version(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Event, Verdict, apply};

    fn job() -> Job {
        let mut spec = JobSpec::process("wc", ["-l"]).named("count");
        spec.deadlines.attempt_ms = Some(5);
        spec = spec.reads("data/in").writes("data/out");
        spec = spec.fetch(Fetch::new("s3", "").to("input/a")).deliver(Delivery::new("s3-sink", "").with_log());
        let id = JobId::new(77, Timestamp::from_millis(1_000), 42);
        Job::accept(id, Some(id), Arc::new(spec), vec![], Timestamp::from_millis(1_000))
    }

    #[test]
    fn a_job_survives_its_records() {
        let job = job();
        let placement = Placement {
            queue: None,
            state: State::Queued,
            priority: 3,
            ready_at: Timestamp::from_millis(9),
            tick: None,
            after: Cow::Borrowed(&[4, 5]),
        };
        let spec = encode_spec(&job, Seals::default(), None).unwrap();
        let live = encode_live(&job, &placement).unwrap();
        assert_eq!(decode_placement(&live).unwrap(), placement);
        let stored = decode_job(77, &spec, decode_live(&live).unwrap()).unwrap();
        assert_eq!(stored.job, job);
        assert_eq!(decode_id(77, &spec).unwrap(), job.id);

        let now = Timestamp::from_millis(2_000);
        let Verdict::Changed(done) = apply(&job, &Event::Cancel { by: "me".into() }, now).unwrap() else { panic!() };
        let status = decode_done(&encode_done(&done.status).unwrap()).unwrap();
        assert_eq!(status, done.status);
    }

    #[test]
    fn damaged_records_are_errors() {
        let spec = encode_spec(&job(), Seals::default(), None).unwrap();
        for cut in 0..spec.len() {
            assert!(decode_job(77, &spec[..cut], Status::default()).is_err());
        }
        let mut newer = spec.clone();
        newer[0] = 9;
        let error = decode_job(77, &newer, Status::default()).unwrap_err().to_string();
        assert!(error.contains("unknown version"), "{error}");
        assert!(live_rev(&[VERSION, 0, 0]).is_err());
    }
}

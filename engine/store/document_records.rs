//! What configs, pipelines, schedules and output types say, as bytes of their documents.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::records::{Seals, check_version, decode, decode_job, encode_spec, versioned};
use crate::error::Error;
use crate::job::{
    CalendarSpec, Job, JobConfig, JobId, OwnSchedule, Owner, PipelineSpec, Policy, RunOptions, ScheduleSpec, Seq,
    Status, Target, Timestamp,
};

/// What a job config says, but for its options.
#[derive(Debug, Serialize, Deserialize)]
struct ConfigRecord<'a> {
    next: Option<String>,
    #[serde(with = "serde_bytes", borrow)]
    spec: Cow<'a, [u8]>,
    #[serde(default)]
    schedule: Option<OwnSchedule>,
}

/// Encodes a config without its options.
pub(crate) fn encode_config(config: &JobConfig) -> Result<Vec<u8>, Error> {
    // Its spec is stored as that of a job that nobody has submitted.
    let nobody = JobId::new(0, Timestamp::default(), 0);
    let job = Job::accept(nobody, None, Arc::new(config.spec.clone()), Vec::new(), Timestamp::default());
    let (next, schedule) = (config.next.clone(), config.schedule.clone());
    let record = ConfigRecord { next, spec: Cow::Owned(encode_spec(&job, Seals::default(), None)?), schedule };
    versioned(&record)
}

/// Decodes a config; it has no options yet.
pub(crate) fn decode_config(bytes: &[u8]) -> Result<JobConfig, Error> {
    let record: ConfigRecord<'_> = decode("a config record", check_version(bytes)?)?;
    let job = decode_job(0, &record.spec, Status::default())?.job;
    Ok(JobConfig { spec: Arc::unwrap_or_clone(job.spec), next: record.next, schedule: record.schedule })
}

/// Encodes a pipeline, the defaults of its parameters and the options of its nodes included: none of them is secret.
pub(crate) fn encode_pipeline(spec: &PipelineSpec) -> Result<Vec<u8>, Error> {
    versioned(spec)
}

/// Decodes a pipeline.
pub(crate) fn decode_pipeline(bytes: &[u8]) -> Result<PipelineSpec, Error> {
    decode("a record of a pipeline", check_version(bytes)?)
}

/// What an output type says.
#[derive(Debug, Serialize, Deserialize)]
struct OutputTypeRecord {
    /// The schema as JSON.
    #[serde(with = "serde_bytes")]
    schema: Option<Vec<u8>>,
}

/// Encodes what an output type says.
pub(crate) fn encode_output_type(schema: Option<&serde_json::Value>) -> Result<Vec<u8>, Error> {
    let schema = schema.map(serde_json::to_vec).transpose();
    versioned(&OutputTypeRecord { schema: schema.map_err(|error| Error::Storage(error.to_string()))? })
}

/// Decodes the schema of an output type.
pub(crate) fn decode_output_type(bytes: &[u8]) -> Result<Option<serde_json::Value>, Error> {
    let record: OutputTypeRecord = decode("a record of an output type", check_version(bytes)?)?;
    let schema = record.schema.map(|schema| serde_json::from_slice(&schema)).transpose();
    schema.map_err(|error| Error::Storage(format!("a record of an output type: {error}")))
}

/// A schedule as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSchedule {
    /// Its number.
    pub(crate) seq: Seq,
    /// What it says; no options are among it.
    pub(crate) spec: ScheduleSpec,
    /// What it belongs to.
    pub(crate) owner: Option<Owner>,
}

/// What a schedule says, but for its options.
#[derive(Debug, Serialize, Deserialize)]
struct ScheduleSpecRecord {
    calendar: CalendarSpec,
    policy: Policy,
    target: Target,
    /// The number of the schedule.
    seq: Seq,
    #[serde(default)]
    owner: Option<Owner>,
}

/// Encodes what a schedule says without its options, with its number and its owner.
pub(crate) fn encode_schedule_spec(seq: Seq, spec: &ScheduleSpec, owner: Option<Owner>) -> Result<Vec<u8>, Error> {
    let ScheduleSpec { calendar, policy, target, options: _ } = spec.clone();
    versioned(&ScheduleSpecRecord { calendar, policy, target, seq, owner })
}

/// Decodes a schedule; it has no options yet.
pub(crate) fn decode_schedule_spec(bytes: &[u8]) -> Result<StoredSchedule, Error> {
    let record: ScheduleSpecRecord = decode("a record of a schedule", check_version(bytes)?)?;
    let ScheduleSpecRecord { calendar, policy, target, seq, owner } = record;
    let spec = ScheduleSpec { calendar, policy, target, options: RunOptions::new() };
    Ok(StoredSchedule { seq, spec, owner })
}

//! What a command can ask of the process that holds the store, and how that process answers.
//!
//! The same function answers whether the command holds the store itself or asks over the control socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::{Failure, USAGE};
use super::files::{FileReply, FileRequest, Transfer};
use super::output_wire::{self, OutputReply, OutputRequest};
use super::plans::{self, PlanReply, PlanRequest};
use super::store_dir::Place;
use super::wire::{EventWire, JobDetailWire, JobListWire, JobWire, KeyRotationWire};
use crate::engine::Engine;
use crate::files::LogStream;
use crate::job::{ChainId, Cursor, Filter, JobId, State, Timestamp};

/// The longest page of a list.
pub(super) const MAX_PAGE: usize = 1_000;
/// The longest piece of a log.
pub(super) const MAX_LOG_BYTES: usize = 256 * 1024;

/// How long the holder of the store may take for an answer.
const ANSWER: Duration = Duration::from_secs(60);
const LONG_ANSWER: Duration = Duration::from_secs(3_600);

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub(super) enum Request {
    List(ListRequest),
    Get {
        id: String,
    },
    Logs(LogsRequest),
    Cancel {
        id: String,
        by: String,
    },
    Retry {
        id: String,
    },
    Release {
        id: String,
    },
    GiveUp {
        id: String,
        by: String,
    },
    RotateKey,
    /// About configs, chains and schedules.
    Plan(PlanRequest),
    /// About the files of projects.
    File(FileRequest),
    /// About output records and their types.
    Output(OutputRequest),
    /// Read again what plugins are granted, and look for them again: some were added, replaced or removed.
    RefreshPlugins,
}

impl Request {
    /// How long its answer may take.
    pub(super) fn patience(&self) -> Duration {
        // A large file takes its time to the disk.
        if matches!(self, Request::File(FileRequest::Finish)) { LONG_ANSWER } else { ANSWER }
    }

    /// Whether it changes nothing.
    pub(super) fn is_question(&self) -> bool {
        if let Request::Plan(request) = self {
            return request.is_question();
        }
        if let Request::File(request) = self {
            return request.is_question();
        }
        if let Request::Output(request) = self {
            return request.is_question();
        }
        matches!(self, Request::List(_) | Request::Get { .. } | Request::Logs(_))
    }
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ListRequest {
    pub(super) states: Vec<String>,
    pub(super) config: Option<String>,
    pub(super) chain: Option<String>,
    pub(super) project: Option<String>,
    pub(super) queue: Option<String>,
    pub(super) since_ms: Option<u64>,
    pub(super) until_ms: Option<u64>,
    pub(super) cursor: Option<String>,
    pub(super) limit: usize,
}

/// Which piece of a log is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogsRequest {
    pub(super) id: String,
    pub(super) attempt: Option<u32>,
    pub(super) from: u64,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub(super) enum Reply {
    List(JobListWire),
    Detail(Box<JobDetailWire>),
    Logs(LogPiece),
    /// The job after a cancel, a release, or when it was given up.
    Job(Box<JobWire>),
    /// The id of the new job.
    Retried {
        id: String,
    },
    KeyRotated(KeyRotationWire),
    Plan(PlanReply),
    File(FileReply),
    Output(OutputReply),
    /// What is other than before, by name.
    PluginsRefreshed {
        changed: Vec<String>,
        refused: Vec<String>,
        /// What is wrong with those that cannot be used.
        #[serde(default)]
        problems: Vec<String>,
    },
    Failed {
        code: u8,
        message: String,
    },
}

/// A piece of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogPiece {
    pub(super) chunks: Vec<LogChunkPiece>,
    pub(super) next_offset: u64,
    pub(super) dropped_bytes: u64,
}

/// One write of the job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogChunkPiece {
    pub(super) stream: String,
    pub(super) at_ms: u64,
    /// Base64: a log need not be text.
    #[serde(with = "base64_bytes")]
    pub(super) bytes: Vec<u8>,
}

/// The word for a stream.
pub(super) fn stream_word(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
        LogStream::System => "system",
    }
}

/// The id in a text that somebody typed.
pub(super) fn job_id(text: &str) -> Result<JobId, Failure> {
    let shown: String = text.escape_debug().take(60).collect();
    text.parse().map_err(|problem| Failure::new(USAGE, format!("\"{shown}\": {problem}")))
}

/// Answers a request. `place` says where a process that goes on was started, and so what it reads again.
pub(super) async fn answer(engine: &Engine, place: Option<&Place>, request: Request) -> Result<Reply, Failure> {
    Ok(match request {
        Request::List(request) => {
            let limit = request.limit.clamp(1, MAX_PAGE);
            let cursor = match &request.cursor {
                None => None,
                Some(text) => {
                    let cursor = text.parse::<Cursor>();
                    Some(cursor.map_err(|problem| Failure::new(USAGE, problem))?)
                }
            };
            Reply::List(list(engine, &filter(&request)?, cursor, limit)?)
        }
        Request::Get { id } => {
            let id = job_id(&id)?;
            let job = JobWire::from(&engine.get(id)?);
            let events = engine.events(id)?.iter().map(EventWire::from).collect();
            Reply::Detail(Box::new(JobDetailWire { job, events }))
        }
        Request::Logs(request) => {
            let id = job_id(&request.id)?;
            Reply::Logs(log_piece(engine, id, request.attempt, request.from)?)
        }
        Request::Cancel { id, by } => {
            let view = engine.cancel(job_id(&id)?, &by).await?;
            Reply::Job(Box::new((&view).into()))
        }
        Request::Release { id } => {
            let view = engine.release(job_id(&id)?).await?;
            Reply::Job(Box::new((&view).into()))
        }
        Request::GiveUp { id, by } => {
            let view = engine.give_up(job_id(&id)?, &by).await?;
            Reply::Job(Box::new((&view).into()))
        }
        Request::Retry { id } => {
            let id = engine.retry(job_id(&id)?).await?.to_string();
            Reply::Retried { id }
        }
        Request::RotateKey => {
            let rotation = engine.rotate_key().await?;
            Reply::KeyRotated(KeyRotationWire { resealed: rotation.resealed, active_key: rotation.active })
        }
        Request::Plan(request) => Reply::Plan(plans::answer(engine, request).await?),
        Request::File(request) => Reply::File(Transfer::default().answer(engine, request).await?),
        Request::Output(request) => Reply::Output(output_wire::answer(engine, request).await?),
        Request::RefreshPlugins => refresh_plugins(engine, place)?,
    })
}

#[cfg(feature = "wasm")]
fn refresh_plugins(engine: &Engine, place: Option<&Place>) -> Result<Reply, Failure> {
    let changes = engine.refresh_plugins(place.map(Place::grants).transpose()?)?;
    let changed = [changes.added, changes.changed, changes.removed].concat();
    let problems = changes.problems.iter().map(ToString::to_string).collect();
    Ok(Reply::PluginsRefreshed { changed, refused: changes.refused, problems })
}

#[cfg(not(feature = "wasm"))]
fn refresh_plugins(_engine: &Engine, _place: Option<&Place>) -> Result<Reply, Failure> {
    Err(Failure::new(USAGE, "this windlass was built without plugins"))
}

/// A full page, or the rest of the list. The engine's own pages may be short, since each looks at a bounded number of
/// jobs.
fn list(engine: &Engine, filter: &Filter, mut cursor: Option<Cursor>, limit: usize) -> Result<JobListWire, Failure> {
    let mut jobs: Vec<JobWire> = Vec::new();
    loop {
        let page = engine.list(filter, cursor, limit - jobs.len())?;
        jobs.extend(page.jobs.iter().map(JobWire::from));
        cursor = page.next;
        if cursor.is_none() || jobs.len() >= limit {
            let next_cursor = cursor.map(|next| next.to_string());
            return Ok(JobListWire { jobs, next_cursor });
        }
    }
}

/// Reads a piece of a log.
pub(super) fn log_piece(engine: &Engine, id: JobId, attempt: Option<u32>, from: u64) -> Result<LogPiece, Failure> {
    let page = engine.logs(id, attempt, from, MAX_LOG_BYTES)?;
    let chunks = page.chunks.into_iter().map(|chunk| LogChunkPiece {
        stream: stream_word(chunk.stream).to_owned(),
        at_ms: chunk.at_ms,
        bytes: chunk.bytes,
    });
    Ok(LogPiece { chunks: chunks.collect(), next_offset: page.next_offset, dropped_bytes: page.dropped_bytes })
}

fn filter(request: &ListRequest) -> Result<Filter, Failure> {
    let chain: Option<ChainId> = request.chain.as_deref().map(job_id).transpose()?;
    let states: Result<Vec<State>, Failure> = request
        .states
        .iter()
        .map(|word| {
            State::from_word(word).ok_or_else(|| {
                let words = State::ALL.map(State::word).join(", ");
                let shown: String = word.escape_debug().take(40).collect();
                Failure::new(USAGE, format!("\"{shown}\" is no state; allowed: {words}"))
            })
        })
        .collect();
    Ok(Filter {
        states: states?,
        config: request.config.clone(),
        chain,
        project: request.project.clone(),
        queue: request.queue.clone(),
        created_from: request.since_ms.map(Timestamp::from_millis),
        created_before: request.until_ms.map(Timestamp::from_millis),
        ..Filter::default()
    })
}

pub(super) mod base64_bytes {
    //! Bytes as base64 text.

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::cli) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(in crate::cli) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64.decode(text).map_err(serde::de::Error::custom)
    }
}

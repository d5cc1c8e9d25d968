//! What `--json` prints and what goes over the control socket.
//!
//! Engine types are never serialised themselves: these structs are written by hand, so that the names in them stay when
//! the engine changes.

use serde::{Deserialize, Serialize};

use crate::engine::JobView;
use crate::job::{ItemCounts, Job, JobEvent, JobFact, Reason, Task, Timestamp, Wait};

/// A job as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobWire {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) state: String,
    pub(super) reason: Option<ReasonWire>,
    /// What it waits for while it is waiting.
    pub(super) waits_for: Option<String>,
    pub(super) attempts: u32,
    pub(super) max_attempts: u32,
    pub(super) interruptions: u32,
    pub(super) project: String,
    pub(super) queue: String,
    pub(super) config: Option<String>,
    /// Which revision of it.
    #[serde(default)]
    pub(super) config_revision: Option<u32>,
    /// The pipeline whose node it runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) pipeline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) pipeline_revision: Option<u32>,
    /// Files of its project that it reads.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) reads: Vec<String>,
    /// Files of its project that it writes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) writes: Vec<String>,
    /// What is fetched for it: `FETCHER to DIRECTORY`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) fetch: Vec<String>,
    /// What is delivered of it: `PATH to SINK`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) deliver: Vec<String>,
    /// How many of its items are in which condition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) items: Option<ItemCountsWire>,
    /// The item that it runs, and the job whose item that is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) item: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) item_of: Option<String>,
    /// The schedule that fired it, and the time that its calendar says.
    #[serde(default)]
    pub(super) schedule: Option<String>,
    #[serde(default)]
    pub(super) nominal_time: Option<String>,
    pub(super) chain: Option<String>,
    pub(super) priority: u8,
    pub(super) executor: String,
    pub(super) command: Option<Vec<String>>,
    pub(super) function: Option<String>,
    pub(super) created_at: String,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    /// Since when its executor cannot be reached.
    #[serde(default)]
    pub(super) lost_since: Option<String>,
    /// From the first start to the end.
    pub(super) duration_ms: Option<u64>,
    pub(super) progress: Option<ProgressWire>,
    pub(super) is_final: bool,
}

/// How far a running job says that it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ProgressWire {
    pub(super) percent: u8,
    pub(super) message: String,
}

/// Why a job is in its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReasonWire {
    /// `exit_code`, `signal`, `out_of_memory`, `panic`, `error`, `not_started`, `deadline`, `cancelled`,
    /// `previous_job`, `skipped`, `interrupted` or `given_up`.
    pub(super) kind: String,
    /// The same in words.
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) signal: Option<i32>,
}

/// One fact about a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EventWire {
    /// `submitted`, `queued`, `started`, `attempt_failed`, `stopping`, `contact_lost`, `contact_found`,
    /// `late_outcome`, `output_refused`, `finished` or `progress`.
    pub(super) event: String,
    pub(super) id: String,
    pub(super) at: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) reason: Option<ReasonWire>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) retry_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) progress: Option<ProgressWire>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) output: Option<RefusedOutputWire>,
}

/// What was left as an output record and is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RefusedOutputWire {
    pub(super) file: String,
    pub(super) why: String,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobListWire {
    pub(super) jobs: Vec<JobWire>,
    /// What `--cursor` takes to go on; `null` on the last page.
    pub(super) next_cursor: Option<String>,
}

/// One job with its history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JobDetailWire {
    #[serde(flatten)]
    pub(super) job: JobWire,
    pub(super) events: Vec<EventWire>,
}

/// One line of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogLineWire {
    /// `stdout`, `stderr` or `system`.
    pub(super) stream: String,
    pub(super) at: String,
    pub(super) text: String,
}

/// What a rotation of the key did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeyRotationWire {
    /// Records that were sealed again.
    pub(super) resealed: u64,
    /// The id of the key that seals from now on.
    pub(super) active_key: String,
}

impl JobWire {
    /// The name, or the id of a job without one.
    pub(super) fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// The state in a word for people, who tell a job that was skipped from one that somebody cancelled.
    pub(super) fn condition(&self) -> String {
        let is_skipped = self.reason.as_ref().is_some_and(|reason| reason.kind == SKIPPED);
        if is_skipped { SKIPPED.to_owned() } else { self.state.clone() }
    }
}

/// The kind of the reason of a job that was skipped.
const SKIPPED: &str = "skipped";

impl From<&JobView> for JobWire {
    fn from(view: &JobView) -> Self {
        let Job { id, chain, created_at, spec, status } = &view.job;
        let (command, function) = match &spec.task {
            Task::Process(task) => {
                let mut words = vec![task.program.clone()];
                words.extend(task.args.iter().cloned());
                (Some(words), None)
            }
            Task::Function(task) => (None, Some(task.name.clone())),
            #[cfg(feature = "wasm")]
            Task::Named(_) => (crate::plugin::wasm::command_line(&spec.task), None),
            #[cfg(not(feature = "wasm"))]
            Task::Named(_) => (None, None),
        };
        let duration_ms = match (status.started_at, status.finished_at) {
            (Some(started), Some(finished)) => Some(finished.millis_since(started)),
            _ => None,
        };
        JobWire {
            id: id.to_string(),
            name: spec.name.clone(),
            state: status.state.word().to_owned(),
            reason: status.reason.as_ref().map(ReasonWire::from),
            waits_for: status.wait().map(wait_text),
            attempts: status.attempt,
            max_attempts: spec.retry.max_attempts,
            interruptions: status.interruptions,
            project: spec.project.clone(),
            queue: spec.queue.clone(),
            config: spec.config.clone(),
            config_revision: spec.config_revision,
            pipeline: spec.node.as_ref().map(|node| node.pipeline.clone()),
            pipeline_revision: spec.node.as_ref().map(|node| node.revision),
            reads: spec.reads.clone(),
            writes: spec.writes.clone(),
            fetch: spec.fetches.iter().map(|it| format!("{} to {}", it.from, it.to)).collect(),
            deliver: spec.deliveries.iter().map(|it| format!("{} to {}", it.from, it.to)).collect(),
            items: (status.items.total > 0).then(|| ItemCountsWire::from(status.items)),
            item: spec.item.as_ref().map(|item| item.name.clone()),
            item_of: spec.item.as_ref().map(|item| item.job.to_string()),
            schedule: spec.fired.as_ref().map(|fired| fired.name.clone()),
            nominal_time: spec.fired.as_ref().map(|fired| fired.nominal.to_string()),
            chain: chain.map(|chain| chain.to_string()),
            priority: spec.priority,
            executor: spec.task.executor().to_owned(),
            command,
            function,
            created_at: created_at.to_string(),
            started_at: shown(status.started_at),
            finished_at: shown(status.finished_at),
            lost_since: shown(status.lost_since),
            duration_ms,
            progress: view
                .progress
                .as_ref()
                .map(|progress| ProgressWire { percent: progress.percent, message: progress.message.clone() }),
            is_final: status.state.is_final(),
        }
    }
}

fn shown(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn wait_text(wait: Wait) -> String {
    match wait {
        Wait::Items => "its items".into(),
        Wait::Release => "a release".into(),
        Wait::After => "other jobs".into(),
        Wait::Until(at) => format!("its start at {at}"),
        Wait::Retry(at) => format!("its next attempt at {at}"),
    }
}

/// How many items are in which condition.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ItemCountsWire {
    pub(super) total: u32,
    pub(super) pending: u32,
    pub(super) running: u32,
    pub(super) succeeded: u32,
    pub(super) failed: u32,
    /// Left unfinished when the job ended.
    pub(super) dropped: u32,
}

impl From<ItemCounts> for ItemCountsWire {
    fn from(counts: ItemCounts) -> Self {
        let ItemCounts { total, pending, running, succeeded, failed, dropped } = counts;
        ItemCountsWire { total, pending, running, succeeded, failed, dropped }
    }
}

impl From<&Reason> for ReasonWire {
    fn from(reason: &Reason) -> Self {
        let (kind, exit_code, signal) = match reason {
            Reason::ExitCode(code) => ("exit_code", Some(*code), None),
            Reason::Signal(signal) => ("signal", None, Some(*signal)),
            Reason::OutOfMemory => ("out_of_memory", None, None),
            Reason::Panic(_) => ("panic", None, None),
            Reason::Error(_) => ("error", None, None),
            Reason::NotStarted(_) => ("not_started", None, None),
            Reason::Deadline(_) => ("deadline", None, None),
            Reason::CancelledBy(_) => ("cancelled", None, None),
            Reason::PreviousJob(..) => ("previous_job", None, None),
            Reason::Skipped { .. } => (SKIPPED, None, None),
            Reason::Interrupted => ("interrupted", None, None),
            Reason::GivenUpBy(_) => ("given_up", None, None),
        };
        ReasonWire { kind: kind.to_owned(), message: reason.to_string(), exit_code, signal }
    }
}

impl From<&JobEvent> for EventWire {
    fn from(event: &JobEvent) -> Self {
        let mut wire = EventWire {
            event: String::new(),
            id: event.id.to_string(),
            at: event.at.to_string(),
            attempt: None,
            state: None,
            reason: None,
            retry_at: None,
            progress: None,
            output: None,
        };
        let word = match &event.fact {
            JobFact::Submitted => "submitted",
            JobFact::Queued => "queued",
            JobFact::Started { attempt } => {
                wire.attempt = Some(*attempt);
                "started"
            }
            JobFact::AttemptFailed { attempt, reason, retry_at } => {
                wire.attempt = Some(*attempt);
                wire.reason = Some(reason.into());
                wire.retry_at = shown(*retry_at);
                "attempt_failed"
            }
            JobFact::Stopping { reason } => {
                wire.reason = Some(reason.into());
                "stopping"
            }
            JobFact::ContactLost => "contact_lost",
            JobFact::ContactFound => "contact_found",
            JobFact::LateOutcome { attempt, outcome } => {
                wire.attempt = Some(*attempt);
                wire.reason = outcome.reason().as_ref().map(ReasonWire::from);
                "late_outcome"
            }
            JobFact::OutputRefused { file, why } => {
                wire.output = Some(RefusedOutputWire { file: file.clone(), why: why.clone() });
                "output_refused"
            }
            JobFact::Finished { state, reason } => {
                wire.state = Some(state.word().to_owned());
                wire.reason = reason.as_ref().map(ReasonWire::from);
                "finished"
            }
            JobFact::Progress { percent, message } => {
                wire.progress = Some(ProgressWire { percent: *percent, message: message.clone() });
                "progress"
            }
        };
        wire.event = word.to_owned();
        wire
    }
}

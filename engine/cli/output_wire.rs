//! What is asked about output records and their types, and how it is answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failure::{Failure, USAGE};
use super::request::job_id;
use super::wire::JobWire;
use crate::engine::{Applied, Engine, ItemView, OutputTypeView, OutputView};
use crate::job::{Cursor, OutputType};

/// Records that are read together.
const PAGE: usize = 1_000;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "output")]
pub(super) enum OutputRequest {
    Apply { project: String, name: String, schema: Option<Value>, dry_run: bool },
    Types { project: String, after: Option<String> },
    Type { project: String, name: String, revision: Option<u32> },
    DeleteType { project: String, name: String },
    Outputs { job: String, from: u32 },
    Items { job: String, cursor: Option<String> },
}

impl OutputRequest {
    /// Whether it changes nothing.
    pub(super) fn is_question(&self) -> bool {
        !matches!(self, OutputRequest::Apply { .. } | OutputRequest::DeleteType { .. })
    }
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outputs")]
pub(super) enum OutputReply {
    Applied {
        applied: AppliedTypeWire,
    },
    Types {
        output_types: Vec<OutputTypeWire>,
    },
    /// Records, and the number from which on there are more.
    Records {
        records: Vec<OutputWire>,
        next: Option<u32>,
    },
    /// Items, and where the list goes on.
    Items {
        items: Vec<ItemWire>,
        next: Option<String>,
    },
    Done,
}

/// What applying an output type has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AppliedTypeWire {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) revision: u32,
    /// `created`, `changed` or `unchanged`.
    pub(super) change: String,
}

/// An output type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OutputTypeWire {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) revision: u32,
    pub(super) latest: u32,
    pub(super) stored_at: String,
    /// `null`: any JSON.
    pub(super) schema: Option<Value>,
}

/// An output record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OutputWire {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) of: Option<String>,
    /// The revision of the type that has accepted it.
    pub(super) revision: Option<u32>,
    pub(super) created_at: String,
    pub(super) value: Value,
}

/// Answers a request.
pub(super) async fn answer(engine: &Engine, request: OutputRequest) -> Result<OutputReply, Failure> {
    Ok(match request {
        OutputRequest::Apply { project, name, schema, dry_run } => {
            let applied = engine.apply_output_types(vec![OutputType { project, name, schema }], dry_run).await?;
            let applied = applied.into_iter().next().ok_or(crate::error::Error::Closed)?;
            OutputReply::Applied { applied: applied_wire(applied) }
        }
        OutputRequest::Types { project, after } => {
            let types = engine.output_types(&project, after.as_deref(), TYPES_AT_ONCE)?;
            OutputReply::Types { output_types: types.into_iter().map(type_wire).collect() }
        }
        OutputRequest::Type { project, name, revision } => {
            let of = engine.output_type(&project, &name, revision)?;
            OutputReply::Types { output_types: vec![type_wire(of)] }
        }
        OutputRequest::DeleteType { project, name } => {
            engine.delete_output_type(&project, &name).await?;
            OutputReply::Done
        }
        OutputRequest::Outputs { job, from } => records(engine, &job, from)?,
        OutputRequest::Items { job, cursor } => items(engine, &job, cursor.as_deref())?,
    })
}

/// Items that are listed together.
const ITEMS_AT_ONCE: usize = 200;
/// Bytes of the output of an item that are listed with it.
const MOST_LISTED_BYTES: usize = 8 << 10;

/// An item.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ItemWire {
    pub(super) name: String,
    /// The job that runs it.
    pub(super) job: JobWire,
    /// What it has made; `null` for nothing, and where that is too much for a list.
    pub(super) output: Option<Value>,
    pub(super) output_bytes: usize,
}

fn items(engine: &Engine, job: &str, cursor: Option<&str>) -> Result<OutputReply, Failure> {
    let cursor = cursor.map(str::parse::<Cursor>).transpose();
    let cursor = cursor.map_err(|problem| Failure::new(USAGE, problem))?;
    let page = engine.items(job_id(job)?, cursor, ITEMS_AT_ONCE)?;
    let item = |ItemView { name, job, output }: ItemView| {
        let output_bytes = output.as_ref().map_or(0, Vec::len);
        let output = output.filter(|output| output.len() <= MOST_LISTED_BYTES);
        let output = output.and_then(|output| serde_json::from_slice(&output).ok());
        ItemWire { name, job: JobWire::from(&job), output, output_bytes }
    };
    let items = page.items.into_iter().map(item).collect();
    Ok(OutputReply::Items { items, next: page.next.map(|next| next.to_string()) })
}

/// Types that are listed together: each may have a schema of many bytes.
pub(super) const TYPES_AT_ONCE: usize = 50;
/// Bytes of records that are answered together, but for the first of them.
const BYTES_AT_ONCE: usize = 1 << 20;

fn records(engine: &Engine, job: &str, from: u32) -> Result<OutputReply, Failure> {
    let page = engine.outputs_from(job_id(job)?, from, PAGE, BYTES_AT_ONCE)?;
    let next = page.next.and(page.outputs.last()).map(|last| last.id.number.saturating_add(1));
    let records = page.outputs.into_iter().map(record_wire).collect::<Result<Vec<_>, _>>()?;
    Ok(OutputReply::Records { records, next })
}

fn applied_wire(applied: Applied) -> AppliedTypeWire {
    let Applied { project, name, revision, change, .. } = applied;
    AppliedTypeWire { project, name, revision, change: change.word().to_owned() }
}

fn type_wire(view: OutputTypeView) -> OutputTypeWire {
    let OutputTypeView { of: OutputType { project, name, schema }, revision, latest, stored_at } = view;
    OutputTypeWire { project, name, revision, latest, stored_at: stored_at.to_string(), schema }
}

fn record_wire(view: OutputView) -> Result<OutputWire, Failure> {
    let OutputView { id, of, revision, created_at, value } = view;
    let value = serde_json::from_slice(&value).map_err(std::io::Error::from)?;
    Ok(OutputWire { id: id.to_string(), of, revision, created_at: created_at.to_string(), value })
}

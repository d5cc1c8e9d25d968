//! `windlass output-type` and `outputs`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::failure::{FAILED, Failure, USAGE};
use super::output::{print, print_json};
use super::output_wire::{AppliedTypeWire, OutputReply, OutputRequest, OutputTypeWire, OutputWire, TYPES_AT_ONCE};
use super::store_dir::{Place, open_to_change, open_to_manage};
use super::table::{printable, seconds, table};
use crate::job::OutputLimits;

/// Characters of a value that the table shows.
const SHOWN: usize = 80;

/// The project of output types.
#[derive(clap::Args)]
pub(super) struct ProjectArg {
    /// The project
    #[arg(long, default_value = crate::job::spec::DEFAULT_NAME)]
    project: String,
}

#[derive(clap::Subcommand)]
pub(super) enum OutputTypeCommand {
    /// Store an output type; when it says something else it gets a new revision
    Apply {
        /// A file with its JSON Schema; without one its records may be any JSON
        #[arg(short, long = "file", value_name = "FILE")]
        file: Option<PathBuf>,
        /// The name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        project: ProjectArg,
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// List output types
    List(ProjectArg),
    /// Show an output type with its schema
    Show {
        /// The name
        name: String,
        #[command(flatten)]
        project: ProjectArg,
        /// This revision instead of the latest
        #[arg(long)]
        revision: Option<u32>,
    },
    /// Delete an output type; records of it stay
    Delete {
        /// The name
        name: String,
        #[command(flatten)]
        project: ProjectArg,
    },
}

/// Whose records are shown.
#[derive(clap::Args)]
pub(super) struct OutputsArgs {
    /// The job
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Serialize)]
struct TypesWire {
    output_types: Vec<OutputTypeWire>,
}

#[derive(Serialize)]
struct OutputsWire {
    outputs: Vec<OutputWire>,
}

/// `windlass output-type`.
pub(super) async fn output_type(place: &Place, command: OutputTypeCommand, json: bool) -> Result<u8, Failure> {
    match command {
        OutputTypeCommand::Apply { file, name, project: ProjectArg { project }, dry_run } => {
            let schema = file.as_deref().map(read_schema).transpose()?;
            apply(place, OutputRequest::Apply { project, name, schema, dry_run }, json).await
        }
        OutputTypeCommand::List(ProjectArg { project }) => list(place, project, json).await,
        OutputTypeCommand::Show { name, project: ProjectArg { project }, revision } => {
            match ask(place, OutputRequest::Type { project, name, revision }).await? {
                OutputReply::Types { output_types } => output_types.first().map_or(Ok(()), |of| show(of, json))?,
                _ => return Err(unexpected()),
            }
            Ok(0)
        }
        OutputTypeCommand::Delete { name, project: ProjectArg { project } } => {
            match ask(place, OutputRequest::DeleteType { project, name: name.clone() }).await? {
                OutputReply::Done if json => print_json(&serde_json::json!({ "deleted": name }))?,
                OutputReply::Done => print(&format!("{} is deleted\n", printable(&name)))?,
                _ => return Err(unexpected()),
            }
            Ok(0)
        }
    }
}

/// `windlass outputs`.
pub(super) async fn outputs(place: &Place, args: OutputsArgs, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let (mut outputs, mut from) = (Vec::new(), Some(0));
    while let Some(number) = from {
        match target.output(OutputRequest::Outputs { job: args.id.clone(), from: number }).await {
            Ok(OutputReply::Records { records, next }) => {
                outputs.extend(records);
                from = next;
            }
            other => {
                target.close().await;
                return Err(other.err().unwrap_or_else(unexpected));
            }
        }
    }
    target.close().await;
    if json {
        print_json(&OutputsWire { outputs })?;
        return Ok(0);
    }
    let row = |output: &OutputWire| {
        let value: String = output.value.to_string().chars().take(SHOWN).collect();
        vec![output.id.clone(), output.of.clone().unwrap_or_default(), seconds(&output.created_at), value]
    };
    print(&table(&["id", "type", "created", "value"], &outputs.iter().map(row).collect::<Vec<_>>()))?;
    Ok(0)
}

async fn apply(place: &Place, request: OutputRequest, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_change(place).await?;
    let reply = target.output(request).await;
    target.close().await;
    let OutputReply::Applied { applied } = reply? else { return Err(unexpected()) };
    let AppliedTypeWire { name, revision, change, .. } = &applied;
    if json {
        print_json(&applied)?;
    } else {
        print(&format!("output type {}: {change}, revision {revision}\n", printable(name)))?;
    }
    Ok(0)
}

async fn list(place: &Place, project: String, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let mut types: Vec<OutputTypeWire> = Vec::new();
    loop {
        let after = types.last().map(|of| of.name.clone());
        match target.output(OutputRequest::Types { project: project.clone(), after }).await {
            Ok(OutputReply::Types { output_types }) => {
                let is_last = output_types.len() < TYPES_AT_ONCE;
                types.extend(output_types);
                if is_last {
                    break;
                }
            }
            other => {
                target.close().await;
                return Err(other.err().unwrap_or_else(unexpected));
            }
        }
    }
    target.close().await;
    if json {
        print_json(&TypesWire { output_types: types })?;
        return Ok(0);
    }
    let row = |of: &OutputTypeWire| {
        let schema = if of.schema.is_some() { "JSON Schema" } else { "any JSON" };
        vec![of.name.clone(), of.revision.to_string(), seconds(&of.stored_at), schema.to_owned()]
    };
    print(&table(&["name", "revision", "stored", "says"], &types.iter().map(row).collect::<Vec<_>>()))?;
    Ok(0)
}

async fn ask(place: &Place, request: OutputRequest) -> Result<OutputReply, Failure> {
    let mut target = open_to_manage(place).await?;
    let reply = target.output(request).await;
    target.close().await;
    reply
}

fn show(of: &OutputTypeWire, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(of);
    }
    let OutputTypeWire { name, revision, latest, stored_at, .. } = of;
    let stored = seconds(stored_at);
    print(&format!("output type {}, revision {revision} of {latest}, stored {stored}\n", printable(name)))?;
    match &of.schema {
        Some(schema) => print_json(schema),
        None => print("any JSON\n"),
    }
}

fn read_schema(path: &Path) -> Result<Value, Failure> {
    let most = OutputLimits::default().schema_bytes as u64;
    let shown = path.display();
    let refuse = |problem: String| Failure::new(USAGE, format!("{shown}: {problem}"));
    let file = std::fs::File::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let mut text = Vec::new();
    // White space does not count for the engine; a file of that and nothing else need not be read to its end.
    std::io::Read::read_to_end(&mut std::io::Read::take(file, 16 * most), &mut text)
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| refuse(format!("is no JSON: {error}; allowed: a JSON Schema")))
}

fn unexpected() -> Failure {
    Failure::new(FAILED, "the process that holds the store gave an answer to something else")
}

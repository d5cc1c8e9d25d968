//! One job of a file.

use crate::job::JobSpec;

use super::after::read_after;
use super::fields::{Field, Fields, Places, join};
use super::inputs::read_inputs;
use super::items::read_items;
use super::mistake::Mistakes;
use super::moment::{Start, parse_start};
use super::node::{Node, Position};
use super::options::Source;
use super::settings::Settings;
use super::task::read_task;
use super::transfers::{read_deliveries, read_fetches};

/// All fields of a job.
pub(super) const JOB_FIELDS: [&str; 29] = [
    "name",
    "command",
    "shell",
    "wasm",
    "function",
    "input",
    "inputs",
    "reads",
    "writes",
    "fetch",
    "deliver",
    "items",
    "executor",
    "with",
    "options",
    "after",
    "priority",
    "queue",
    "project",
    "config",
    "retry",
    "deadlines",
    "timeout",
    "on_crash",
    "stop_grace",
    "hold",
    "start_at",
    "idempotency_key",
    "limits",
];

/// A job as far as it could be read, and where it is.
pub(super) struct Decoded {
    pub(super) spec: JobSpec,
    /// Input files that are to be read.
    pub(super) files: Vec<FilePath>,
    pub(super) start_in_ms: Option<u64>,
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) places: Places,
}

/// An input file that is to be read.
pub(super) struct FilePath {
    /// Which item of the job it is of, if of one.
    pub(super) item: Option<usize>,
    /// Its position among the inputs.
    pub(super) input: usize,
    /// Where it is.
    pub(super) path: String,
}

/// Reads one job. What is wrong becomes a mistake and stays at its default, so that it is told once.
pub(super) fn read_job(
    node: &Node,
    fields: &Fields<'_>,
    path: &str,
    key: Option<&str>,
    defaults: &Settings,
    source: &mut Source<'_>,
    mistakes: &mut Mistakes,
) -> Decoded {
    let mut own = Settings::read(fields, source, mistakes);
    let places = &mut own.places;
    let task = read_task(fields, node.at, path, places, mistakes);
    // A job without a task is a mistake already; the stand-in keeps the other checks going.
    let mut spec = match task {
        Some(task) => JobSpec::new(task),
        None => JobSpec::process("true", [] as [&str; 0]),
    };
    spec.name = read_name(node, fields, path, key, places, mistakes);
    if let Some(field) = fields.get_as("config", "config", places) {
        spec.config = field.text(mistakes, "a name").map(str::to_owned);
    }
    if let Some(field) = fields.get_as("after", "after", places) {
        spec.after = read_after(&field, mistakes);
    }
    if let Some(field) = fields.get("hold") {
        spec.hold = field.truth(mistakes).unwrap_or_default();
    }
    if let Some(field) = fields.get_as("idempotency_key", "idempotency_key", places) {
        spec.idempotency_key = field.text(mistakes, "a text").map(str::to_owned);
    }
    let mut files = Vec::new();
    if let Some(field) = fields.get_as("inputs", "inputs", places) {
        (spec.inputs, files) = read_inputs(&field, places, mistakes);
    }
    spec.reads = read_paths("reads", fields, places, mistakes);
    spec.writes = read_paths("writes", fields, places, mistakes);
    if let Some(field) = fields.get_as("fetch", "fetch", places) {
        spec.fetches = read_fetches(&field, "fetch", source, places, mistakes);
    }
    if let Some(field) = fields.get_as("deliver", "deliver", places) {
        spec.deliveries = read_deliveries(&field, source, places, mistakes);
    }
    let mut files: Vec<FilePath> =
        files.into_iter().map(|(input, path)| FilePath { item: None, input, path }).collect();
    if let Some(field) = fields.get_as("items", "items", places) {
        let (items, of_items) = read_items(&field, source, places, mistakes);
        spec.items = items;
        let of_item = |(item, input, path)| FilePath { item: Some(item), input, path };
        files.extend(of_items.into_iter().map(of_item));
    }
    let mut start_in_ms = None;
    if let Some(field) = fields.get_as("start_at", "start_at", places) {
        match read_start(&field, mistakes) {
            Some(Start::At(at)) => spec.start_at = Some(at),
            Some(Start::InMs(delay)) => start_in_ms = Some(delay),
            None => {}
        }
    }
    defaults.apply(&mut spec);
    own.apply(&mut spec);
    Decoded { spec, files, start_in_ms, at: node.at, path: path.to_owned(), places: own.places }
}

fn read_name(
    node: &Node,
    fields: &Fields<'_>,
    path: &str,
    key: Option<&str>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Option<String> {
    let field = fields.get_as("name", "name", places);
    match (key, field) {
        (Some(key), None) => {
            places.note("name", node.at, &join(path, "name"));
            Some(key.to_owned())
        }
        (Some(key), Some(field)) => {
            let allowed = "no name here; the key is the name";
            field.fail(mistakes, "the job is named by its key already", allowed);
            Some(key.to_owned())
        }
        (None, field) => field?.text(mistakes, "a name").map(str::to_owned),
    }
}

/// Paths among the files of the project.
fn read_paths(name: &str, fields: &Fields<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Vec<String> {
    let Some(field) = fields.get_as(name, name, places) else { return Vec::new() };
    let paths = field.texts(mistakes, "a path among the files of the project, or a list of paths");
    paths.unwrap_or_default().into_iter().map(str::to_owned).collect()
}

fn read_start(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Start> {
    let allowed = "a time such as 2026-11-21T10:00:00Z, or a delay such as in 5m";
    let text = field.text(mistakes, allowed)?;
    match parse_start(text) {
        Ok(start) => Some(start),
        Err(problem) => {
            let problem = format!("{} {problem}", super::fields::shown(text));
            field.fail(mistakes, problem, allowed);
            None
        }
    }
}

//! Job files: YAML 1.2 or JSON that says which jobs to run.
//!
//! Reading is in two steps. `load` turns bytes into a tree of nodes with positions, within bounds; the rest
//! turns the tree into [`JobSpec`]s. Neither stops at the first mistake where going on makes sense, so a file
//! with five mistakes is corrected once, not five times.

mod after;
mod executor;
mod fields;
mod inputs;
mod items;
mod job;
mod json;
mod load;
mod mistake;
mod moment;
mod node;
mod options;
mod percent;
mod plan;
mod schedule;
mod settings;
mod task;
mod transfers;
mod wasm;
mod words;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

use crate::job::spelling::closest;
use crate::job::{JobLimits, JobSpec, Timestamp, validate};

use self::fields::{Fields, join};
use self::job::{Decoded, FilePath, JOB_FIELDS};
use self::mistake::Mistakes;
use self::node::{Key, Node, Value};
use self::options::Source;
use self::settings::{SETTINGS, Settings};

pub use self::mistake::Mistake;
pub(crate) use self::moment::{MOMENT_ALLOWED, parse_rfc3339};
pub use self::node::Position;
pub use self::plan::{PlanFile, parse_plan_file};

/// The jobs of a file.
#[derive(Clone, Debug)]
pub struct JobFile {
    /// What the file calls itself.
    pub name: Option<String>,
    /// The jobs in the order of the file. A `start_at: in …` is not in the spec yet.
    pub jobs: Vec<JobSpec>,
    /// Where each job begins.
    pub positions: Vec<Position>,
    /// Milliseconds from the submission to the start of each job that has `start_at: in …`.
    pub start_in_ms: Vec<Option<u64>>,
    /// Input files whose content is not in the file, which reads no other file.
    pub input_files: Vec<InputPath>,
}

/// An input file that is named by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPath {
    /// Which job of the file.
    pub job: usize,
    /// Which of its items, where it is an input of one.
    pub item: Option<usize>,
    /// Which of the inputs.
    pub input: usize,
    /// The path, as the file has it.
    pub path: String,
}

impl JobFile {
    /// The jobs as they are to be submitted at `now`.
    pub fn specs_at(&self, now: Timestamp) -> Vec<JobSpec> {
        let mut specs = self.jobs.clone();
        for (spec, delay) in specs.iter_mut().zip(&self.start_in_ms) {
            if let Some(delay_ms) = delay {
                spec.start_at = Some(now.plus_millis(*delay_ms));
            }
        }
        specs
    }
}

/// Reads a job file. `name` is what mistakes call it; `env` answers `{env: NAME}`.
///
/// Pure but for `env`, never panics, and takes a time that is bounded by the limits on files.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn parse_job_file(text: &[u8], name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<JobFile, Vec<Mistake>> {
    let mut mistakes = Mistakes::of(name);
    let mut source = Source::new(env);
    let file = load::load(text, &mut mistakes).and_then(|root| read_file(&root, &mut source, &mut mistakes));
    match file {
        Some(file) if mistakes.are_none() => Ok(file),
        _ => Err(mistakes.into_list()),
    }
}

/// The fields of a file with several jobs.
const FILE_FIELDS: [&str; 4] = ["name", "defaults", "options", "jobs"];

fn read_file(root: &Node, source: &mut Source<'_>, mistakes: &mut Mistakes) -> Option<JobFile> {
    if is_single_job(root) {
        let fields = Fields::of(root, "", &JOB_FIELDS, mistakes)?;
        let defaults = Settings::default();
        let job = job::read_job(root, &fields, "", None, &defaults, source, mistakes);
        let name = job.spec.name.clone();
        return finish(name, vec![job], &defaults, root, mistakes);
    }
    let fields = Fields::of(root, "", &FILE_FIELDS, mistakes)?;
    let name = fields.get("name").and_then(|field| {
        let name = field.text(mistakes, "a text")?;
        if name.is_empty() || name.len() > 128 || name.contains(char::is_control) {
            let allowed = "1 to 128 bytes without control characters";
            field.fail(mistakes, "is not a good name", allowed);
        }
        Some(name.to_owned())
    });
    let defaults = read_defaults(&fields, source, mistakes);
    let Some(list) = fields.get("jobs") else {
        let allowed = "a map with jobs, or a single job with command, shell, wasm, function or executor";
        mistakes.add(root.at, "jobs", "there is none", allowed);
        return None;
    };
    let jobs = read_jobs(list.node, &defaults, source, mistakes)?;
    finish(name, jobs, &defaults, list.node, mistakes)
}

/// Whether the file is one job: it has no field that only a file with jobs has, and one that is, or is
/// probably meant as, what a job runs.
fn is_single_job(root: &Node) -> bool {
    let Value::Map(pairs) = &root.value else {
        return false;
    };
    let runs = task::RUNS;
    let of_a_file = |(key, _): &(Key, Node)| matches!(key.text.as_str(), "jobs" | "defaults");
    let of_a_job = |(key, _): &(Key, Node)| closest(&key.text, &runs).is_some();
    !pairs.iter().any(of_a_file) && pairs.iter().any(of_a_job)
}

fn read_defaults(fields: &Fields<'_>, source: &mut Source<'_>, mistakes: &mut Mistakes) -> Settings {
    let mut defaults = Settings::default();
    if let Some(field) = fields.get("defaults")
        && let Some(inner) = Fields::of(field.node, &field.path, &SETTINGS, mistakes)
    {
        if let (Some(twice), Some(_)) = (fields.get("options"), inner.get("options")) {
            let problem = "the same as defaults.options, which is there too";
            twice.fail(mistakes, problem, "one of the two");
        }
        defaults = Settings::read(&inner, source, mistakes);
    }
    if let Some(field) = fields.get_as("options", "options", &mut defaults.places) {
        let places = &mut defaults.places;
        defaults.options = options::read_options(&field, source, places, mistakes);
    }
    defaults
}

/// A list of jobs, or a map from names to jobs.
fn read_jobs(
    list: &Node,
    defaults: &Settings,
    source: &mut Source<'_>,
    mistakes: &mut Mistakes,
) -> Option<Vec<Decoded>> {
    let entries: Vec<(String, Option<&str>, &Node)> = match &list.value {
        Value::List(nodes) => {
            nodes.iter().enumerate().map(|(index, node)| (format!("jobs[{index}]"), None, node)).collect()
        }
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, node)| {
                let path = join("jobs", &load::shown_key(&key.text));
                (path, Some(key.text.as_str()), node)
            })
            .collect(),
        Value::Scalar(_) => {
            let problem = format!("is {}", list.describe());
            mistakes.add(list.at, "jobs", problem, "a list of jobs, or a map of names and jobs");
            return None;
        }
    };
    let mut jobs = Vec::with_capacity(entries.len());
    for (path, name, node) in entries {
        let Some(fields) = Fields::of(node, &path, &JOB_FIELDS, mistakes) else {
            continue;
        };
        if !source.take_room(&defaults.options) {
            options::no_room(node, &path, mistakes);
            return None;
        }
        jobs.push(job::read_job(node, &fields, &path, name, defaults, source, mistakes));
    }
    Some(jobs)
}

/// Runs the checks that every submission must pass and says where in the file each problem is.
fn finish(
    name: Option<String>,
    jobs: Vec<Decoded>,
    defaults: &Settings,
    all: &Node,
    mistakes: &mut Mistakes,
) -> Option<JobFile> {
    let mut file = JobFile {
        name,
        jobs: Vec::with_capacity(jobs.len()),
        positions: jobs.iter().map(|job| job.at).collect(),
        start_in_ms: jobs.iter().map(|job| job.start_in_ms).collect(),
        input_files: input_files(&jobs),
    };
    let mut places = Vec::with_capacity(jobs.len());
    for job in jobs {
        places.push((job.at, job.path, job.places));
        file.jobs.push(job.spec);
    }
    let Err(problems) = validate::check_submission(&file.jobs, &JobLimits::default()) else {
        return Some(file);
    };
    for problem in problems {
        let (index, field) = split_index(&problem.field);
        let job = places.get(index).filter(|_| field != "jobs");
        let Some((at, path, own)) = job else {
            mistakes.add(all.at, &problem.field, problem.problem, problem.allowed);
            continue;
        };
        let given = &defaults.places;
        let inner = own
            .exact(field)
            .or_else(|| given.exact(field))
            .or_else(|| own.nearest(field))
            .or_else(|| given.nearest(field));
        let (at, path) = match inner {
            Some((at, called)) => (*at, called.clone()),
            None => (*at, join(path, field)),
        };
        mistakes.add(at, &path, problem.problem, problem.allowed);
    }
    None
}

fn input_files(jobs: &[Decoded]) -> Vec<InputPath> {
    let of_job = |(job, decoded): (usize, &Decoded)| {
        let path = move |it: &FilePath| InputPath { job, item: it.item, input: it.input, path: it.path.clone() };
        decoded.files.iter().map(path).collect::<Vec<_>>()
    };
    jobs.iter().enumerate().flat_map(of_job).collect()
}

/// `jobs[2].retry` as 2 and `retry`; a field without an index is one of the only job.
fn split_index(field: &str) -> (usize, &str) {
    field
        .strip_prefix("jobs[")
        .and_then(|rest| rest.split_once("]."))
        .and_then(|(index, field)| Some((index.parse().ok()?, field)))
        .unwrap_or((0, field))
}

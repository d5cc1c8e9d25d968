//! Plan files: job configs and schedules by their names.

use super::fields::{Field, Fields, Places, join, shown};
use super::job::{JOB_FIELDS, read_job};
use super::mistake::{Mistake, Mistakes};
use super::node::{Node, Position, Value};
use super::options::Source;
use super::schedule::{OWN_FIELDS, SCHEDULE_FIELDS, read_schedule, read_times};
use super::settings::Settings;
use super::{load, options, read_defaults};
use crate::error::Problem;
use crate::job::{JobConfig, JobLimits, OwnSchedule, ScheduleLimits, ScheduleSpec};

/// The configs and schedules of a file.
#[derive(Clone, Debug, Default)]
pub struct PlanFile {
    /// Configs with their names, in the order of the file.
    pub configs: Vec<(String, JobConfig)>,
    /// Schedules with their projects and names, in the order of the file.
    pub schedules: Vec<(String, String, ScheduleSpec)>,
}

const PLAN_FIELDS: [&str; 4] = ["defaults", "options", "configs", "schedules"];
/// Fields of single jobs, which a config does not have.
const OF_ONE_JOB: [&str; 6] = ["name", "after", "config", "start_at", "idempotency_key", "inputs"];

/// Reads a plan file. `name` is what mistakes call it; `env` answers `{env: NAME}`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn parse_plan_file(
    text: &[u8],
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<PlanFile, Vec<Mistake>> {
    let mut mistakes = Mistakes::of(name);
    let mut source = Source::new(env);
    let file = load::load(text, &mut mistakes).and_then(|root| read_plan(&root, &mut source, &mut mistakes));
    match file {
        Some(file) if mistakes.are_none() => Ok(file),
        _ => Err(mistakes.into_list()),
    }
}

fn read_plan(root: &Node, source: &mut Source<'_>, mistakes: &mut Mistakes) -> Option<PlanFile> {
    let fields = Fields::of(root, "", &PLAN_FIELDS, mistakes)?;
    let defaults = read_defaults(&fields, source, mistakes);
    let mut file = PlanFile::default();
    for (name, node) in named(&fields, "configs", mistakes) {
        if !source.take_room(&defaults.options) {
            options::no_room(node, "configs", mistakes);
            return None;
        }
        file.configs.extend(read_config(name, node, &defaults, source, mistakes));
    }
    for (name, node) in named(&fields, "schedules", mistakes) {
        let path = join("schedules", &load::shown_key(name));
        let Some(fields) = Fields::of(node, &path, &SCHEDULE_FIELDS, mistakes) else { continue };
        let mut places = Places::default();
        let (project, spec) = read_schedule(&fields, source, &mut places, mistakes);
        let project = project.or_else(|| defaults.project().map(str::to_owned));
        let project = project.unwrap_or_else(|| crate::job::spec::DEFAULT_NAME.to_owned());
        let Some(spec) = spec else { continue };
        let problems = spec.check(name, &JobLimits::default(), &ScheduleLimits::default()).err().unwrap_or_default();
        tell(problems, node.at, &path, &places, mistakes);
        file.schedules.push((project, name.to_owned(), spec));
    }
    if fields.get("configs").is_none() && fields.get("schedules").is_none() {
        mistakes.add(root.at, "configs", "there is none", "a map with configs, schedules or both");
    }
    Some(file)
}

/// The entries of a map from names to what they stand for.
fn named<'n>(fields: &Fields<'n>, field: &str, mistakes: &mut Mistakes) -> Vec<(&'n str, &'n Node)> {
    let Some(field) = fields.get(field) else { return Vec::new() };
    let Value::Map(pairs) = &field.node.value else {
        field.fail(mistakes, format!("is {}", field.node.describe()), "a map of names and what they stand for");
        return Vec::new();
    };
    pairs.iter().map(|(key, node)| (key.text.as_str(), node)).collect()
}

fn read_config(
    name: &str,
    node: &Node,
    defaults: &Settings,
    source: &mut Source<'_>,
    mistakes: &mut Mistakes,
) -> Option<(String, JobConfig)> {
    let path = join("configs", &load::shown_key(name));
    let mut known: Vec<&str> = JOB_FIELDS.into_iter().filter(|field| !OF_ONE_JOB.contains(field)).collect();
    known.extend(["next", "schedule"]);
    let fields = Fields::of(node, &path, &known, mistakes)?;
    let mut job = read_job(node, &fields, &path, None, defaults, source, mistakes);
    // What the field is was told; what it would mean is not told too.
    job.spec.after.clear();
    (job.spec.name, job.spec.config, job.spec.start_at, job.spec.idempotency_key) = (None, None, None, None);
    let next = fields.get_as("next", "next", &mut job.places);
    let next = next.and_then(|field| field.text(mistakes, "the name of a config")).map(str::to_owned);
    let schedule = fields.get("schedule").and_then(|field| read_own(&field, mistakes));
    let config = JobConfig { spec: job.spec, next, schedule };
    tell(config.problems(name, &JobLimits::default()), node.at, &path, &job.places, mistakes);
    Some((name.to_owned(), config))
}

/// The schedule of a config.
fn read_own(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<OwnSchedule> {
    let fields = Fields::of(field.node, &field.path, &OWN_FIELDS, mistakes)?;
    let mut places = Places::default();
    let own = read_times(&fields, &mut places, mistakes)?;
    let problems = own.check(&ScheduleLimits::default()).err().unwrap_or_default();
    tell(problems, field.node.at, &field.path, &places, mistakes);
    Some(own)
}

/// Says where in the file each problem is.
fn tell(problems: Vec<Problem>, at: Position, path: &str, places: &Places, mistakes: &mut Mistakes) {
    for problem in problems {
        let list = problem.field.split('[').next().unwrap_or_default();
        let place = places.nearest(&problem.field).or_else(|| places.nearest(list));
        let (at, field) = match place {
            Some((at, called)) => (*at, called.clone()),
            None => (at, join(path, &problem.field)),
        };
        mistakes.add(at, &field, problem.problem, problem.allowed);
    }
}

/// A text that stands for something else than what may stand there.
pub(super) fn not_known(text: &str) -> String {
    format!("{} is not known", shown(text))
}

//! Job configs: jobs that are submitted again and again, under a name.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::after::After;
use super::limits::JobLimits;
use super::options::RunOptions;
use super::schedule::OwnSchedule;
use super::spec::JobSpec;
use super::validate::{check_name, check_submission, shown};
use crate::error::{Error, Problem};

/// A job config: what each job of it is, and what comes after it.
///
/// Stored under a name in a project. A stored revision never changes; a job says which one it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobConfig {
    /// What its jobs are. What belongs to one job only (a name, edges, a start time, an idempotency key) is not set.
    pub spec: JobSpec,
    /// The config of the same project whose job runs when one of this has succeeded.
    pub next: Option<String>,
    /// When it runs by itself. Where the config is stored that is a schedule with the name of the config, which changes and
    /// goes with it; runs that come from somewhere else, from the `next` of another config too, do not look at it.
    pub schedule: Option<OwnSchedule>,
}

impl JobConfig {
    /// A config without a successor and without a schedule.
    pub fn new(spec: JobSpec) -> Self {
        JobConfig { spec, next: None, schedule: None }
    }

    /// Sets when it runs by itself.
    #[must_use]
    pub fn on(mut self, schedule: OwnSchedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Sets the config that comes next.
    #[must_use]
    pub fn then(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Everything that is wrong with it under this name, but for its schedule.
    pub fn problems(&self, name: &str, limits: &JobLimits) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_name("name", name, limits, &mut problems);
        if let Some(next) = &self.next {
            check_name("next", next, limits, &mut problems);
        }
        let spec = &self.spec;
        let of_one_job = [
            ("name", spec.name.is_some(), "no name: jobs are called like their config"),
            ("config", spec.config.is_some() || spec.config_revision.is_some(), "no config of a config"),
            ("after", !spec.after.is_empty(), "no after: `next` joins configs"),
            ("start_at", spec.start_at.is_some(), "no start: a schedule says when"),
            ("idempotency_key", spec.idempotency_key.is_some(), "a key is given with each request"),
            ("open_items", spec.open_items, "items belong to one job"),
            ("inputs", !spec.inputs.is_empty(), "no files: they are given with each job"),
            ("items", spec.items.as_ref().is_some_and(|items| !items.given.is_empty()), "fetchers that list items"),
            ("fired", spec.fired.is_some(), "the engine itself says what fired a job"),
        ];
        let set = of_one_job.into_iter().filter(|(_, is_set, _)| *is_set);
        problems.extend(set.map(|(field, _, allowed)| Problem {
            field: field.to_owned(),
            problem: "it is for single jobs".to_owned(),
            allowed: allowed.to_owned(),
        }));
        problems.extend(check_submission(std::slice::from_ref(spec), limits).err().unwrap_or_default());
        problems
    }
}

/// What is wrong with the `next` of configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// There is no such config.
    Dangling {
        /// The names from the first on; the last one is not there.
        path: Vec<String>,
    },
    /// They follow each other in a circle.
    Cycle {
        /// The names from the first on; the last one was there before.
        path: Vec<String>,
    },
    /// There are too many.
    TooLong {
        /// How many there may be.
        most: usize,
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown_path = |path: &[String]| path.iter().map(|name| shown(name)).collect::<Vec<_>>().join(" -> ");
        match self {
            LinkError::Dangling { path } => match path.as_slice() {
                [only] => write!(f, "there is no config {}", shown(only)),
                path => write!(f, "the last of {} is not there", shown_path(path)),
            },
            LinkError::Cycle { path } => write!(f, "configs follow each other in a circle: {}", shown_path(path)),
            LinkError::TooLong { most } => write!(f, "more than {most} configs follow each other"),
        }
    }
}

/// One element of a chain that somebody puts together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainElement {
    /// The config, of the project of the chain.
    pub config: String,
    /// Options laid over those of the config.
    pub options: RunOptions,
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Error {
        let allowed = match error {
            LinkError::Dangling { .. } => "configs that are stored in this project",
            LinkError::Cycle { .. } => "configs that end somewhere",
            LinkError::TooLong { .. } => "a shorter chain",
        };
        Error::invalid("config", error.to_string(), allowed)
    }
}

/// The configs that run one after the other, from the first on. `next_of` is `None` for one that there is not, else its
/// `next`.
///
/// # Errors
/// A config that is not there, a circle, or too many; each with the path to it. And whatever `next_of` fails with.
pub fn follow<E: From<LinkError>>(
    first: &str,
    most: usize,
    mut next_of: impl FnMut(&str) -> Result<Option<Option<String>>, E>,
) -> Result<Vec<String>, E> {
    let mut path: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    let mut at = Some(first.to_owned());
    while let Some(name) = at {
        path.push(name.clone());
        if path.len() > most {
            return Err(LinkError::TooLong { most }.into());
        }
        if !known.insert(name.clone()) {
            // Only the circle itself is told.
            let begin = path.iter().position(|known| *known == name).unwrap_or(0);
            return Err(LinkError::Cycle { path: path.split_off(begin) }.into());
        }
        at = match next_of(&name)? {
            Some(next) => next,
            None => return Err(LinkError::Dangling { path }.into()),
        };
    }
    Ok(path)
}

/// Makes the jobs of a chain: each runs when the one before has succeeded. Jobs are called like their configs; the second
/// of one config gets a number.
pub fn chained(specs: Vec<JobSpec>) -> Vec<JobSpec> {
    let mut used: HashSet<String> = specs.iter().filter_map(|spec| spec.config.clone()).collect();
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut before: Option<String> = None;
    let mut jobs = Vec::with_capacity(specs.len());
    for mut spec in specs {
        let config = spec.config.clone().unwrap_or_default();
        let time = times.entry(config.clone()).or_insert(0);
        let name = loop {
            *time += 1;
            if *time == 1 {
                break config;
            }
            // A config may have such a name itself.
            let name = format!("{config}@{time}");
            if used.insert(name.clone()) {
                break name;
            }
        };
        spec.after = before.replace(name.clone()).map(After::from).into_iter().collect();
        spec.name = Some(name);
        jobs.push(spec);
    }
    jobs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn links(pairs: &[(&str, Option<&str>)], first: &str) -> Result<Vec<String>, LinkError> {
        let known: BTreeMap<&str, Option<&str>> = pairs.iter().copied().collect();
        follow(first, 5, |name| Ok(known.get(name).map(|next| next.map(str::to_owned))))
    }

    #[test]
    fn configs_are_followed_to_the_last() {
        let pairs = [("a", Some("b")), ("b", Some("c")), ("c", None)];
        assert_eq!(links(&pairs, "a").unwrap(), ["a", "b", "c"]);
        assert_eq!(links(&pairs, "c").unwrap(), ["c"]);
    }

    #[test]
    fn mistakes_name_the_path() {
        let told = |pairs: &[(&str, Option<&str>)], first| links(pairs, first).unwrap_err().to_string();
        let circle = [("a", Some("b")), ("b", Some("c")), ("c", Some("b"))];
        assert_eq!(told(&circle, "a"), r#"configs follow each other in a circle: "b" -> "c" -> "b""#);
        assert_eq!(told(&[("a", Some("a"))], "a"), r#"configs follow each other in a circle: "a" -> "a""#);
        assert_eq!(told(&[("a", Some("x"))], "a"), r#"the last of "a" -> "x" is not there"#);
        assert_eq!(told(&[], "x"), r#"there is no config "x""#);
        let line = [("a", Some("b")), ("b", Some("c")), ("c", Some("d")), ("d", Some("e")), ("e", Some("f"))];
        assert_eq!(told(&line, "a"), "more than 5 configs follow each other");
    }

    #[test]
    fn jobs_of_one_config_have_names_of_their_own() {
        let of = |config: &str| JobSpec { config: Some(config.to_owned()), ..JobSpec::process("true", [""; 0]) };
        let jobs = chained(vec![of("load"), of("load@2"), of("load"), of("load")]);
        let names: Vec<_> = jobs
            .iter()
            .map(|job| {
                (
                    job.name.as_deref().unwrap(),
                    job.after.iter().map(|after| after.job.as_str()).collect::<Vec<_>>().join(","),
                )
            })
            .collect();
        let expected = [("load", ""), ("load@2", "load"), ("load@3", "load@2"), ("load@4", "load@3")];
        assert_eq!(names, expected.map(|(name, after)| (name, after.to_owned())));
    }

    #[test]
    fn what_is_for_single_jobs_is_refused_all_at_once() {
        let mut config = JobConfig::new(JobSpec::process("true", [""; 0]).named("x").after("y")).then("no name");
        config.spec.idempotency_key = Some("k".into());
        config.spec.priority = 7;
        let fields: Vec<String> =
            config.problems("a b", &JobLimits::default()).into_iter().map(|it| it.field).collect();
        assert_eq!(fields, ["name", "next", "name", "after", "idempotency_key", "jobs[0].after"].map(str::to_owned));
    }
}

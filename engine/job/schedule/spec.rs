//! What is asked for: a schedule as plain data.

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::error::Problem;
use crate::job::calendar::{Calendar, CalendarSpec};
use crate::job::limits::{JobLimits, ScheduleLimits};
use crate::job::options::RunOptions;
use crate::job::validate::{check_name, check_run_options};

/// A schedule: what fires when, and what happens when fires meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// When it fires.
    pub calendar: CalendarSpec,
    /// What happens with fires that overlap or were missed.
    pub policy: Policy,
    /// What runs.
    pub target: Target,
    /// Options laid over those of the first job of each fire, or the parameters of each run of a pipeline; sealed at rest.
    pub options: RunOptions,
}

/// When a job config runs by itself: a schedule without its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSchedule {
    /// When it fires.
    pub calendar: CalendarSpec,
    /// What happens with fires that overlap or were missed.
    pub policy: Policy,
}

/// What a schedule belongs to. Both have the same name; the schedule changes and goes with its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A job config.
    Config,
    /// A pipeline.
    Pipeline,
}

impl Owner {
    /// The word used in the API and on screen.
    pub fn word(self) -> &'static str {
        match self {
            Owner::Config => "config",
            Owner::Pipeline => "pipeline",
        }
    }
}

/// What a schedule runs, in its own project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A job config, and those that are its `next`.
    Config(String),
    /// These configs one after the other, whatever their own `next` is.
    Chain(Vec<String>),
    /// A pipeline. The options of the schedule are the parameters of its runs.
    Pipeline(String),
}

impl Target {
    /// The configs that it names.
    pub fn configs(&self) -> &[String] {
        match self {
            Target::Config(name) => std::slice::from_ref(name),
            Target::Chain(names) => names,
            Target::Pipeline(_) => &[],
        }
    }

    /// The pipeline that it names.
    pub fn pipeline(&self) -> Option<&str> {
        match self {
            Target::Pipeline(name) => Some(name),
            Target::Config(_) | Target::Chain(_) => None,
        }
    }

    /// The field of a schedule that says it.
    pub fn field(&self) -> &'static str {
        match self {
            Target::Config(_) => "config",
            Target::Chain(_) => "chain",
            Target::Pipeline(_) => "pipeline",
        }
    }

    fn check(&self, limits: &JobLimits, problems: &mut Vec<Problem>) {
        match self {
            Target::Config(name) | Target::Pipeline(name) => check_name(self.field(), name, limits, problems),
            Target::Chain(names) => {
                for (at, name) in names.iter().enumerate() {
                    check_name(&format!("chain[{at}]"), name, limits, problems);
                }
                let count = names.len();
                if count == 0 || count > limits.submission {
                    let (problem, allowed) =
                        (format!("there are {count}"), format!("1 to {} configs", limits.submission));
                    problems.push(Problem { field: "chain".to_owned(), problem, allowed });
                }
            }
        }
    }
}

impl ScheduleSpec {
    /// A schedule with the default policy.
    pub fn new(calendar: CalendarSpec, target: Target) -> Self {
        ScheduleSpec { calendar, policy: Policy::default(), target, options: RunOptions::new() }
    }

    /// Checks it under this name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self, name: &str, jobs: &JobLimits, limits: &ScheduleLimits) -> Result<Calendar, Vec<Problem>> {
        let mut problems = Vec::new();
        check_name("name", name, jobs, &mut problems);
        self.target.check(jobs, &mut problems);
        check_run_options(&self.options, jobs, &mut problems);
        let calendar = check_times(&self.calendar, &self.policy, limits, &mut problems);
        match calendar {
            Some(calendar) if problems.is_empty() => Ok(calendar),
            _ => Err(problems),
        }
    }
}

impl OwnSchedule {
    /// One with the default policy.
    pub fn new(calendar: CalendarSpec) -> Self {
        OwnSchedule { calendar, policy: Policy::default() }
    }

    /// Checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self, limits: &ScheduleLimits) -> Result<Calendar, Vec<Problem>> {
        let mut problems = Vec::new();
        let calendar = check_times(&self.calendar, &self.policy, limits, &mut problems);
        calendar.ok_or(problems)
    }
}

/// The calendar, unless something is wrong with it or with the policy.
fn check_times(
    calendar: &CalendarSpec,
    policy: &Policy,
    limits: &ScheduleLimits,
    problems: &mut Vec<Problem>,
) -> Option<Calendar> {
    match Calendar::parse(calendar, limits) {
        Ok(calendar) => match policy.check(&calendar, limits) {
            Ok(()) => Some(calendar),
            Err(of_policy) => {
                problems.extend(of_policy);
                None
            }
        },
        Err(of_calendar) => {
            problems.extend(of_calendar);
            problems.extend(policy.problems(limits));
            None
        }
    }
}

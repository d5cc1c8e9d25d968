//! Whether a pipeline makes sense: every mistake at once, each with its spot.

use std::collections::{HashMap, HashSet};

use super::links::{self, Links};
use super::names;
use super::spec::{PipelineSpec, Requirement};
use super::spot::Spot;
use crate::error::Problem;
use crate::job::calendar::{Calendar, CalendarSpec, Rule};
use crate::job::limits::{PipelineLimits, ScheduleLimits};
use crate::job::options::{OptionValue, RunOptions};
use crate::job::schedule::Policy;
use crate::job::validate::shown;

/// One mistake.
pub(super) struct Finding {
    pub(super) spot: Spot,
    /// What else must be whole for it to be one: a name that is not known may be in a part that could not be read.
    pub(super) needs: Option<Spot>,
    pub(super) problem: String,
    pub(super) allowed: String,
}

/// Where mistakes and remarks go.
pub(super) struct Check<'c> {
    pub(super) spec: &'c PipelineSpec,
    pub(super) limits: &'c PipelineLimits,
    pub(super) tell: &'c mut dyn FnMut(Finding),
    pub(super) remark: &'c mut dyn FnMut(Spot, &'static str),
}

impl Check<'_> {
    pub(super) fn fail(&mut self, spot: Spot, problem: impl Into<String>, allowed: impl Into<String>) {
        (self.tell)(Finding { spot, needs: None, problem: problem.into(), allowed: allowed.into() });
    }

    /// A mistake only where `needs` could be read.
    pub(super) fn fail_given(
        &mut self,
        needs: Spot,
        spot: Spot,
        problem: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        (self.tell)(Finding { spot, needs: Some(needs), problem: problem.into(), allowed: allowed.into() });
    }

    fn at_most(&mut self, spot: Spot, count: usize, most: usize, what: &str) -> bool {
        if count > most {
            self.fail(spot, format!("there are {count}"), format!("at most {most} {what}"));
        }
        count <= most
    }

    fn name(&mut self, spot: Spot, name: &str) {
        if !names::is_name(name, self.limits) {
            self.fail(spot, format!("{} is not a name", shown(name)), names::name_allowed(self.limits));
        }
    }

    /// A text that must be one of its kind and not there twice. The first of its kind is remembered.
    fn once<'s>(&mut self, spot: Spot, name: &'s str, seen: &mut HashSet<&'s str>, kind: &str) {
        if !name.is_empty() && !seen.insert(name) {
            self.fail(spot, format!("{} is there already", shown(name)), format!("each {kind} once"));
        }
    }

    /// Everything but the schedule.
    pub(super) fn run(&mut self) -> Option<Links> {
        let spec = self.spec;
        let data = self.at_most(Spot::DataNodes, spec.data_nodes.len(), self.limits.data_nodes, "data nodes");
        let process =
            self.at_most(Spot::ProcessNodes, spec.process_nodes.len(), self.limits.process_nodes, "process nodes");
        let told = self.at_most(Spot::Parameters, spec.parameters.len(), self.limits.parameters, "parameters");
        if !(data && process && told) {
            return None;
        }
        if spec.process_nodes.is_empty() {
            self.fail_given(Spot::ProcessNodes, Spot::ProcessNodes, "there is none", "at least one process node");
        }
        self.data_nodes();
        self.parameters();
        let mut seen = HashSet::new();
        for (at, node) in spec.process_nodes.iter().enumerate() {
            self.once(Spot::ProcessNode(at), &node.name, &mut seen, "name of a process node");
            self.process_node(at);
        }
        if let Some(list) = &spec.requirement {
            self.requirement(None, list);
        }
        links::link(self)
    }

    fn data_nodes(&mut self) {
        let mut seen = HashSet::new();
        let mut sources: HashMap<&str, &str> = HashMap::new();
        for (at, node) in self.spec.data_nodes.iter().enumerate() {
            self.name(Spot::DataNode(at), &node.name);
            self.once(Spot::DataNode(at), &node.name, &mut seen, "name of a data node");
            let (spot, source) = (Spot::Source(at), node.source.as_str());
            if source.is_empty() {
                self.fail(spot, "there is none", "the path of the data among the files of the project");
            } else if !names::is_source(source, self.limits) {
                let problem = format!("{} is not a path", shown(source));
                self.fail(spot, problem, names::source_allowed(self.limits));
            } else if let Some(other) = sources.get(source) {
                let problem = format!("{} is the source of data node {} too", shown(source), shown(other));
                self.fail(spot, problem, "one data node for each source");
            } else {
                sources.insert(source, &node.name);
            }
        }
    }

    fn parameters(&mut self) {
        let mut seen = HashSet::new();
        for (at, parameter) in self.spec.parameters.iter().enumerate() {
            let spot = Spot::Parameter(at);
            self.name(spot, &parameter.name);
            self.once(spot, &parameter.name, &mut seen, "parameter");
            match &parameter.default {
                Some(default) => self.value(spot, default),
                None if self.spec.schedule.is_some() => {
                    let problem = "there is no default, and no value when the pipeline runs by itself";
                    let allowed = "a default for each parameter of a pipeline with a schedule";
                    self.fail_given(Spot::Schedule, spot, problem, allowed);
                }
                None => {}
            }
        }
    }

    fn process_node(&mut self, at: usize) {
        let Some(node) = self.spec.process_nodes.get(at) else { return };
        self.name(Spot::ProcessNode(at), &node.name);
        if node.processor.is_empty() {
            self.fail(Spot::Processor(at), "there is none", "the name of a job config");
        } else if !names::is_processor(&node.processor, self.limits) {
            let most = self.limits.processor_bytes;
            let allowed = format!("1 to {most} bytes without control characters and blanks at either end");
            self.fail(Spot::Processor(at), format!("{} is not a name", shown(&node.processor)), allowed);
        }
        let most = self.limits.entries;
        self.at_most(Spot::Input(at, most), node.input.len(), most, "inputs");
        self.at_most(Spot::Output(at, most), node.output.len(), most, "outputs");
        self.at_most(Spot::After(at, most), node.after.len(), most, "nodes");
        if node.max_attempts.is_some_and(|it| it == 0 || it > self.limits.max_attempts) {
            let allowed = format!("1 to {}, the first attempt included", self.limits.max_attempts);
            self.fail(Spot::Retry(at), "the number of attempts is out of range", allowed);
        }
        self.options(at, &node.options);
        if let Some(list) = &node.requirement {
            self.requirement(Some(at), list);
        }
    }

    fn options(&mut self, node: usize, options: &RunOptions) {
        let limits = self.limits;
        if !self.at_most(Spot::Options(node), options.len(), limits.options, "options") {
            return;
        }
        let mut bytes = 0;
        for (at, (name, value)) in options.iter().enumerate() {
            let spot = Spot::Option(node, at);
            bytes += name.len() + value.value.len();
            let bad = name.is_empty() || name.contains('=') || name.contains(char::is_control);
            if bad || name.len() > limits.option_name_bytes {
                let allowed =
                    format!("1 to {} bytes without '=', NUL and control characters", limits.option_name_bytes);
                self.fail(spot, format!("{} is not a name", shown(name)), allowed);
            }
            self.value(spot, value);
        }
        if bytes > limits.options_bytes {
            let allowed = format!("at most {} bytes of names and values", limits.options_bytes);
            self.fail(Spot::Options(node), format!("there are {bytes} bytes"), allowed);
        }
    }

    /// A value that ends up in an environment. It is not shown.
    fn value(&mut self, spot: Spot, value: &OptionValue) {
        let size = value.value.len();
        if size > self.limits.option_value_bytes {
            let allowed = format!("at most {} bytes", self.limits.option_value_bytes);
            self.fail(spot, format!("the value has {size} bytes"), allowed);
        }
        if value.value.contains('\0') {
            self.fail(spot, "the value holds NUL", "any text without NUL");
        }
        if value.secret {
            self.fail(spot, "the value is secret", "a parameter for which each run gives a secret value");
        }
    }

    fn requirement(&mut self, of: Option<usize>, list: &[Requirement]) {
        if !self.at_most(Spot::Requirement(of), list.len(), self.limits.requirements, "requirements") {
            return;
        }
        let mut seen = HashSet::new();
        for (at, required) in list.iter().enumerate() {
            let spot = Spot::Required(of, at);
            if required.name.is_empty() {
                self.fail(spot, "there is no name", "the name of a library");
            } else if !names::is_library(&required.name, self.limits) {
                let allowed = "letters, digits, '_', '-', '.', ',' and brackets, the first a letter or a digit";
                self.fail(spot, format!("{} is not the name of a library", shown(&required.name)), allowed);
            }
            self.once(spot, &required.name, &mut seen, "library");
            if let Some(version) = &required.version
                && !names::is_version(version, self.limits)
            {
                let allowed = "a version such as 1.5.3, or bounds such as >=1.5,<2, without blanks";
                self.fail(spot, format!("{} is not a version", shown(version)), allowed);
            }
        }
    }

    /// The calendar of the schedule in its one spelling.
    pub(super) fn schedule(&mut self, spec: &CalendarSpec, limits: &ScheduleLimits) -> Option<CalendarSpec> {
        match &spec.rule {
            Rule::Cron(text) if text.is_empty() => {
                let allowed = "a cron text such as \"5 10 * * *\"";
                self.fail(Spot::ScheduleKey("schedule_interval"), "there is none", allowed);
                // The rest may have mistakes too.
                let rest = CalendarSpec { rule: Rule::Cron("@daily".to_owned()), ..spec.clone() };
                return self.schedule(&rest, limits);
            }
            Rule::Cron(_) => {}
            Rule::Parts(_) | Rule::Times(_) => {
                self.fail(Spot::Schedule, "the rule is no cron text", "a cron text");
                return None;
            }
        }
        let problems = match Calendar::parse(spec, limits) {
            Ok(calendar) => match Policy::default().check(&calendar, limits) {
                Ok(()) => return Some(calendar.spec().clone()),
                Err(problems) => problems,
            },
            Err(problems) => problems,
        };
        for Problem { field, problem, allowed } in problems {
            // A part of a cron text has a field of its own.
            let part = field.strip_prefix("cron.");
            let problem = part.map_or(problem.clone(), |part| format!("{part}: {problem}"));
            let spot = match field.as_str() {
                "cron" | "calendar" => Spot::ScheduleKey("schedule_interval"),
                _ if part.is_some() => Spot::ScheduleKey("schedule_interval"),
                "start" => Spot::ScheduleKey("start_date"),
                "end" => Spot::ScheduleKey("end_date"),
                "zone" => Spot::ScheduleKey("timezone"),
                _ => Spot::Schedule,
            };
            self.fail(spot, problem, allowed);
        }
        None
    }
}

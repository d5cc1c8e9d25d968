//! Pipelines: a language for graphs of steps and data, and every decision about a run of one.
//!
//! *Architecture invariant:* nothing here runs anything. A pipeline is read and checked, and says what comes after what; a run
//! is a list of states that somebody else keeps, and what follows from it is asked here.
#![doc = include_str!("language.md")]

mod check;
mod decide;
mod drawing;
mod fields;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod graph;
mod json;
mod late;
mod links;
mod load;
mod mistake;
mod names;
mod order;
mod position;
mod print;
mod progress;
mod read;
mod rerun;
mod resolve;
mod spec;
mod spot;
mod template;
mod tree;

#[cfg(test)]
mod bad;
#[cfg(test)]
mod bombs;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod random;
#[cfg(test)]
mod stories;

use std::collections::{HashMap, HashSet};

pub use decide::{Because, Decision, NodeState, Summary, decide, summarize};
pub use drawing::Drawing;
#[cfg(fuzzing)]
pub(crate) use fuzz::fuzz_pipeline;
pub use graph::{Edge, Graph};
pub use late::{LateError, output_text, put_together};
pub use mistake::Mistake;
pub use position::Position;
pub use progress::Progress;
pub use rerun::{Rerun, RerunError, rerun_failed, rerun_from};
pub use resolve::{Resolved, Values, named_outputs, resolve};
pub use spec::{After, DataNode, On, Parameter, PipelineSpec, ProcessNode, Requirement};

use super::calendar::CalendarSpec;
use super::limits::{PipelineLimits, ScheduleLimits};
use crate::error::Problem;
use check::{Check, Finding};
use links::Links;
use mistake::{MOST_TOLD, Mistakes};
use spot::Spot;

/// The language of pipelines in words: the text of this module's documentation.
pub const LANGUAGE: &str = include_str!("language.md");

/// A checked pipeline and its graph. A process node is known by its position in the order of declaration.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The schedule in its one spelling.
    spec: PipelineSpec,
    graph: Graph,
    /// For each data node, the process node that makes it.
    makers: Vec<Option<usize>>,
    /// For each data node, whether a process node reads it.
    read: Vec<bool>,
    /// Positions of data nodes by their names.
    data: HashMap<String, usize>,
    /// Positions of process nodes by their names.
    positions: HashMap<String, usize>,
    notes: Vec<Note>,
}

/// Something that is no mistake and probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it is, in a pipeline that was read from a text.
    pub at: Option<Position>,
    /// The field, as a path.
    pub field: String,
    /// What there is to say about it.
    pub text: &'static str,
}

impl Pipeline {
    /// Reads and checks the text of a pipeline, YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    pub fn parse(text: &[u8], limits: &PipelineLimits, schedules: &ScheduleLimits) -> Result<Pipeline, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let root = load::load(text, limits, &mut mistakes);
        let draft = root.and_then(|root| read::read(&root, limits, &mut mistakes));
        let Some(read::Draft { spec, places }) = draft else { return Err(mistakes.into_list()) };
        let mut notes = Vec::new();
        let checked = {
            let mut tell = |finding: Finding| {
                let Finding { spot, needs, problem, allowed } = finding;
                let is_heard = !places.is_broken(spot) && !needs.is_some_and(|needs| places.is_broken(needs));
                if is_heard {
                    mistakes.add(places.find(spot), &spot.path(&spec), problem, allowed);
                }
            };
            let mut remark = |spot: Spot, text| {
                notes.push(Note { at: Some(places.find(spot)), field: spot.path(&spec), text });
            };
            check(&spec, limits, schedules, &mut tell, &mut remark)
        };
        match checked.filter(|_| mistakes.are_none()) {
            Some(checked) => Ok(Pipeline::of(spec, checked, notes)),
            None => Err(mistakes.into_list()),
        }
    }

    /// Checks a pipeline that was not written as a text, or comes from the store.
    ///
    /// # Errors
    /// What is wrong with it; of very many mistakes the first ones.
    pub fn new(
        spec: PipelineSpec,
        limits: &PipelineLimits,
        schedules: &ScheduleLimits,
    ) -> Result<Pipeline, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut notes = Vec::new();
        let mut tell = |finding: Finding| {
            if problems.len() < MOST_TOLD {
                let Finding { spot, problem, allowed, .. } = finding;
                let field = spot.path(&spec);
                let field = if field.is_empty() { "pipeline".to_owned() } else { field };
                problems.push(Problem { field, problem, allowed });
            }
        };
        let mut remark = |spot: Spot, text| notes.push(Note { at: None, field: spot.path(&spec), text });
        let checked = check(&spec, limits, schedules, &mut tell, &mut remark);
        match checked {
            Some(checked) if problems.is_empty() => Ok(Pipeline::of(spec, checked, notes)),
            _ => Err(problems),
        }
    }

    fn of(mut spec: PipelineSpec, checked: Checked, notes: Vec<Note>) -> Pipeline {
        let Checked { links: Links { graph, makers, read }, calendar } = checked;
        spec.schedule = calendar;
        let data = spec.data_nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
        let positions = spec.process_nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
        Pipeline { spec, graph, makers, read, data, positions, notes }
    }

    /// The pipeline as plain data: to be stored, and to be made into the same pipeline again.
    pub fn spec(&self) -> &PipelineSpec {
        &self.spec
    }

    /// What comes after what.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What is no mistake and probably not meant.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The position of a process node.
    pub fn position_of(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The name of a process node.
    pub fn name_of(&self, node: usize) -> &str {
        self.spec.process_nodes.get(node).map_or("", |node| &node.name)
    }

    /// The sources that must be there before a run: of data that is read and that no process node makes.
    pub fn needed_sources(&self) -> Vec<&str> {
        let made_and_read = self.makers.iter().zip(&self.read);
        let nodes = self.spec.data_nodes.iter().zip(made_and_read);
        nodes.filter(|(_, (maker, read))| maker.is_none() && **read).map(|(node, _)| node.source.as_str()).collect()
    }

    /// The processors that must be there before a run, each once, in the order of declaration.
    pub fn needed_processors(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let all = self.spec.process_nodes.iter().map(|node| node.processor.as_str());
        all.filter(|processor| seen.insert(*processor)).collect()
    }

    /// The sources of what a process node reads, and of what it writes, as it lists them.
    pub fn sources_of(&self, node: usize) -> (Vec<&str>, Vec<&str>) {
        let Some(node) = self.spec.process_nodes.get(node) else { return (Vec::new(), Vec::new()) };
        let sources = |names: &[String]| names.iter().filter_map(|name| self.source_of(name)).collect();
        (sources(&node.input), sources(&node.output))
    }

    fn source_of(&self, name: &str) -> Option<&str> {
        let node = self.spec.data_nodes.get(*self.data.get(name)?)?;
        Some(&node.source)
    }

    /// The only libraries of a process node; `None`: those that the project has.
    pub fn requirement_of(&self, node: usize) -> Option<&[Requirement]> {
        let own = self.spec.process_nodes.get(node).and_then(|node| node.requirement.as_deref());
        own.or(self.spec.requirement.as_deref())
    }
}

/// What a check finds beside mistakes.
struct Checked {
    links: Links,
    calendar: Option<CalendarSpec>,
}

fn check(
    spec: &PipelineSpec,
    limits: &PipelineLimits,
    schedules: &ScheduleLimits,
    tell: &mut dyn FnMut(Finding),
    remark: &mut dyn FnMut(Spot, &'static str),
) -> Option<Checked> {
    let mut check = Check { spec, limits, tell, remark };
    let calendar = spec.schedule.as_ref().and_then(|schedule| check.schedule(schedule, schedules));
    let links = check.run()?;
    Some(Checked { links, calendar })
}

//! The places of a pipeline that a mistake may be at, and where they are in a text.

use std::collections::{HashMap, HashSet};

use super::position::Position;
use super::spec::PipelineSpec;
use super::tree::{join, shown_key};

/// A part of a [`PipelineSpec`], by positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spot {
    /// The pipeline.
    Whole,
    DataNodes,
    DataNode(usize),
    Source(usize),
    ProcessNodes,
    ProcessNode(usize),
    Processor(usize),
    Input(usize, usize),
    Output(usize, usize),
    After(usize, usize),
    Options(usize),
    /// Of a process node, the option that comes at this place in the order of names.
    Option(usize, usize),
    Retry(usize),
    /// Of a process node, or of the pipeline.
    Requirement(Option<usize>),
    Required(Option<usize>, usize),
    Parameters,
    Parameter(usize),
    Schedule,
    /// By its key.
    ScheduleKey(&'static str),
}

impl Spot {
    /// What it is a part of.
    fn parent(self) -> Option<Spot> {
        Some(match self {
            Spot::Whole => return None,
            Spot::DataNodes | Spot::ProcessNodes | Spot::Parameters | Spot::Schedule | Spot::Requirement(None) => {
                Spot::Whole
            }
            Spot::DataNode(_) => Spot::DataNodes,
            Spot::Source(node) => Spot::DataNode(node),
            Spot::ProcessNode(_) => Spot::ProcessNodes,
            Spot::Processor(node)
            | Spot::Input(node, _)
            | Spot::Output(node, _)
            | Spot::After(node, _)
            | Spot::Options(node)
            | Spot::Retry(node)
            | Spot::Requirement(Some(node)) => Spot::ProcessNode(node),
            Spot::Option(node, _) => Spot::Options(node),
            Spot::Required(of, _) => Spot::Requirement(of),
            Spot::Parameter(_) => Spot::Parameters,
            Spot::ScheduleKey(_) => Spot::Schedule,
        })
    }

    /// The field as messages name it.
    pub(super) fn path(self, spec: &PipelineSpec) -> String {
        let data = |node: usize| spec.data_nodes.get(node).map_or("", |node| &node.name);
        let process = |node: usize| spec.process_nodes.get(node).map_or("", |node| &node.name);
        let parent = self.parent().map(|parent| parent.path(spec)).unwrap_or_default();
        let last = match self {
            Spot::Whole => return String::new(),
            Spot::DataNodes => "dataNodes".to_owned(),
            Spot::DataNode(node) => shown_key(data(node)),
            Spot::Source(_) => "source".to_owned(),
            Spot::ProcessNodes => "processNodes".to_owned(),
            Spot::ProcessNode(node) => shown_key(process(node)),
            Spot::Processor(_) => "processor".to_owned(),
            Spot::Input(_, at) => format!("input[{at}]"),
            Spot::Output(_, at) => format!("output[{at}]"),
            Spot::After(_, at) => format!("after[{at}]"),
            Spot::Options(_) => "options".to_owned(),
            Spot::Option(node, at) => {
                let node = spec.process_nodes.get(node);
                shown_key(node.and_then(|node| node.options.iter().nth(at)).map_or("", |(name, _)| name))
            }
            Spot::Retry(_) => "retry".to_owned(),
            Spot::Requirement(_) => "requirement".to_owned(),
            Spot::Required(_, at) => return format!("{parent}[{at}]"),
            Spot::Parameters => "parameters".to_owned(),
            Spot::Parameter(at) => shown_key(spec.parameters.get(at).map_or("", |parameter| &parameter.name)),
            Spot::Schedule => "schedule".to_owned(),
            Spot::ScheduleKey(key) => key.to_owned(),
        };
        join(&parent, &last)
    }
}

/// Where in a text the parts of a pipeline are.
#[derive(Default)]
pub(super) struct Places {
    at: HashMap<Spot, Position>,
    broken: HashSet<Spot>,
}

impl Places {
    pub(super) fn note(&mut self, spot: Spot, at: Position) {
        self.at.insert(spot, at);
    }

    /// Notes that something there was refused, so that nothing more is told of it.
    pub(super) fn note_broken(&mut self, spot: Spot) {
        self.broken.insert(spot);
    }

    /// Whether it, or what it is a part of, was refused.
    pub(super) fn is_broken(&self, spot: Spot) -> bool {
        !self.broken.is_empty() && around(spot).any(|spot| self.broken.contains(&spot))
    }

    /// Where it is, or what it is a part of.
    pub(super) fn find(&self, spot: Spot) -> Position {
        around(spot).find_map(|spot| self.at.get(&spot)).copied().unwrap_or(Position::START)
    }
}

/// It, what it is a part of, and so on.
fn around(spot: Spot) -> impl Iterator<Item = Spot> {
    std::iter::successors(Some(spot), |spot| spot.parent())
}

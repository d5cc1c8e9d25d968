//! Running part of a pipeline again, and keeping what need not.

use std::fmt;

use super::decide::{Because, Decision, NodeState, decide};
use super::graph::Graph;

/// What runs again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerun {
    /// The states that the new run begins with: what is kept has its old one, what runs again waits.
    pub states: Vec<NodeState>,
    /// The nodes that run again, or are decided again, in the order of declaration.
    pub again: Vec<usize>,
    /// The nodes whose results are kept, in the order of declaration.
    pub kept: Vec<usize>,
}

/// Why nothing runs again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RerunError {
    /// A node of the earlier run is not over.
    NotOver {
        /// Its position.
        node: usize,
    },
    /// Nothing failed or was cancelled.
    NothingFailed,
    /// There is no such node.
    Unknown {
        /// The position that was asked for.
        node: usize,
    },
    /// A node that was asked for would be skipped, because of one that does not run again.
    WouldBeSkipped {
        /// Its position.
        node: usize,
        /// Why.
        because: Because,
    },
}

impl fmt::Display for RerunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RerunError::NotOver { node } => write!(f, "the run is not over: node {node} is not"),
            RerunError::NothingFailed => f.write_str("nothing failed or was cancelled"),
            RerunError::Unknown { node } => write!(f, "there is no node {node}"),
            RerunError::WouldBeSkipped { node, because } => {
                write!(f, "node {node} would be skipped: {}", because.text(&format!("node {}", because.node)))
            }
        }
    }
}

/// Runs again what failed or was cancelled, and everything that comes after it. What succeeded and comes after nothing
/// that runs again is kept, and so is what was skipped for reasons that stay.
///
/// # Errors
/// When the earlier run is not over, or nothing in it failed.
pub fn rerun_failed(graph: &Graph, states: &[NodeState]) -> Result<Rerun, RerunError> {
    check_over(graph, states)?;
    let failed = |node: &usize| matches!(state_of(states, *node), NodeState::Failed | NodeState::Cancelled);
    let from: Vec<usize> = (0..graph.len()).filter(failed).collect();
    if from.is_empty() {
        return Err(RerunError::NothingFailed);
    }
    Ok(plan(graph, states, &from))
}

/// Runs these nodes again, however they ended, and everything that comes after them. Failures elsewhere stay.
///
/// # Errors
/// When the earlier run is not over, there is no such node, or one of them would be skipped again.
pub fn rerun_from(graph: &Graph, states: &[NodeState], nodes: &[usize]) -> Result<Rerun, RerunError> {
    check_over(graph, states)?;
    if let Some(node) = nodes.iter().copied().find(|node| *node >= graph.len()) {
        return Err(RerunError::Unknown { node });
    }
    if nodes.is_empty() {
        return Err(RerunError::NothingFailed);
    }
    let rerun = plan(graph, states, nodes);
    for node in nodes.iter().copied() {
        if let Decision::Skip { because } = decide(graph, node, &rerun.states) {
            return Err(RerunError::WouldBeSkipped { node, because });
        }
    }
    Ok(rerun)
}

fn state_of(states: &[NodeState], node: usize) -> NodeState {
    states.get(node).copied().unwrap_or_default()
}

fn check_over(graph: &Graph, states: &[NodeState]) -> Result<(), RerunError> {
    match (0..graph.len()).find(|node| !state_of(states, *node).is_over()) {
        Some(node) => Err(RerunError::NotOver { node }),
        None => Ok(()),
    }
}

fn plan(graph: &Graph, states: &[NodeState], from: &[usize]) -> Rerun {
    let reached = graph.reached(from.iter().copied());
    let mut rerun = Rerun { states: Vec::with_capacity(graph.len()), again: Vec::new(), kept: Vec::new() };
    for (node, again) in reached.into_iter().enumerate() {
        let state = if again { NodeState::Waiting } else { state_of(states, node) };
        rerun.states.push(state);
        if again {
            rerun.again.push(node);
        } else if state == NodeState::Succeeded {
            rerun.kept.push(node);
        }
    }
    rerun
}

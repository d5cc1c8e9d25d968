//! What becomes of a node, given what became of those that it comes after.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::graph::Graph;
use crate::job::after::{End, On};
use crate::job::chain::ChainState;
use crate::job::status::{State, Status};

/// The condition of a node in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It has not begun.
    #[default]
    Waiting,
    /// Its first attempt has begun and it is not over.
    Running,
    /// Its job succeeded.
    Succeeded,
    /// Its job failed or passed a deadline, all attempts included.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It does not run, because of how others ended.
    Skipped,
}

impl NodeState {
    /// All, in the order in which they are counted.
    pub const ALL: [NodeState; 6] = [
        NodeState::Waiting,
        NodeState::Running,
        NodeState::Succeeded,
        NodeState::Failed,
        NodeState::Cancelled,
        NodeState::Skipped,
    ];

    /// Whether nothing more happens to it in this run.
    pub fn is_over(self) -> bool {
        !matches!(self, NodeState::Waiting | NodeState::Running)
    }

    /// How it is over; `None` while it is not.
    pub fn end(self) -> Option<End> {
        match self {
            NodeState::Waiting | NodeState::Running => None,
            NodeState::Succeeded => Some(End::Succeeded),
            NodeState::Failed => Some(End::Failed),
            NodeState::Cancelled => Some(End::Cancelled),
            NodeState::Skipped => Some(End::Skipped),
        }
    }

    /// The condition of a node with this job.
    pub fn of(status: &Status) -> NodeState {
        match (End::of(status), status.state) {
            (Some(End::Succeeded), _) => NodeState::Succeeded,
            (Some(End::Failed | End::TimedOut), _) => NodeState::Failed,
            (Some(End::Cancelled), _) => NodeState::Cancelled,
            (Some(End::Skipped), _) => NodeState::Skipped,
            (None, State::Waiting | State::Queued) if status.attempt == 0 => NodeState::Waiting,
            (None, _) => NodeState::Running,
        }
    }

    /// As it is shown.
    pub fn word(self) -> &'static str {
        match self {
            NodeState::Waiting => "waiting",
            NodeState::Running => "running",
            NodeState::Succeeded => "succeeded",
            NodeState::Failed => "failed",
            NodeState::Cancelled => "cancelled",
            NodeState::Skipped => "skipped",
        }
    }
}

/// What is to be done with a node that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It can run.
    Ready,
    /// Something that it comes after is not over.
    Wait,
    /// It will not run.
    Skip {
        /// Why.
        because: Because,
    },
}

/// The end of another node that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Because {
    /// The position of the other.
    pub node: usize,
    /// How it had to end.
    pub on: On,
    /// How it ended.
    pub was: End,
}

impl Because {
    /// In words, given the name of the other.
    pub fn text(&self, name: &str) -> String {
        self.on.text(name, self.was)
    }
}

/// Decides about a node that waits. Nothing is decided before all that it comes after are over, so neither the
/// decision nor its reason depends on which of them was faster.
pub fn decide(graph: &Graph, node: usize, states: &[NodeState]) -> Decision {
    let mut unmet = None;
    for edge in graph.before(node) {
        let Some(was) = states.get(edge.from).and_then(|state| state.end()) else { return Decision::Wait };
        if !edge.on.holds(was) {
            unmet.get_or_insert(Because { node: edge.from, on: edge.on, was });
        }
    }
    match unmet {
        Some(because) => Decision::Skip { because },
        None => Decision::Ready,
    }
}

/// The condition of a run and how many of its nodes are in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The condition. A run never times out: a node that passed a deadline has failed.
    pub state: ChainState,
    /// Nodes by state, in the order of [`NodeState::ALL`].
    pub counts: [u32; 6],
}

impl fmt::Display for Summary {
    /// Those that there are, as `3 succeeded, 1 failed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.counts.iter().zip(NodeState::ALL).filter(|(count, _)| **count > 0);
        let words: Vec<String> = counted.map(|(count, state)| format!("{count} {}", state.word())).collect();
        f.write_str(&words.join(", "))
    }
}

/// The fold that makes the condition of a run from its nodes, as that of a chain from its jobs: a failure counts also
/// where another node came after it, and what was skipped counts as nothing.
pub fn summarize(states: &[NodeState]) -> Summary {
    let counts = NodeState::ALL.map(|known| {
        let count = states.iter().filter(|state| **state == known).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    });
    let [waiting, running, succeeded, failed, cancelled, skipped] = counts;
    let state = if waiting + running > 0 {
        let begun = running + succeeded + failed + cancelled + skipped > 0;
        if begun { ChainState::Running } else { ChainState::Pending }
    } else if failed > 0 {
        ChainState::Failed
    } else if cancelled > 0 {
        ChainState::Cancelled
    } else {
        ChainState::Succeeded
    };
    Summary { state, counts }
}

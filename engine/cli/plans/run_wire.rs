//! Runs of pipelines as they are printed and travel over the socket.

use serde::{Deserialize, Serialize};

use crate::engine::{NodeView, RunView};

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct RunWire {
    pub(super) run: String,
    pub(super) project: String,
    pub(super) pipeline: String,
    pub(super) revision: u32,
    pub(super) state: String,
    /// How many nodes are in which state, in words.
    pub(super) counts: String,
    pub(super) created_at: String,
    /// The run of which a part runs again here.
    pub(super) again_of: Option<String>,
    /// Its nodes, where it was asked for alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) nodes: Vec<RunNodeWire>,
    /// Its graph in lines, where it was asked for alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) graph: Vec<String>,
}

/// A node of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct RunNodeWire {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) job: String,
    /// Its result is kept from an earlier run.
    pub(super) kept: bool,
    pub(super) attempts: u32,
    pub(super) reason: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
}

impl RunWire {
    /// Without its nodes.
    pub(super) fn short(view: &RunView) -> Self {
        RunWire {
            run: view.id.to_string(),
            project: view.project.clone(),
            pipeline: view.pipeline.clone(),
            revision: view.revision,
            state: view.summary.state.word().to_owned(),
            counts: view.summary.to_string(),
            created_at: view.created_at.to_string(),
            again_of: view.again_of.map(|again| again.to_string()),
            nodes: Vec::new(),
            graph: Vec::new(),
        }
    }

    /// With its nodes and its graph.
    pub(super) fn whole(view: &RunView, graph: Vec<String>) -> Self {
        RunWire { nodes: view.nodes.iter().map(RunNodeWire::from).collect(), graph, ..RunWire::short(view) }
    }
}

impl From<&NodeView> for RunNodeWire {
    fn from(view: &NodeView) -> Self {
        RunNodeWire {
            name: view.name.clone(),
            state: view.state.word().to_owned(),
            job: view.job.to_string(),
            kept: view.kept,
            attempts: view.attempts,
            reason: view.reason.as_ref().map(ToString::to_string),
            started_at: view.started_at.map(|at| at.to_string()),
            finished_at: view.finished_at.map(|at| at.to_string()),
        }
    }
}

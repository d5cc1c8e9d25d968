//! What ties a job to the run of a pipeline that it is part of.

use serde::{Deserialize, Serialize};

use super::after::Unmet;
use super::id::{ChainId, JobId};
use super::options::RunOptions;
use super::pipeline::NodeState;

/// The node of a pipeline that a job runs. The job has the name of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRun {
    /// The pipeline, in the project of the job.
    pub pipeline: String,
    /// Which revision of it.
    pub revision: u32,
    /// Names of the options that are put together when an attempt begins, of the output values of jobs of the same chain; see
    /// [`put_together`](super::pipeline::put_together).
    pub late: Vec<String>,
    /// A node that is kept from an earlier run did not end as it had to.
    pub unmet: Option<Unmet>,
    /// The run, where the job is its first one.
    pub run: Option<Box<PipelineRun>>,
}

/// A run of a pipeline. Its id is that of its first job, and its jobs are a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRun {
    /// What it was told; sealed at rest and not part of what is read back.
    #[serde(skip)]
    pub parameters: RunOptions,
    /// The earlier run of which a part runs again.
    pub again: Option<Again>,
}

/// An earlier run, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The earlier run.
    pub of: ChainId,
    /// Its nodes that do not run again, in the order of declaration.
    pub kept: Vec<Kept>,
}

/// A node that does not run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its position in the order of declaration.
    pub position: u32,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub state: NodeState,
    /// The job that it was, in the earlier run or in one before that.
    pub job: JobId,
}

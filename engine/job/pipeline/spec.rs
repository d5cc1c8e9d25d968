//! What a pipeline is as plain data, for the store: without positions, each thing in its one spelling.

use serde::{Deserialize, Serialize};

pub use crate::job::after::On;
use crate::job::calendar::CalendarSpec;
use crate::job::options::{OptionValue, RunOptions};

/// A pipeline as somebody wrote it. [`Pipeline::new`](super::Pipeline::new) checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// Data, in the order of declaration.
    pub data_nodes: Vec<DataNode>,
    /// Steps, in the order of declaration.
    pub process_nodes: Vec<ProcessNode>,
    /// What a run is told, in the order of declaration.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The only libraries of each step that does not list its own. `None`: those that the project has.
    #[serde(default)]
    pub requirement: Option<Vec<Requirement>>,
    /// When it runs by itself.
    #[serde(default)]
    pub schedule: Option<CalendarSpec>,
}

/// Data that steps read and write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataNode {
    /// What process nodes call it.
    pub name: String,
    /// The path of the data among the files of the project.
    pub source: String,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessNode {
    /// Its name.
    pub name: String,
    /// The job config that it runs.
    pub processor: String,
    /// Names of data nodes that it reads, in the order in which it is told of them.
    pub input: Vec<String>,
    /// Names of data nodes that it writes, in the order in which it is told of them.
    pub output: Vec<String>,
    /// Nodes that it comes after, beside those that make its inputs.
    #[serde(default)]
    pub after: Vec<After>,
    /// What it is given as environment. Values may hold `${…}`; none is secret.
    #[serde(default)]
    pub options: RunOptions,
    /// Attempts in all; `None`: as the job config says.
    #[serde(default)]
    pub max_attempts: Option<u32>,
    /// Its only libraries; `None`: those of the pipeline.
    #[serde(default)]
    pub requirement: Option<Vec<Requirement>>,
}

impl ProcessNode {
    /// A step that reads and writes nothing yet.
    pub fn new(name: impl Into<String>, processor: impl Into<String>) -> Self {
        ProcessNode {
            name: name.into(),
            processor: processor.into(),
            input: Vec::new(),
            output: Vec::new(),
            after: Vec::new(),
            options: RunOptions::new(),
            max_attempts: None,
            requirement: None,
        }
    }
}

/// That a node comes after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The name of the other.
    pub node: String,
    /// How the other must end.
    pub on: On,
}

/// A value that a run is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value where a run says nothing; `None`: each run must say it. Never secret.
    pub default: Option<OptionValue>,
}

/// A library of the environment of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its name.
    pub name: String,
    /// Its version, exactly as it was written: `1.10` is not `1.1`. `None`: any.
    pub version: Option<String>,
}

//! What the server is told, and what it tells.

use serde::{Deserialize, Serialize};

/// What is to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// Who asks: runs can be listed by it.
    pub(crate) engine: String,
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) environment: Vec<(String, String)>,
}

/// How far a run is, as the server tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Created,
    Running,
    Ended(End),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    Exited(i32),
    Signalled(i32),
    NotStarted(String),
    Stopped,
    Lost,
}

/// A run by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) state: State,
}

/// Some of the runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) runs: Vec<Told>,
    /// After which name the next page goes on.
    pub(crate) next: Option<String>,
}

/// A question about several runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) runs: Vec<Known>,
}

/// A run, and what is known of it: the answer comes when something else is true of any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) state: Option<State>,
}

/// The states of the runs that were asked about, in their order; none for those that are not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) states: Vec<Option<State>>,
}

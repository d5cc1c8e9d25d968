//! What a user writes for a job.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::command::Words;
use crate::quantity::Bytes;

/// The network of a container that has none.
pub(crate) const NO_NETWORK: &str = "none";
/// Containers of one job: where the log of each goes on has to fit into one cursor.
pub(crate) const MOST_CONTAINERS: usize = 6;

/// A job: one container, written flat, or several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    pub(crate) image: Option<String>,
    pub(crate) command: Option<Words>,
    pub(crate) entrypoint: Option<Words>,
    pub(crate) workdir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) resources: Option<Resources>,
    /// Several that share `/work`; then the fields above are not used.
    #[serde(default)]
    pub(crate) containers: Vec<Part>,
    /// What is below holds for all of them.
    #[serde(default = "yes")]
    pub(crate) work: bool,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default = "yes")]
    pub(crate) init: bool,
    #[serde(default = "no_network")]
    pub(crate) network: String,
    #[serde(default)]
    pub(crate) pull: Pull,
    pub(crate) registry: Option<Registry>,
    #[serde(default = "yes")]
    pub(crate) read_only_root: bool,
    #[serde(default)]
    pub(crate) capabilities: Vec<String>,
    #[serde(default)]
    pub(crate) mounts: Vec<HostMount>,
    pub(crate) stop_signal: Option<String>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// What tells it from the others of the job; none where it is alone.
    pub(crate) name: Option<String>,
    pub(crate) image: String,
    pub(crate) command: Option<Words>,
    pub(crate) entrypoint: Option<Words>,
    pub(crate) workdir: Option<String>,
    pub(crate) user: Option<String>,
    #[serde(default)]
    pub(crate) resources: Resources,
}

/// What a container may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Resources {
    /// Cores, also parts of them.
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<Bytes>,
    pub(crate) pids: Option<i64>,
    pub(crate) gpu: Option<Gpu>,
}

/// How many devices.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a number of devices, or all")]
pub(crate) enum Gpu {
    Count(u16),
    Word(All),
}

/// All devices that there are.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum All {
    All,
}

/// When an image is brought from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pull {
    #[default]
    Missing,
    Always,
    Never,
}

/// The names of the run options that hold the credentials for the registry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registry {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// A directory of the machine of the Docker Engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostMount {
    pub(crate) source: String,
    pub(crate) target: String,
    #[serde(default = "yes")]
    pub(crate) read_only: bool,
}

/// What holds unless something else is said.
pub(crate) fn yes() -> bool {
    true
}

fn no_network() -> String {
    NO_NETWORK.to_owned()
}

impl Options {
    /// The containers, however they are written; `validate` has found that there is one.
    pub(crate) fn parts(&self) -> Vec<Part> {
        if !self.containers.is_empty() {
            return self.containers.clone();
        }
        vec![Part {
            name: None,
            image: self.image.clone().unwrap_or_default(),
            command: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            workdir: self.workdir.clone(),
            user: self.user.clone(),
            resources: self.resources.unwrap_or_default(),
        }]
    }

    /// The fields of a single container that are written.
    pub(crate) fn flat_fields(&self) -> Vec<&'static str> {
        let written = [
            ("image", self.image.is_some()),
            ("command", self.command.is_some()),
            ("entrypoint", self.entrypoint.is_some()),
            ("workdir", self.workdir.is_some()),
            ("user", self.user.is_some()),
            ("resources", self.resources.is_some()),
        ];
        written.into_iter().filter(|(_, is_written)| *is_written).map(|(name, _)| name).collect()
    }
}

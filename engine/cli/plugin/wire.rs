//! Plugins as JSON.

use std::fmt;

use serde::Serialize;

use crate::error::Problem;
use crate::plugin::{Difference, Found, Plugin};
use crate::secret::hex;

/// One plugin of a list.
#[derive(Serialize)]
pub(super) struct PluginWire {
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// What it does, or `native`: a shared library says that when it is loaded.
    pub(super) kind: Option<&'static str>,
    /// `built in`, `store`, or the file.
    pub(super) origin: String,
    /// `granted`, `idle` or `refused`. One that is a shared library is never idle.
    pub(super) state: &'static str,
    pub(super) sha256: Option<String>,
    /// Why it is refused.
    pub(super) refusal: Option<String>,
}

impl PluginWire {
    pub(super) fn new(name: &str, found: &Found) -> PluginWire {
        match found {
            Found::Plugin(plugin) => PluginWire {
                name: name.to_owned(),
                version: Some(plugin.manifest.version.clone()),
                kind: Some(plugin.manifest.kind.word()),
                origin: plugin.origin.to_string(),
                state: state(plugin),
                sha256: Some(hex(&plugin.sha256)),
                refusal: None,
            },
            Found::Refused(origin, refusal) => PluginWire {
                name: name.to_owned(),
                version: None,
                kind: None,
                origin: origin.to_string(),
                state: "refused",
                sha256: None,
                refusal: Some(refusal.to_string()),
            },
        }
    }
}

/// Whether it is granted anything: one that the configuration does not name is there and does nothing.
pub(super) fn state(plugin: &Plugin) -> &'static str {
    if plugin.configured { "granted" } else { "idle" }
}

/// A reason why a component cannot be run.
#[derive(Serialize)]
pub(super) struct ProblemWire {
    field: String,
    problem: String,
    allowed: String,
}

impl fmt::Display for ProblemWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; allowed: {}", self.field, self.problem, self.allowed)
    }
}

impl From<Problem> for ProblemWire {
    fn from(Problem { field, problem, allowed }: Problem) -> ProblemWire {
        ProblemWire { field, problem, allowed }
    }
}

/// One right: what is asked for, what is granted, and what holds; empty for nothing.
#[derive(Serialize)]
pub(super) struct RightWire {
    pub(super) right: String,
    pub(super) requested: String,
    pub(super) granted: String,
    pub(super) effective: String,
}

/// A right on which the plugin and its operator differ.
#[derive(Serialize)]
pub(super) struct DifferenceWire {
    pub(super) right: String,
    pub(super) requested: String,
    pub(super) granted: String,
}

impl From<&Difference> for DifferenceWire {
    fn from(difference: &Difference) -> DifferenceWire {
        let Difference { right, requested, granted } = difference.clone();
        DifferenceWire { right, requested, granted }
    }
}

/// A plugin in full.
#[derive(Serialize)]
pub(super) struct InspectWire {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kind: &'static str,
    pub(super) api: String,
    pub(super) summary: String,
    pub(super) origin: String,
    /// `granted`, `idle`, `unfit`, or `unregistered` for a file.
    pub(super) state: &'static str,
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    /// What keeps this engine from running it.
    pub(super) problems: Vec<ProblemWire>,
    pub(super) rights: Vec<RightWire>,
    /// Asked for and not granted.
    pub(super) missing: Vec<DifferenceWire>,
    /// Granted and not asked for.
    pub(super) unused: Vec<DifferenceWire>,
}

//! What a check comes to, and the words for it.

use crate::plugin::contract::{Answer, PluginError};

/// Why a check does not come to its end.
pub(super) enum Ended {
    /// The plugin does not do what it should.
    Failed(String),
    /// There is nothing to check.
    Skipped(String),
}

/// What a check has found: what there is to say about it, may be empty.
pub(super) type Found = Result<String, Ended>;

/// The plugin does not do what it should.
pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, Ended> {
    Err(Ended::Failed(why.into()))
}

/// There is nothing to check.
pub(super) fn skipped<T>(why: impl Into<String>) -> Result<T, Ended> {
    Err(Ended::Skipped(why.into()))
}

/// What a call returned, which should have gone well.
pub(super) fn good<T>(call: &str, answer: Answer<T>) -> Result<T, Ended> {
    answer.map_err(|error| Ended::Failed(format!("{call}: {}", told(&error))))
}

/// An error with its kind.
pub(super) fn told(error: &PluginError) -> String {
    format!("{error} [{:?}]", error.kind)
}

impl Ended {
    /// The same, told where it was.
    pub(super) fn at(self, place: &str) -> Ended {
        match self {
            Ended::Failed(why) => Ended::Failed(format!("{place}: {why}")),
            skipped @ Ended::Skipped(_) => skipped,
        }
    }
}

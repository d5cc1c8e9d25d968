//! What it does wrong.

use serde::Deserialize;
use windlass_plugin::host;

/// One way to break the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    #[default]
    None,
    /// `describe` says something else each time.
    DescribeChanges,
    /// Options are not looked at.
    ValidateAcceptsAll,
    /// `validate` asks the platform.
    ValidateAsks,
    /// Every submission makes a run of its own.
    SubmitMakesAnother,
    /// A submission of a run that is over starts it again.
    SubmitStartsAgain,
    /// What `submit` makes first is removed only together with what it makes last.
    RemoveForgetsHalf,
    /// A run is not found without its handle.
    NeedsHandle,
    /// The answers are in the order of the names.
    ObserveSorts,
    /// A platform out of reach is taken for one without runs.
    ObserveGuesses,
    /// A run that is not there cannot be stopped.
    StopFailsOnUnknown,
    /// A stop after the end is the end.
    StopRewrites,
    /// What is not there cannot be removed.
    RemoveFailsOnUnknown,
    /// A log goes on a line too early.
    LogsRepeat,
    /// A log goes on a line too late.
    LogsSkip,
    /// Whether the engine wants more is not asked.
    LogsInsist,
    /// A run that has ended may have done so differently later.
    EndChanges,
    /// Outputs are brought once.
    CollectOnce,
    /// The definitions are not what `validate` accepts.
    DefinitionsWrong,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    fault: Fault,
}

/// Whether this is what it does wrong.
pub(crate) fn is(fault: Fault) -> bool {
    host::settings::<Settings>().unwrap_or_default().fault == fault
}

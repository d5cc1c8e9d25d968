//! Run options: the key/values a job is given as its environment.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One value. Every value is sealed at rest and never shown; a secret one is also masked in the job's log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionValue {
    /// The text.
    pub value: String,
    /// Whether the log of the job shows `***` in its place.
    pub secret: bool,
}

impl fmt::Debug for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for OptionValue {
    fn from(value: &str) -> Self {
        OptionValue { value: value.to_owned(), secret: false }
    }
}

impl From<String> for OptionValue {
    fn from(value: String) -> Self {
        OptionValue { value, secret: false }
    }
}

/// The run options of a job: names and values, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions(BTreeMap<String, OptionValue>);

impl RunOptions {
    /// No options.
    pub fn new() -> Self {
        RunOptions::default()
    }

    /// Sets one option, replacing an earlier value of that name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<OptionValue>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Sets one option whose value is masked in the log of the job.
    pub fn set_secret(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.into(), OptionValue { value: value.into(), secret: true });
        self
    }

    /// The value of one option.
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.0.get(name)
    }

    /// All options in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The values that are to be masked.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter(|value| value.secret).map(|value| value.value.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These options with `over` laid over them: where both name one, `over` wins.
    #[must_use]
    pub fn overlaid(mut self, over: RunOptions) -> RunOptions {
        self.0.extend(over.0);
        self
    }
}

impl<N: Into<String>, V: Into<OptionValue>> FromIterator<(N, V)> for RunOptions {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        RunOptions(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The option that the system sets itself: the id of the job.
pub const JOB_ID: &str = "jobId";

/// The option that the system sets in jobs of a schedule: the time that its calendar says, which is not the time at which
/// the job runs where it was late, made up for or asked for. RFC 3339 in UTC.
pub const NOMINAL_TIME: &str = "WINDLASS_NOMINAL_TIME";

/// The option that the system sets in jobs of items: the name of the item.
pub const ITEM: &str = "WINDLASS_ITEM";

/// The option that the system sets in jobs of a pipeline that lists requirements: the only libraries of the step, one a line,
/// as `name==version` with the version as it was written, or the name alone where any version will do.
pub const REQUIREMENTS: &str = "WINDLASS_REQUIREMENTS";

/// What a job is given in the end: config < request < system, so the system's own (`jobId`) always win.
pub fn merge(config: RunOptions, request: RunOptions, system: RunOptions) -> RunOptions {
    config.overlaid(request).overlaid(system)
}

/// The request options that the job at `position` of a chain gets: only the first gets any.
pub fn request_options_for(position: usize, request: &RunOptions) -> RunOptions {
    if position == 0 { request.clone() } else { RunOptions::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(pairs: &[(&str, &str)]) -> RunOptions {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_merge_of_the_dp_api_document() {
        let config = options(&[("key1", "valueFromConfig"), ("key2", "value2")]);
        let request = options(&[("key1", "valueFromJob"), ("key3", "value3")]);
        let merged = merge(config, request, options(&[("jobId", "42")]));
        let expected = [("jobId", "42"), ("key1", "valueFromJob"), ("key2", "value2"), ("key3", "value3")];
        assert_eq!(merged, options(&expected));
    }

    #[test]
    fn only_the_first_of_a_chain_gets_request_options() {
        let request = options(&[("a", "1")]);
        assert_eq!(request_options_for(0, &request), request);
        assert!(request_options_for(1, &request).is_empty());
    }

    #[test]
    fn debug_shows_names_only() {
        let mut shown = options(&[("NAME", "plain-value")]);
        shown.set_secret("TOKEN", "hidden-value");
        let text = format!("{shown:?}");
        assert!(text.contains("TOKEN") && !text.contains("-value"), "{text}");
    }

    proptest! {
        #[test]
        fn system_always_wins_and_nothing_else_appears(
            config in proptest::collection::btree_map("[a-c]", "[a-z]", 0..4),
            request in proptest::collection::btree_map("[a-c]", "[a-z]", 0..4),
            system in proptest::collection::btree_map("[a-c]", "[a-z]", 0..4),
        ) {
            let of = |map: &BTreeMap<String, String>| -> RunOptions { map.clone().into_iter().collect() };
            let merged = merge(of(&config), of(&request), of(&system));
            for (name, value) in merged.iter() {
                let expected = system.get(name).or(request.get(name)).or(config.get(name));
                prop_assert_eq!(Some(&value.value), expected);
            }
            let names: std::collections::BTreeSet<_> = config.keys().chain(request.keys()).chain(system.keys()).collect();
            prop_assert_eq!(merged.len(), names.len());
        }
    }
}

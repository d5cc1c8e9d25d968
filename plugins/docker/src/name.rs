//! The names and labels by which what belongs to an attempt is found again.

use std::collections::{BTreeMap, HashMap};

use windlass_plugin::prelude::*;

/// The engine that it belongs to.
pub(crate) const ENGINE: &str = "windlass.engine";
const JOB: &str = "windlass.job";
const ATTEMPT: &str = "windlass.attempt";
/// Which of several containers it is.
const CONTAINER: &str = "windlass.container";
/// How many containers the attempt has.
const CONTAINERS: &str = "windlass.containers";
/// Milliseconds between a polite stop and a forced one.
const GRACE: &str = "windlass.grace-ms";
/// Whether the attempt has a `/work`; where it is not said it has.
const WORK: &str = "windlass.work";
const NO: &str = "false";

/// What the names of everything that belongs to an attempt begin with: the job alone for its first attempt.
pub(crate) fn base(prefix: &str, attempt: &Attempt) -> String {
    let Attempt { job, number } = attempt;
    if *number == 1 { format!("{prefix}{job}") } else { format!("{prefix}{job}-{number}") }
}

/// The name of a container.
pub(crate) fn container(base: &str, name: Option<&str>) -> String {
    name.map_or_else(|| base.to_owned(), |name| format!("{base}-{name}"))
}

/// The volume that is `/work`.
pub(crate) fn work(base: &str) -> String {
    format!("{base}.work")
}

/// The volume that says that the run was asked to stop.
pub(crate) fn stop(base: &str) -> String {
    format!("{base}.stop")
}

/// What marks a thing as belonging to an attempt of this engine.
pub(crate) fn labels(attempt: &Attempt) -> HashMap<String, String> {
    let labels = [(ENGINE, host::engine_id()), (JOB, attempt.job.clone()), (ATTEMPT, attempt.number.to_string())];
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The same for one of `count` containers, with what has to be known of it when its handle is not at hand.
pub(crate) fn labels_of_container(
    attempt: &Attempt,
    name: Option<&str>,
    count: usize,
    grace: Duration,
) -> HashMap<String, String> {
    let mut labels = labels(attempt);
    labels.insert(CONTAINERS.to_owned(), count.to_string());
    labels.insert(GRACE.to_owned(), grace.as_millis().to_string());
    labels.extend(name.map(|name| (CONTAINER.to_owned(), name.to_owned())));
    labels
}

/// What marks a container of an attempt that has no `/work`.
pub(crate) fn label_of_no_work() -> (String, String) {
    (WORK.to_owned(), NO.to_owned())
}

/// The labels of a thing on the platform.
pub(crate) type Labels = BTreeMap<String, String>;

/// The attempt that a thing belongs to; `None` where it is not one of this engine.
pub(crate) fn attempt_of(labels: &Labels) -> Option<Attempt> {
    if labels.get(ENGINE)? != &host::engine_id() {
        return None;
    }
    let number = labels.get(ATTEMPT)?.parse().ok().filter(|number| *number > 0)?;
    Some(Attempt { job: labels.get(JOB)?.clone(), number })
}

/// Which of several containers it is.
pub(crate) fn container_of(labels: &Labels) -> Option<&str> {
    labels.get(CONTAINER).map(String::as_str)
}

/// How many containers its attempt has.
pub(crate) fn count_of(labels: &Labels) -> usize {
    labels.get(CONTAINERS).and_then(|it| it.parse().ok()).unwrap_or(1)
}

/// Milliseconds between a polite stop and a forced one.
pub(crate) fn grace_of(labels: &Labels) -> u64 {
    labels.get(GRACE).and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Whether its attempt has a `/work`.
pub(crate) fn has_work(labels: &Labels) -> bool {
    labels.get(WORK).is_none_or(|it| it != NO)
}

/// A filter for what bears the mark of this engine.
pub(crate) fn filter_of_engine() -> String {
    serde_json::json!({ "label": [format!("{ENGINE}={}", host::engine_id())] }).to_string()
}

/// A filter for what belongs to an attempt.
pub(crate) fn filter_of(attempt: &Attempt) -> String {
    let labels: Vec<String> = labels(attempt).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    serde_json::json!({ "label": labels }).to_string()
}

#[cfg(test)]
mod tests {
    use windlass_plugin::testing;

    use super::*;

    #[test]
    fn names_are_those_of_the_attempt() {
        let job = testing::attempt(1).job;
        assert_eq!(base("containergroup-", &testing::attempt(1)), format!("containergroup-{job}"));
        assert_eq!(base("x-", &testing::attempt(3)), format!("x-{job}-3"));
        assert_eq!(container("b", Some("db")), "b-db");
        assert_eq!(container("b", None), "b");
    }

    #[test]
    fn labels_lead_back_to_the_attempt_of_this_engine_only() {
        let attempt = testing::attempt(2);
        let labels: Labels = labels_of_container(&attempt, Some("db"), 3, Duration::from_secs(7)).into_iter().collect();
        assert_eq!(attempt_of(&labels), Some(attempt));
        assert_eq!((container_of(&labels), count_of(&labels), grace_of(&labels)), (Some("db"), 3, 7_000));
        testing::engine_id("another");
        assert_eq!(attempt_of(&labels), None);
        assert_eq!(attempt_of(&Labels::new()), None);
    }
}

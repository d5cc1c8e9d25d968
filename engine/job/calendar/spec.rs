//! What is asked for: a calendar as plain data, for the store and for files.

use serde::{Deserialize, Serialize};

/// When something is to happen, as somebody wrote it. [`Calendar::parse`](super::Calendar::parse) checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarSpec {
    /// The rule.
    pub rule: Rule,
    /// Nothing happens before this time; it may happen at it.
    #[serde(default)]
    pub start: Option<String>,
    /// Nothing happens at this time or later.
    #[serde(default)]
    pub end: Option<String>,
    /// The zone of the IANA database whose clocks count.
    #[serde(default = "utc")]
    pub zone: String,
}

impl CalendarSpec {
    /// This rule in UTC, without start and end.
    pub fn new(rule: Rule) -> Self {
        CalendarSpec { rule, start: None, end: None, zone: utc() }
    }

    /// The rule of a cron text in UTC, without start and end.
    pub fn cron(text: impl Into<String>) -> Self {
        CalendarSpec::new(Rule::Cron(text.into()))
    }

    /// Sets the zone.
    #[must_use]
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }

    /// Sets the start.
    #[must_use]
    pub fn from(mut self, start: impl Into<String>) -> Self {
        self.start = Some(start.into());
        self
    }

    /// Sets the end.
    #[must_use]
    pub fn until(mut self, end: impl Into<String>) -> Self {
        self.end = Some(end.into());
        self
    }
}

/// The ways to say when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `5 10 * * *`, the same with seconds before it, `@daily` and its kin, `@every 90s`.
    Cron(String),
    /// The parts of a date and a time, each at most one number.
    Parts(DateParts),
    /// One-off times.
    Times(Vec<String>),
}

/// The parts of a date and a time. What is finer than the finest given part is at its first; whatever else is
/// not given may be anything. All that are given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DateParts {
    /// 1 to 12.
    pub month: Option<i64>,
    /// 1 to 31.
    pub day_of_month: Option<i64>,
    /// Its English name, in full or its first three letters, in any case.
    pub day_of_week: Option<String>,
    /// 0 to 23.
    pub hour: Option<i64>,
    /// 0 to 59.
    pub minute: Option<i64>,
}

fn utc() -> String {
    "UTC".to_owned()
}

//! Calendars: when a schedule fires.
//!
//! *Architecture invariant:* only this module names the libraries for cron, dates and time zones, and nothing
//! here knows what time it is now.
#![doc = include_str!("rules.md")]

mod cron_text;
mod fires;
#[cfg(fuzzing)]
mod fuzz;
mod mistakes;
mod moment;
mod parse;
mod pattern;
mod spec;
mod unit;
mod zone;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod expressions;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod random;
#[cfg(test)]
mod transitions;

use std::fmt;

pub use fires::Fires;
#[cfg(fuzzing)]
pub(crate) use fuzz::fuzz_calendar;
pub use spec::{CalendarSpec, DateParts, Rule};

use super::time::Timestamp;
use pattern::Pattern;
use zone::Zone;

/// The rules of calendars in words, as they are tested: the text of this module's documentation.
pub const RULES: &str = include_str!("rules.md");

/// A checked calendar: a rule, its bounds and its zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// What it was made from, each thing in its one spelling.
    spec: CalendarSpec,
    when: When,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    zone: Zone,
}

/// What a rule comes down to.
#[derive(Clone, Debug)]
enum When {
    /// Times on the wall.
    Wall(Box<Pattern>),
    /// Moments of equal distance.
    Every {
        /// One of them, and no earlier one counts.
        from_ms: u64,
        /// Their distance.
        interval_ms: u64,
    },
    /// These, in order, each once.
    Listed(Vec<Timestamp>),
}

impl Calendar {
    /// What it was made from, each thing in its one spelling: numbers for names, whole days for `@daily`, nothing
    /// that can be left out. It makes this calendar again.
    pub fn spec(&self) -> &CalendarSpec {
        &self.spec
    }

    /// It fires at this time or later.
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// It fires before this time.
    pub fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// The least time between two fires that follow each other, on days on which no clock is set. `None` when
    /// it fires once.
    pub fn least_interval_ms(&self) -> Option<u64> {
        match &self.when {
            When::Wall(pattern) => pattern.least_interval().and_then(|seconds| u64::try_from(seconds * 1_000).ok()),
            When::Every { interval_ms, .. } => Some(*interval_ms),
            When::Listed(times) => times.iter().zip(times.iter().skip(1)).map(|(a, b)| b.millis_since(*a)).min(),
        }
    }
}

impl PartialEq for Calendar {
    /// Equal specs make equal calendars.
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Calendar {}

impl fmt::Display for Calendar {
    /// As `5 10 * * * in Europe/Paris from 2022-01-01T00:00:00 until 2022-12-31T00:00:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spec.rule {
            Rule::Cron(text) => write!(f, "{text}")?,
            Rule::Parts(parts) => write!(f, "{parts}")?,
            Rule::Times(times) => write!(f, "at {}", times.join(", "))?,
        }
        write!(f, " in {}", self.zone.name())?;
        if let Some(start) = &self.spec.start {
            write!(f, " from {start}")?;
        }
        if let Some(end) = &self.spec.end {
            write!(f, " until {end}")?;
        }
        Ok(())
    }
}

impl fmt::Display for DateParts {
    /// Those that are given, as `day_of_week wednesday, hour 21`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |name: &str, value: Option<i64>| value.map(|value| format!("{name} {value}"));
        let of_week = self.day_of_week.as_ref().map(|name| format!("day_of_week {name}"));
        let parts = [
            number("month", self.month),
            number("day_of_month", self.day_of_month),
            of_week,
            number("hour", self.hour),
            number("minute", self.minute),
        ];
        let given: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&given.join(", "))
    }
}

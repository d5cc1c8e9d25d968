//! What a plugin says about itself, and the name of an attempt.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::error::Error;

pub use crate::bindings::types::{Attempt, Descriptor};

impl Descriptor {
    /// A plugin without options and features. The version is best `env!("CARGO_PKG_VERSION")`.
    pub fn new(name: &str, version: &str, summary: &str) -> Descriptor {
        Descriptor {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            options_schema: String::new(),
            features: Vec::new(),
        }
    }

    /// The same with the JSON Schema of its options.
    pub fn options(self, schema: &Value) -> Descriptor {
        Descriptor { options_schema: schema.to_string(), ..self }
    }

    /// The same with one more thing that it can do; an executor may have `definitions`, `logs`, `collect` and `owned`.
    pub fn feature(mut self, feature: &str) -> Descriptor {
        self.features.push(feature.to_owned());
        self
    }
}

/// A name for what is made on a platform: `JOB-NUMBER`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.job, self.number)
    }
}

/// What `Display` wrote; for `owned`.
impl FromStr for Attempt {
    type Err = Error;

    fn from_str(name: &str) -> Result<Attempt, Error> {
        let parts = name.rsplit_once('-').and_then(|(job, number)| Some((job, number.parse().ok()?)));
        match parts {
            Some((job, number)) if !job.is_empty() && number > 0 => Ok(Attempt { job: job.to_owned(), number }),
            _ => Err(Error::invalid(format!("'{name}' does not name an attempt"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_known_by_its_name() {
        let attempt = Attempt { job: "0198d1a0-0000-7000-8000-000000000001".to_owned(), number: 12 };
        assert_eq!(attempt.to_string(), "0198d1a0-0000-7000-8000-000000000001-12");
        assert_eq!(attempt.to_string().parse::<Attempt>().unwrap(), attempt);
        for name in ["", "-1", "a-0", "a-b", "a"] {
            assert!(name.parse::<Attempt>().is_err(), "{name}");
        }
    }
}

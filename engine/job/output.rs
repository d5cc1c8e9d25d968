//! Output records: JSON that a job leaves behind, and the types whose schemas it must keep.
//!
//! What a schema may cost is bounded before and not during a check: its own size when it is stored (`graph`), the steps of a
//! check before it begins (`cost`). Both follow its references themselves, so a schema that leads in circles is refused.

mod cost;
mod graph;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::graph::Graph;
use super::id::JobId;
use super::limits::{JobLimits, OutputLimits};
use super::validate::check_name;
use crate::error::{MOST_MESSAGE_BYTES, Problem, bounded};

/// Bytes of the path of a violation that are told.
const MOST_PATH_BYTES: usize = 512;

/// Bytes of stack that a schema is made ready and checked on: frames as deep as the longest chain of schemas for every level of
/// a record.
pub(crate) const CHECK_STACK_BYTES: usize = 64 << 20;

/// A kind of output records.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputType {
    /// Where it belongs: only jobs of this project have records of it.
    pub project: String,
    /// What it is called.
    pub name: String,
    /// The JSON Schema that its records keep; `None`: they may be any JSON. The draft is the one that its `$schema` names, else
    /// 2020-12. Formats count, and one that is not known says nothing.
    pub schema: Option<Value>,
}

impl OutputType {
    /// A type whose records may be any JSON.
    pub fn any(project: impl Into<String>, name: impl Into<String>) -> Self {
        OutputType { project: project.into(), name: name.into(), schema: None }
    }

    /// A type with a schema.
    pub fn new(project: impl Into<String>, name: impl Into<String>, schema: Value) -> Self {
        OutputType { schema: Some(schema), ..OutputType::any(project, name) }
    }

    /// Finds what is wrong with its names; with its schema only [`OutputSchema::new`] does.
    pub(crate) fn name_problems(&self, limits: &JobLimits) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_name("project", &self.project, limits, &mut problems);
        check_name("name", &self.name, limits, &mut problems);
        problems
    }
}

/// Which output record: the job and its number among those of the job, from 0. As text `JOB.NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputId {
    /// The job.
    pub job: JobId,
    /// Which of its records.
    pub number: u32,
}

impl fmt::Display for OutputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.job, self.number)
    }
}

impl FromStr for OutputId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (job, number) = text.split_once('.').ok_or("it is no id of an output record; allowed: JOB.NUMBER")?;
        let job = job.parse().map_err(|problem| format!("{problem}"))?;
        let number = number.parse().map_err(|_| "its number is no whole number; allowed: JOB.NUMBER")?;
        Ok(OutputId { job, number })
    }
}

/// A record that was accepted and is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewOutput {
    /// The file that it comes from, for whoever hears that it is refused.
    pub(crate) from: String,
    /// Its type, and the revision of it that has accepted it.
    pub(crate) of: Option<(String, u32)>,
    /// Its value as JSON.
    pub(crate) value: Vec<u8>,
}

/// A value that does not keep a schema, at one place. Holds nothing of the value but names on the way to that place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Where in the value, as a JSON pointer; empty is the value itself.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the value" } else { self.path.as_str() };
        write!(f, "{path}: {}", self.message)
    }
}

/// A schema that is ready to check values.
pub struct OutputSchema {
    validator: Validator,
    graph: Graph,
}

impl fmt::Debug for OutputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputSchema")
    }
}

/// Never fetches anything, whatever the library is built with.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("references that lead elsewhere are not followed".into())
    }
}

impl OutputSchema {
    /// Makes a schema ready. It may follow references as deep as [`OutputLimits`] allow, so it wants a large stack.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn new(schema: &Value, limits: &OutputLimits) -> Result<Self, Problem> {
        let bytes = schema.to_string().len();
        if bytes > limits.schema_bytes {
            return Err(refused("", format!("has {bytes} bytes"), format!("at most {}", limits.schema_bytes)));
        }
        if depth(schema) > limits.schema_depth {
            let allowed = format!("at most {} lists and maps inside each other", limits.schema_depth);
            return Err(refused("", "is too deep".to_owned(), allowed));
        }
        let graph = Graph::new(schema, limits)?;
        let patterns = PatternOptions::regex().size_limit(limits.pattern_bytes).dfa_size_limit(limits.pattern_bytes);
        let options =
            jsonschema::options().should_validate_formats(true).with_retriever(Nowhere).with_pattern_options(patterns);
        let built = catch_unwind(AssertUnwindSafe(|| options.build(schema).map_err(Box::new)));
        let Ok(built) = built else {
            return Err(refused("", "cannot be made ready".to_owned(), "another way to say the same".to_owned()));
        };
        let validator = built.map_err(|error| {
            let problem = bounded(format!("is no JSON Schema: {error}"), MOST_MESSAGE_BYTES);
            refused(
                error.instance_path.as_str(),
                problem,
                "JSON Schema, with patterns that need no looking around".into(),
            )
        })?;
        Ok(OutputSchema { validator, graph })
    }

    /// Checks a value; wants a large stack as well.
    ///
    /// # Errors
    /// Every violation, up to [`OutputLimits::violations`].
    pub fn check(&self, value: &Value, limits: &OutputLimits) -> Result<(), Vec<Violation>> {
        let whole = |message: String| vec![Violation { path: String::new(), message }];
        if depth(value) > limits.record_depth {
            return Err(whole(format!(
                "is too deep; allowed: {} lists and maps inside each other",
                limits.record_depth
            )));
        }
        if !cost::is_within(&self.graph, value, limits.steps) {
            return Err(whole(format!("takes too long to check; allowed: {} steps", limits.steps)));
        }
        let checked = catch_unwind(AssertUnwindSafe(|| self.violations(value, limits)));
        match checked {
            Ok(violations) if violations.is_empty() => Ok(()),
            Ok(violations) => Err(violations),
            Err(_) => Err(whole("cannot be checked".to_owned())),
        }
    }

    fn violations(&self, value: &Value, limits: &OutputLimits) -> Vec<Violation> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let errors = self.validator.iter_errors(value).take(limits.violations.max(1));
        let told = errors.map(|error| Violation {
            path: bounded(error.instance_path.as_str().to_owned(), MOST_PATH_BYTES),
            message: bounded(error.masked().to_string(), MOST_PATH_BYTES),
        });
        told.collect()
    }
}

/// Reads a value. Of a name that is there twice the last one counts; what is checked is what is kept.
///
/// # Errors
/// What is wrong with it.
pub fn parse_value(json: &[u8], limits: &OutputLimits) -> Result<Value, String> {
    if json.len() > limits.record_bytes {
        return Err(format!("has {} bytes; allowed: at most {}", json.len(), limits.record_bytes));
    }
    let value = serde_json::from_slice(json);
    // The library may say what it has read.
    let value: Value = value
        .map_err(|error| format!("is no JSON (line {}, column {}); allowed: JSON", error.line(), error.column()))?;
    if depth(&value) > limits.record_depth {
        return Err(format!("is too deep; allowed: {} lists and maps inside each other", limits.record_depth));
    }
    Ok(value)
}

/// Lists and maps inside each other. Never overflows the stack, however deep it is.
fn depth(value: &Value) -> usize {
    let (mut deepest, mut open) = (0, vec![(value, 0)]);
    while let Some((value, above)) = open.pop() {
        let here = above + 1;
        match value {
            Value::Array(list) => open.extend(list.iter().map(|value| (value, here))),
            Value::Object(map) => open.extend(map.values().map(|value| (value, here))),
            _ => continue,
        }
        deepest = deepest.max(here);
    }
    deepest
}

/// What is wrong with a schema, at this JSON pointer.
fn refused(at: &str, problem: String, allowed: String) -> Problem {
    let field =
        if at.is_empty() { "schema".to_owned() } else { format!("schema{}", bounded(at.to_owned(), MOST_PATH_BYTES)) };
    Problem { field, problem, allowed }
}

#[cfg(test)]
mod tests;

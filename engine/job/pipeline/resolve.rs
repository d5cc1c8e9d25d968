//! Putting values into the options of a node before its job is made.

use std::collections::{BTreeMap, BTreeSet};

use super::late::{self, Part};
use super::spec::PipelineSpec;
use super::template::{Piece, REFERENCES, pieces};
use super::tree::{join, shown_key};
use crate::error::Problem;
use crate::job::limits::PipelineLimits;
use crate::job::options::{OptionValue, RunOptions};
use crate::job::validate::shown;

/// What `${…}` may stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'v> {
    /// Parameters of the run, as [`PipelineSpec::parameters_of_run`] makes them.
    pub parameters: &'v RunOptions,
    /// Output values that are known, by the name of the node.
    pub outputs: &'v BTreeMap<String, String>,
    /// Nodes whose output values are known when an attempt begins, with the places of their jobs in the chain.
    pub later: &'v BTreeMap<String, u32>,
}

/// Options with values put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The options.
    pub options: RunOptions,
    /// Names of those whose values [`put_together`](super::put_together) makes when an attempt begins.
    pub late: Vec<String>,
}

impl PipelineSpec {
    /// The parameters of a run: those that it is given, and the defaults of the others.
    ///
    /// # Errors
    /// Each that is given and not known, and each that is needed and not given.
    pub fn parameters_of_run(&self, given: &RunOptions) -> Result<RunOptions, Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, _) in given.iter() {
            if !self.parameters.iter().any(|parameter| parameter.name == name) {
                let problem = "the pipeline has no such parameter".to_owned();
                let known: Vec<&str> = self.parameters.iter().map(|it| it.name.as_str()).collect();
                let allowed = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
                problems.push(Problem { field: join("parameters", &shown_key(name)), problem, allowed });
            }
        }
        let mut parameters = RunOptions::new();
        for parameter in &self.parameters {
            match given.get(&parameter.name).or(parameter.default.as_ref()) {
                Some(value) => {
                    parameters.set(parameter.name.clone(), value.clone());
                }
                None => problems.push(Problem {
                    field: join("parameters", &shown_key(&parameter.name)),
                    problem: "there is no value".to_owned(),
                    allowed: "a value for each parameter without a default".to_owned(),
                }),
            }
        }
        if problems.is_empty() { Ok(parameters) } else { Err(problems) }
    }
}

/// Puts values in place of `${…}`. What is put in is not looked at again. An option that a secret value is put into is secret.
///
/// # Errors
/// Everything that has no value or gets too long. No value is ever part of a message.
pub fn resolve(options: &RunOptions, values: Values<'_>, limits: &PipelineLimits) -> Result<Resolved, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut resolved = Resolved::default();
    let mut bytes = 0_usize;
    for (name, option) in options.iter() {
        let field = join("options", &shown_key(name));
        let Some(parts) = parts(&field, option, values, limits, &mut problems) else { continue };
        bytes = bytes.saturating_add(name.len()).saturating_add(parts.bytes());
        if bytes <= limits.options_bytes {
            if parts.is_late() {
                resolved.late.push(name.to_owned());
            }
            resolved.options.set(name, parts.into_value());
        }
    }
    if bytes > limits.options_bytes {
        let problem = format!("there are {bytes} bytes after values are put in");
        let allowed = format!("at most {} bytes of names and values", limits.options_bytes);
        problems.push(Problem { field: "options".to_owned(), problem, allowed });
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

/// The names of the nodes whose output values options name.
pub fn named_outputs(options: &RunOptions) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (_, option) in options.iter() {
        let names = pieces(&option.value).into_iter().filter_map(|piece| match piece {
            Ok(Piece::Output(name)) => Some(name.to_owned()),
            _ => None,
        });
        named.extend(names);
    }
    named
}

/// One value in its parts.
struct Parts<'v> {
    texts: Vec<Text<'v>>,
    secret: bool,
}

enum Text<'v> {
    Known(&'v str),
    Later(u32),
}

impl Parts<'_> {
    /// Bytes of what is known.
    fn bytes(&self) -> usize {
        let known = |text: &Text<'_>| if let Text::Known(text) = text { text.len() } else { 0 };
        self.texts.iter().map(known).sum()
    }

    fn is_late(&self) -> bool {
        self.texts.iter().any(|text| matches!(text, Text::Later(_)))
    }

    fn into_value(self) -> OptionValue {
        let (is_late, secret) = (self.is_late(), self.secret);
        let parts = self.texts.into_iter().map(|text| match text {
            Text::Known(text) => Part::Text(text.to_owned()),
            Text::Later(place) => Part::Output(place),
        });
        let value = if is_late {
            late::write(&parts.collect::<Vec<_>>())
        } else {
            parts.map(|part| if let Part::Text(text) = part { text } else { String::new() }).collect()
        };
        OptionValue { value, secret }
    }
}

/// Finds what stands for `${…}`. The length is known before anything is copied.
fn parts<'v>(
    field: &str,
    option: &'v OptionValue,
    values: Values<'v>,
    limits: &PipelineLimits,
    problems: &mut Vec<Problem>,
) -> Option<Parts<'v>> {
    let known = problems.len();
    let mut fail = |problem: String, allowed: String| {
        problems.push(Problem { field: field.to_owned(), problem, allowed });
    };
    let mut parts = Parts { texts: Vec::new(), secret: option.secret };
    for piece in pieces(&option.value) {
        let text = match piece {
            Ok(Piece::Text(text)) => Some(Text::Known(text)),
            Ok(Piece::Parameter(name)) => {
                let value = values.parameters.get(name);
                parts.secret |= value.is_some_and(|value| value.secret);
                if value.is_none() {
                    let problem = format!("there is no parameter {}", shown(name));
                    fail(problem, "names of parameters of the run".to_owned());
                }
                value.map(|value| Text::Known(value.value.as_str()))
            }
            Ok(Piece::Output(name)) => {
                let later = values.later.get(name).map(|place| Text::Later(*place));
                let text = later.or_else(|| values.outputs.get(name).map(|text| Text::Known(text)));
                if text.is_none() {
                    let problem = format!("process node {} has no output value", shown(name));
                    fail(problem, "nodes that ended with an output value".to_owned());
                }
                text
            }
            Err(fault) => {
                fail(fault.problem(), REFERENCES.to_owned());
                None
            }
        };
        parts.texts.extend(text);
    }
    let size = parts.bytes();
    if size > limits.option_value_bytes {
        let allowed = format!("at most {} bytes", limits.option_value_bytes);
        fail(format!("the value has {size} bytes after values are put in"), allowed);
    } else if parts.texts.iter().any(|text| matches!(text, Text::Known(text) if text.contains('\0'))) {
        fail("the value holds NUL after values are put in".to_owned(), "any text without NUL".to_owned());
    }
    (problems.len() == known).then_some(parts)
}

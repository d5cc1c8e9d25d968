//! Putting values into the options of a node before its job is made.

use std::collections::BTreeMap;

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
    /// Output values, by the name of the node.
    pub outputs: &'v BTreeMap<String, String>,
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
pub fn resolve(options: &RunOptions, values: Values<'_>, limits: &PipelineLimits) -> Result<RunOptions, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut resolved = RunOptions::new();
    let mut bytes = 0_usize;
    for (name, option) in options.iter() {
        let field = join("options", &shown_key(name));
        let Some(value) = put_in(&field, option, values, limits, &mut problems) else { continue };
        bytes = bytes.saturating_add(name.len()).saturating_add(value.value.len());
        if bytes <= limits.options_bytes {
            resolved.set(name, value);
        }
    }
    if bytes > limits.options_bytes {
        let problem = format!("there are {bytes} bytes after values are put in");
        let allowed = format!("at most {} bytes of names and values", limits.options_bytes);
        problems.push(Problem { field: "options".to_owned(), problem, allowed });
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

/// One value. Its length is known before anything is copied.
fn put_in(
    field: &str,
    option: &OptionValue,
    values: Values<'_>,
    limits: &PipelineLimits,
    problems: &mut Vec<Problem>,
) -> Option<OptionValue> {
    let known = problems.len();
    let mut fail = |problem: String, allowed: String| {
        problems.push(Problem { field: field.to_owned(), problem, allowed });
    };
    let mut secret = option.secret;
    let mut texts = Vec::new();
    for piece in pieces(&option.value) {
        let text = match piece {
            Ok(Piece::Text(text)) => Some(text),
            Ok(Piece::Parameter(name)) => {
                let value = values.parameters.get(name);
                secret |= value.is_some_and(|value| value.secret);
                if value.is_none() {
                    let problem = format!("there is no parameter {}", shown(name));
                    fail(problem, "names of parameters of the run".to_owned());
                }
                value.map(|value| value.value.as_str())
            }
            Ok(Piece::Output(name)) => {
                let value = values.outputs.get(name).map(String::as_str);
                if value.is_none() {
                    let problem = format!("process node {} has no output value", shown(name));
                    fail(problem, "nodes that ended with an output value".to_owned());
                }
                value
            }
            Err(fault) => {
                fail(fault.problem(), REFERENCES.to_owned());
                None
            }
        };
        texts.extend(text);
    }
    let size: usize = texts.iter().map(|text| text.len()).sum();
    if size > limits.option_value_bytes {
        let allowed = format!("at most {} bytes", limits.option_value_bytes);
        fail(format!("the value has {size} bytes after values are put in"), allowed);
    } else if texts.iter().any(|text| text.contains('\0')) {
        fail("the value holds NUL after values are put in".to_owned(), "any text without NUL".to_owned());
    }
    (problems.len() == known).then(|| OptionValue { value: texts.concat(), secret })
}

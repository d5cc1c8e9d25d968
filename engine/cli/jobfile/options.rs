//! Run options of a job file. Their values never reach a message.

use crate::job::RunOptions;

use super::fields::{Field, Fields, Places, join};
use super::load::shown_key;
use super::mistake::Mistakes;
use super::node::{Kind, Node, Value};

const VALUE_ALLOWED: &str = "a text, {secret: \"…\"}, {env: NAME} or {secret_env: NAME}; \"\" for the empty text";

/// Where the values of `{env: NAME}` come from.
pub(super) struct Source<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    bytes_left: usize,
}

/// Bytes of the options of all jobs of a file. Defaults are repeated in every job, so a small file could
/// otherwise ask for gigabytes.
const MAX_BYTES_OF_A_FILE: usize = 32 << 20;
/// What the memory of an entry is taken to be, beside its text.
const BYTES_OF_AN_ENTRY: usize = 64;

impl<'e> Source<'e> {
    pub(super) fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Source { env, bytes_left: MAX_BYTES_OF_A_FILE }
    }

    /// Counts options before they are copied; `false` when there is no room for them.
    pub(super) fn take_room(&mut self, options: &RunOptions) -> bool {
        let bytes: usize = options.iter().map(|(name, value)| name.len() + value.value.len() + BYTES_OF_AN_ENTRY).sum();
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                true
            }
            None => false,
        }
    }
}

/// Reads a map of options.
pub(super) fn read_options(
    field: &Field<'_>,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> RunOptions {
    let mut options = RunOptions::new();
    let Value::Map(pairs) = &field.node.value else {
        let problem = format!("is {}", field.node.describe());
        field.fail(mistakes, problem, "a map of names and values");
        return options;
    };
    for (key, node) in pairs {
        let shown = shown_key(&key.text);
        let path = join(&field.path, &shown);
        places.note(&format!("options.{shown}"), node.at, &path);
        let Some((value, secret)) = read_value(&Field { node, path }, source, mistakes) else {
            continue;
        };
        if secret {
            options.set_secret(key.text.as_str(), value);
        } else {
            options.set(key.text.as_str(), value);
        }
    }
    if !source.take_room(&options) {
        no_room(field.node, &field.path, mistakes);
        return RunOptions::new();
    }
    options
}

/// Tells that the options of the file are too much.
pub(super) fn no_room(node: &Node, path: &str, mistakes: &mut Mistakes) {
    let allowed = format!("{MAX_BYTES_OF_A_FILE} bytes, defaults counted for each job");
    mistakes.add(node.at, path, "the options of all jobs are too much", allowed);
}

/// The value, and whether it is a secret.
fn read_value(field: &Field<'_>, source: &Source<'_>, mistakes: &mut Mistakes) -> Option<(String, bool)> {
    match &field.node.value {
        Value::Scalar(scalar) if scalar.kind() != Kind::Null => Some((scalar.text.clone(), false)),
        Value::Map(pairs) if pairs.len() == 1 => read_special(field, source, mistakes),
        Value::Map(_) => {
            field.fail(mistakes, "is a map with other than one field", VALUE_ALLOWED);
            None
        }
        _ => {
            let problem = format!("is {}", field.node.describe());
            field.fail(mistakes, problem, VALUE_ALLOWED);
            None
        }
    }
}

/// The value that a map such as `{env: NAME}` stands for, and whether it is a secret.
pub(super) fn read_special(field: &Field<'_>, source: &Source<'_>, mistakes: &mut Mistakes) -> Option<(String, bool)> {
    let known = ["secret", "env", "secret_env"];
    let fields = Fields::of(field.node, &field.path, &known, mistakes)?;
    if let Some(secret) = fields.get("secret") {
        let text = secret.text(mistakes, "a text")?;
        return Some((text.to_owned(), true));
    }
    let (variable, secret) = match (fields.get("env"), fields.get("secret_env")) {
        (Some(variable), _) => (variable, false),
        (None, Some(variable)) => (variable, true),
        (None, None) => return None,
    };
    let name = variable.text(mistakes, "the name of an environment variable")?;
    let value = (source.env)(name);
    if value.is_none() {
        let problem = format!("{} is not set in the environment", super::fields::shown(name));
        let allowed = "an environment variable of windlass that is set and is UTF-8";
        variable.fail(mistakes, problem, allowed);
    }
    Some((value?, secret))
}

//! What a job of a file runs: `command`, `shell`, `wasm`, `function` or `executor`.

use crate::job::{FunctionTask, JobSpec, Task};

use super::executor::read_executor;
use super::fields::{Field, Fields, Places};
use super::json::to_json;
use super::mistake::Mistakes;
use super::node::{Position, Value};
use super::wasm;
use super::words::split_words;

const COMMAND_ALLOWED: &str = "a list of words, or one text that is split as a shell does";

/// The fields that say what runs.
pub(super) const RUNS: [&str; 5] = ["command", "shell", "wasm", "function", "executor"];
const RUNS_ALLOWED: &str = "one of command, shell, wasm, function and executor";

/// Reads the task of a job. `None` when it has none or a wrong one.
pub(super) fn read_task(
    fields: &Fields<'_>,
    at: Position,
    path: &str,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Option<Task> {
    let given: Vec<&str> = RUNS.into_iter().filter(|name| fields.get(name).is_some()).collect();
    match given.as_slice() {
        [] => mistakes.add(at, path, "there is nothing to run", RUNS_ALLOWED),
        [_] => {}
        [first, second, ..] => {
            let at = fields.key_at(second).unwrap_or(at);
            let problem = format!("there are both {first} and {second}");
            mistakes.add(at, path, problem, RUNS_ALLOWED);
        }
    }
    let function = fields.get("function");
    if let (Some(input), None) = (fields.get("input"), &function) {
        input.fail(mistakes, "only a function has an input", "options for a program");
    }
    if let (Some(with), None) = (fields.get("with"), fields.get("executor")) {
        with.fail(mistakes, "only an executor is told something", "options for a program, input for a function");
    }
    if let Some(field) = fields.get_as("command", "command", places) {
        return process(command_words(&field, mistakes)?);
    }
    if let Some(field) = fields.get_as("shell", "command", places) {
        let script = field.text(mistakes, "a text with shell commands")?;
        return process(["sh", "-ec", script].map(str::to_owned).to_vec());
    }
    if let Some(field) = fields.get_as("wasm", "module", places) {
        return wasm::read_wasm(&field, places, mistakes);
    }
    if let Some(field) = fields.get_as("executor", "executor", places) {
        return read_executor(&field, fields, places, mistakes);
    }
    let field = fields.get_as("function", "function", places)?;
    let name = field.text(mistakes, "the name of a function")?.to_owned();
    let input = match fields.get_as("input", "input", places) {
        None => b"null".to_vec(),
        Some(field) => to_json(&field, mistakes)?.into_bytes(),
    };
    Some(Task::Function(FunctionTask { name, input }))
}

fn process(words: Vec<String>) -> Option<Task> {
    let mut words = words.into_iter();
    let program = words.next()?;
    Some(JobSpec::process(program, words).task)
}

/// A list of words, or a text that is split into some.
pub(super) fn words_of(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    Some(match &field.node.value {
        Value::List(_) => {
            let words = field.texts(mistakes, COMMAND_ALLOWED)?;
            words.into_iter().map(str::to_owned).collect()
        }
        _ => match split_words(field.text(mistakes, COMMAND_ALLOWED)?) {
            Ok(words) => words,
            Err(bad) => {
                let problem = format!("column {} of the command: {}", bad.column, bad.problem);
                field.fail(mistakes, problem, COMMAND_ALLOWED);
                return None;
            }
        },
    })
}

fn command_words(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    let words = words_of(field, mistakes)?;
    if words.is_empty() {
        field.fail(mistakes, "is empty", "at least the program");
        return None;
    }
    Some(words)
}

//! A job of an executor that is known by its name, such as a plugin: `executor` and `with`.

use crate::job::{NamedTask, Task};

use super::fields::{Field, Fields, Places, shown};
use super::json::to_json;
use super::mistake::Mistakes;
use super::node::Value;

/// The executors of the engine itself, and the fields that are for them.
const OWN: [(&str, &str); 3] = [("process", "command or shell"), ("function", "function"), ("wasm", "wasm")];
const WITH_ALLOWED: &str = "a map, whose meaning the executor knows";

/// Reads what the executor is told; nothing is the same as an empty map.
pub(super) fn read_executor(
    field: &Field<'_>,
    fields: &Fields<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Option<Task> {
    let params = match fields.get_as("with", "params", places) {
        None => Some("{}".to_owned()),
        Some(with) if matches!(with.node.value, Value::Map(_)) => to_json(&with, mistakes),
        Some(with) => {
            with.fail(mistakes, format!("is {}", with.node.describe()), WITH_ALLOWED);
            None
        }
    };
    let executor = field.text(mistakes, "the name of an executor")?;
    if let Some((_, instead)) = OWN.iter().find(|(name, _)| *name == executor) {
        field.fail(mistakes, format!("{} has a field of its own", shown(executor)), *instead);
        return None;
    }
    Some(Task::Named(NamedTask { executor: executor.to_owned(), params: params?.into_bytes() }))
}

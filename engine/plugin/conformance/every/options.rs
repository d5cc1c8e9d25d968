//! Options: the good ones are accepted, all else is refused before a job is.

use serde_json::{Value, json};

use super::super::found::{Found, failed, good};
use super::super::scene::Scene;
use crate::plugin::contract::Plugin;
use crate::plugin::wasm::Cut;

/// A field that no plugin has.
const UNKNOWN: &str = "no such field, surely";

pub(crate) async fn are_accepted<S: Scene>(stage: &S) -> Found {
    let count = Cut::never();
    let counted = stage.subject().cut(count.clone());
    let plugin = counted.as_ref().unwrap_or(stage.subject().first());
    for (name, options) in stage.options() {
        let problems = good("validate", plugin.validate(options.to_owned()).await)?;
        if !problems.is_empty() {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return failed(format!("validate: the options `{name}` are refused: {}", problems.join("; ")));
        }
    }
    if count.steps() > 0 {
        return failed(format!("validate: it asks the platform ({} times)", count.steps()));
    }
    Ok(String::new())
}

pub(crate) async fn are_refused<S: Scene>(stage: &S) -> Found {
    let unknown = match serde_json::from_str(stage.options().first().map_or("", |(_, options)| options)) {
        Ok(Value::Object(mut options)) => {
            options.insert(UNKNOWN.to_owned(), Value::Null);
            Value::Object(options)
        }
        _ => json!({ UNKNOWN: null }),
    };
    let unknown = unknown.to_string();
    for (what, junk) in
        [("a list", "[]"), ("a text", "\"x\""), ("no JSON", "{"), ("an unknown field", unknown.as_str())]
    {
        let problems = good(&format!("validate of {what}"), stage.subject().first().validate(junk.to_owned()).await)?;
        if problems.is_empty() {
            return failed(format!("validate: {what} is found good"));
        }
        if let Some(problem) = problems.iter().find(|problem| problem.problem.trim().is_empty()) {
            return failed(format!("validate of {what}: a problem with {:?} says nothing", problem.field));
        }
    }
    Ok(String::new())
}

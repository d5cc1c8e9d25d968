//! What a plugin says about itself.

use super::super::stage::{Found, Stage, failed, good};
use crate::plugin::wasm::Cut;

/// The features that the contract knows.
const FEATURES: [&str; 4] = ["definitions", "logs", "collect", "owned"];

pub(super) async fn is_pure(stage: &Stage<'_>) -> Found {
    let first = stage.descriptor().await?;
    if stage.descriptor().await? != first {
        return failed("describe: the second answer is another one than the first");
    }
    if good("describe", stage.subject.second().describe().await)? != first {
        return failed("describe: the next life of the engine gets another answer");
    }
    if let Some(Ok(plugin)) = stage.subject.unconfigured()
        && good("describe without rights and settings", plugin.describe().await)? != first
    {
        return failed("describe: the answer depends on the configuration");
    }
    let count = Cut::never();
    if let Some(plugin) = stage.subject.cut(count.clone()) {
        good("describe", plugin.describe().await)?;
        if count.steps() > 0 {
            return failed(format!("describe: it asks the platform ({} times)", count.steps()));
        }
    }
    Ok(String::new())
}

pub(super) async fn agrees(stage: &Stage<'_>) -> Found {
    let told = stage.descriptor().await?;
    let facts = &stage.subject.facts;
    let mut wrong = Vec::new();
    if told.name != facts.name {
        wrong.push(format!("its name is {:?}, in the manifest it is {:?}", told.name, facts.name));
    }
    if told.version != facts.version {
        wrong.push(format!("its version is {:?}, in the manifest it is {:?}", told.version, facts.version));
    }
    for feature in told.features.iter().filter(|feature| !FEATURES.contains(&feature.as_str())) {
        wrong.push(format!("there is no feature {feature:?}; there is {}", FEATURES.join(", ")));
    }
    let schema = told.options_schema.as_str();
    if !schema.is_empty() && !serde_json::from_str(schema).is_ok_and(|it: serde_json::Value| it.is_object()) {
        wrong.push("its schema is not a JSON object".to_owned());
    }
    if wrong.is_empty() { Ok(format!("features: {}", told.features.join(", "))) } else { failed(wrong.join("; ")) }
}

//! What a plugin says about itself.

use super::super::found::{Found, failed, good};
use super::super::scene::Scene;
use crate::plugin::contract::Plugin;
use crate::plugin::wasm::Cut;

pub(crate) async fn is_pure<S: Scene>(stage: &S) -> Found {
    let first = stage.subject().descriptor().await?;
    if stage.subject().descriptor().await? != first {
        return failed("describe: the second answer is another one than the first");
    }
    if good("describe", stage.subject().second().describe().await)? != first {
        return failed("describe: the next life of the engine gets another answer");
    }
    if let Some(Ok(plugin)) = stage.subject().unconfigured()
        && good("describe without rights and settings", plugin.describe().await)? != first
    {
        return failed("describe: the answer depends on the configuration");
    }
    let count = Cut::never();
    if let Some(plugin) = stage.subject().cut(count.clone()) {
        good("describe", plugin.describe().await)?;
        if count.steps() > 0 {
            return failed(format!("describe: it asks the platform ({} times)", count.steps()));
        }
    }
    Ok(String::new())
}

pub(crate) async fn agrees<S: Scene>(stage: &S) -> Found {
    let told = stage.subject().descriptor().await?;
    let facts = &stage.subject().facts;
    let mut wrong = Vec::new();
    if told.name != facts.name {
        wrong.push(format!("its name is {:?}, in the manifest it is {:?}", told.name, facts.name));
    }
    if told.version != facts.version {
        wrong.push(format!("its version is {:?}, in the manifest it is {:?}", told.version, facts.version));
    }
    for feature in told.features.iter().filter(|feature| !S::FEATURES.contains(&feature.as_str())) {
        wrong.push(format!("there is no feature {feature:?}; there is {}", S::FEATURES.join(", ")));
    }
    let schema = told.options_schema.as_str();
    if !schema.is_empty() && !serde_json::from_str(schema).is_ok_and(|it: serde_json::Value| it.is_object()) {
        wrong.push("its schema is not a JSON object".to_owned());
    }
    if wrong.is_empty() { Ok(format!("features: {}", told.features.join(", "))) } else { failed(wrong.join("; ")) }
}

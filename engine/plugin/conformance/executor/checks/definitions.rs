//! What the platform can run.

use serde_json::Value;

use super::super::super::found::{Found, failed, good};
use super::super::stage::Stage;
use crate::plugin::contract::Page;

/// Pages that are looked at; a registry of images may have more.
const MOST_PAGES: usize = 20;

pub(super) async fn are_valid(stage: &Stage<'_>) -> Found {
    stage.needs("definitions").await?;
    let (mut cursor, mut seen) = (None, 0);
    for _ in 0..MOST_PAGES {
        let Page { entries, next } = good("definitions", stage.plugin().definitions(cursor.clone()).await)?;
        for definition in &entries {
            let name = &definition.name;
            if !serde_json::from_str(&definition.options).is_ok_and(|it: Value| it.is_object()) {
                return failed(format!("definitions: the options of {name:?} are not a JSON object"));
            }
            let problems = good("validate", stage.plugin().validate(definition.options.clone()).await)?;
            if let Some(problem) = problems.first() {
                return failed(format!("definitions: the options of {name:?} are refused by `validate`: {problem}"));
            }
        }
        seen += entries.len();
        if next.is_some() && next == cursor {
            return failed("definitions: a page says that it is the one after itself");
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(format!("{seen} definitions"))
}

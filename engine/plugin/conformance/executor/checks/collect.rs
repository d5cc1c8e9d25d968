//! Outputs: what a run leaves comes into its work tree.

use super::super::super::found::{Found, failed, good, skipped};
use super::super::stage::Stage;
use crate::plugin::WorkAccess;

pub(super) async fn brings(stage: &Stage<'_>) -> Found {
    stage.needs("collect").await?;
    if stage.subject.facts.work < WorkAccess::Write {
        return skipped("the plugin is not granted `work = \"write\"`");
    }
    if stage.cases.output.is_empty() {
        return skipped("no `output` is said that the quick run leaves");
    }
    let made = stage.quick().await?;
    let work = stage.work(&made)?;
    for time in ["the first time", "the second time"] {
        good(&format!("collect, {time}"), stage.plugin().collect(made.run(), work.clone()).await)?;
        let output = work.as_ref().map(|work| work.join("output")).unwrap_or_default();
        let missing: Vec<&str> =
            stage.cases.output.iter().map(String::as_str).filter(|path| !output.join(path).is_file()).collect();
        if !missing.is_empty() {
            return failed(format!("collect, {time}: there is no {}", missing.join(", ")));
        }
    }
    Ok(format!("{} files", stage.cases.output.len()))
}

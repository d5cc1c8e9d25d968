//! The platform: nothing of the suite stays on it.

use super::super::super::found::{Found, failed};
use super::super::stage::Stage;
use crate::plugin::contract::Run;

pub(super) async fn nothing_left(stage: &Stage<'_>) -> Found {
    let left = stage.left();
    if !left.is_empty() {
        return failed(format!("could not be removed: {}", left.join("; ")));
    }
    stage.needs("owned").await?;
    let owned = stage.all_owned().await?;
    if owned.is_empty() {
        return Ok(String::new());
    }
    let named = |run: &Run| format!("attempt {} of {}", run.attempt.number, run.attempt.job);
    failed(format!("owned: still there: {}", owned.iter().map(named).collect::<Vec<_>>().join(", ")))
}

//! Submissions that are made more than once.

use super::super::super::found::{Ended, Found, failed};
use super::super::stage::{Made, Stage, observation, outcome};
use super::ends::is_stopped;
use crate::plugin::contract::{Observation, Phase, RunStatus};

/// There is a run of this attempt, and one only.
pub(super) async fn is_one(stage: &Stage<'_>, made: &Made) -> Result<(), Ended> {
    stage.known(made).await?;
    if stage.has_platform() {
        match stage.ask(stage.plugin(), made.without_handle(), 0).await? {
            Observation::Known(_) => {}
            other => return failed(format!("observe without a handle: {}", observation(&other))),
        }
    }
    match stage.owned(made).await? {
        None | Some(1) => Ok(()),
        Some(count) => failed(format!("`owned` lists {count} runs of one attempt")),
    }
}

pub(super) async fn twice(stage: &Stage<'_>) -> Found {
    let made = stage.long().await?;
    let first = made.run();
    stage.submit(&made, &stage.cases.long).await.map_err(|ended| ended.at("the second time"))?;
    match stage.ask(stage.plugin(), first.clone(), 0).await? {
        Observation::Known(_) => {}
        other => return failed(format!("after the second submission the first handle is {}", observation(&other))),
    }
    is_one(stage, &made).await?;
    stage.stop(&made).await?;
    is_stopped(stage, &made).await?;
    if !stage.has_platform() {
        return Ok(String::new());
    }
    match stage.ask(stage.plugin(), first, 0).await? {
        Observation::Known(RunStatus { phase: Phase::Ended(_), .. }) | Observation::Gone => Ok(String::new()),
        other => failed(format!("two runs: the second handle is stopped, the first is {}", observation(&other))),
    }
}

pub(super) async fn again(stage: &Stage<'_>) -> Found {
    stage.needs_platform()?;
    let made = stage.quick().await?;
    let ended = stage.end(&made).await?;
    stage.submit(&made, &stage.cases.quick).await?;
    match stage.observe(&made, 0).await? {
        Observation::Known(RunStatus { phase: Phase::Ended(again), .. }) if again == ended => {}
        other => {
            let (ended, other) = (outcome(&ended), observation(&other));
            return failed(format!("the run was over ({ended}); after another submission it is {other}"));
        }
    }
    is_one(stage, &made).await?;
    Ok(String::new())
}

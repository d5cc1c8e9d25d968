//! Ends of runs: by themselves, by a stop, and what is left after a removal.

use super::super::super::found::{Ended, Found, failed};
use super::super::stage::{Made, Stage, observation, outcome, phase};
use crate::plugin::contract::{Observation, Phase, RunOutcome, RunStatus};

/// A run that is over says so again, in the same words.
async fn still(stage: &Stage<'_>, made: &Made, ended: &RunOutcome) -> Found {
    for _ in 0..2 {
        match stage.observe(made, 0).await? {
            Observation::Known(RunStatus { phase: Phase::Ended(again), .. }) if again == *ended => {}
            other => {
                let other = observation(&other);
                return failed(format!("observe: first it was {}, then {other}", outcome(ended)));
            }
        }
    }
    Ok(String::new())
}

pub(super) async fn stays(stage: &Stage<'_>) -> Found {
    let made = stage.attempt();
    stage.submit(&made, &stage.cases.quick).await?;
    let first = made.run();
    let ended = stage.end(&made).await?;
    if ended != RunOutcome::Succeeded {
        return failed(format!("the quick run ended otherwise than well: {}", outcome(&ended)));
    }
    still(stage, &made, &ended).await?;
    // An engine that went down may not have stored the newer handle.
    match stage.ask(stage.plugin(), first, 0).await? {
        Observation::Known(RunStatus { phase: Phase::Ended(again), .. }) if again == ended => Ok(String::new()),
        other => failed(format!("observe by the first handle: {}", observation(&other))),
    }
}

/// A long run that was stopped and is over.
pub(super) async fn stopped(stage: &Stage<'_>) -> Result<Made, Ended> {
    let made = stage.long().await?;
    if let Phase::Ended(ended) = stage.known(&made).await?.phase {
        return failed(format!("the long run is over before it was stopped: {}", outcome(&ended)));
    }
    stage.stop(&made).await?;
    is_stopped(stage, &made).await?;
    Ok(made)
}

pub(super) async fn is_stopped(stage: &Stage<'_>, made: &Made) -> Found {
    match stage.end(made).await? {
        RunOutcome::Stopped => Ok(String::new()),
        other => failed(format!("the run was stopped and ended otherwise: {}", outcome(&other))),
    }
}

pub(super) async fn stop(stage: &Stage<'_>) -> Found {
    let made = stopped(stage).await?;
    still(stage, &made, &RunOutcome::Stopped).await
}

pub(super) async fn stop_twice(stage: &Stage<'_>) -> Found {
    let made = stage.long().await?;
    stage.stop(&made).await?;
    stage.stop(&made).await.map_err(|ended| ended.at("the second stop"))?;
    is_stopped(stage, &made).await?;
    stage.stop(&made).await.map_err(|ended| ended.at("a stop after the end"))?;
    still(stage, &made, &RunOutcome::Stopped).await
}

pub(super) async fn stop_late(stage: &Stage<'_>) -> Found {
    let made = stage.quick().await?;
    stage.stop(&made).await?;
    still(stage, &made, &RunOutcome::Succeeded).await
}

pub(super) async fn remove_twice(stage: &Stage<'_>) -> Found {
    let made = stopped(stage).await?;
    stage.remove(&made).await?;
    stage.remove(&made).await.map_err(|ended| ended.at("the second time"))?;
    is_removed(stage, &made).await
}

/// A plugin may still know how it ended; nothing of it is on the platform.
pub(super) async fn is_removed(stage: &Stage<'_>, made: &Made) -> Found {
    match stage.observe(made, 0).await? {
        Observation::Gone | Observation::Known(RunStatus { phase: Phase::Ended(_), .. }) => {}
        Observation::Known(status) => return failed(format!("after `remove` the run is {}", phase(&status.phase))),
        other => return failed(format!("after `remove` the run is {}", observation(&other))),
    }
    match stage.owned(made).await? {
        None | Some(0) => Ok(String::new()),
        Some(count) => failed(format!("after `remove` it is listed by `owned` ({count} times)")),
    }
}

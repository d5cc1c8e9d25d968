//! Runs that outlive the engine.

use super::super::super::found::{Found, failed};
use super::super::stage::{Stage, observation};
use super::ends::{is_removed, is_stopped};
use crate::plugin::contract::{Observation, Phase, RunStatus};

pub(super) async fn by_handle(stage: &Stage<'_>) -> Found {
    let next = stage.subject.second();
    let made = stage.long().await?;
    match stage.ask(next, made.run(), 0).await? {
        Observation::Known(RunStatus { phase: Phase::Pending(_) | Phase::Running, .. }) => {}
        other => return failed(format!("observe in the next life: {}", observation(&other))),
    }
    stage.stop_on(next, made.run(), &made).await?;
    is_stopped(stage, &made).await
}

pub(super) async fn by_name(stage: &Stage<'_>) -> Found {
    stage.needs_platform()?;
    let next = stage.subject.second();
    let made = stage.long().await?;
    made.forget_handle();
    match stage.ask(next, made.run(), 0).await? {
        Observation::Known(RunStatus { phase: Phase::Pending(_) | Phase::Running, .. }) => {}
        other => return failed(format!("observe without a handle: {}", observation(&other))),
    }
    stage.stop_on(next, made.without_handle(), &made).await?;
    is_stopped(stage, &made).await?;
    made.forget_handle();
    stage.remove(&made).await?;
    is_removed(stage, &made).await
}

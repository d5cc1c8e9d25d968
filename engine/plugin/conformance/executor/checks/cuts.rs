//! Calls that are cut off at each of their steps, before it and after it, as if the engine had gone down there.

use std::sync::Arc;

use super::super::super::found::{Ended, Found, failed, good, skipped};
use super::super::stage::{Made, Stage};
use super::ends::{is_removed, is_stopped, stopped};
use super::submit::is_one;
use crate::plugin::contract::ExecutorPlugin;
use crate::plugin::wasm::{Cut, Side};

/// Steps of one call at which it is cut off; who makes more makes the same ones again, as a rule.
const MOST_STEPS: u32 = 32;

/// What is cut off, and what is done then.
#[derive(Clone, Copy)]
enum Act {
    /// `submit`, and submitted again.
    Submit,
    /// `submit`, and given up.
    Abandon,
    Stop,
    Remove,
}

pub(super) async fn submit(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Submit).await
}

pub(super) async fn abandon(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Abandon).await
}

pub(super) async fn stop(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Stop).await
}

pub(super) async fn remove(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Remove).await
}

async fn everywhere(stage: &Stage<'_>, act: Act) -> Found {
    for step in 0..MOST_STEPS {
        for side in [Side::Before, Side::After] {
            let cut = Cut::at(step, side);
            let Some(plugin) = stage.subject.cut(cut.clone()) else {
                return skipped("calls of this kind of plugin cannot be cut off");
            };
            let word = if side == Side::Before { "before" } else { "after" };
            let place = format!("cut off {word} step {}", step + 1);
            act.once(stage, &plugin, &cut).await.map_err(|ended| ended.at(&place))?;
            stage.remove_all().await;
            if !cut.was_reached() {
                return Ok(format!("{step} steps"));
            }
        }
    }
    Ok(format!("the first {MOST_STEPS} steps"))
}

impl Act {
    /// Makes the call with the plugin that may be cut off, and again with the one that is not.
    async fn once(self, stage: &Stage<'_>, plugin: &Arc<dyn ExecutorPlugin>, cut: &Cut) -> Result<(), Ended> {
        match self {
            Act::Submit => {
                let made = cut_submission(stage, plugin, cut).await?;
                stage.submit(&made, &stage.cases.long).await.map_err(|ended| ended.at("again"))?;
                is_one(stage, &made).await?;
                stage.stop(&made).await?;
                is_stopped(stage, &made).await?;
            }
            Act::Abandon => {
                let made = cut_submission(stage, plugin, cut).await?;
                stage.stop(&made).await?;
                stage.over(&made).await?;
                stage.remove(&made).await?;
                is_removed(stage, &made).await?;
            }
            Act::Stop => {
                let made = stage.long().await?;
                let answer = plugin.stop(made.run(), 0).await;
                if !cut.was_reached() {
                    made.keep(good("stop", answer)?);
                }
                stage.stop(&made).await.map_err(|ended| ended.at("again"))?;
                is_stopped(stage, &made).await?;
            }
            Act::Remove => {
                let made = stopped(stage).await?;
                let answer = plugin.remove(made.run()).await;
                if !cut.was_reached() {
                    good("remove", answer)?;
                }
                stage.remove(&made).await.map_err(|ended| ended.at("again"))?;
                is_removed(stage, &made).await?;
            }
        }
        Ok(())
    }
}

/// A submission with its checkpoints and nothing else, unless it came to its end.
async fn cut_submission(stage: &Stage<'_>, plugin: &Arc<dyn ExecutorPlugin>, cut: &Cut) -> Result<Made, Ended> {
    let made = stage.attempt();
    let answer = stage.submit_to(plugin, &made, &stage.cases.long).await?;
    match answer {
        Ok(()) if cut.was_reached() => failed("the call goes on after it was cut off"),
        Err(error) if !cut.was_reached() => good("submit", Err(error)),
        _ => Ok(made),
    }
}

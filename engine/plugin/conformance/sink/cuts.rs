//! Calls that are cut off at each of their steps, before it and after it, as if the engine had gone down there.

use std::sync::Arc;

use super::super::found::{Ended, Found, good, skipped};
use super::stage::{Output, Stage, path};
use crate::plugin::contract::{Handle, SinkPlugin};
use crate::plugin::wasm::{Cut, Side};

/// Steps of one call at which it is cut off; who makes more makes the same ones again, as a rule.
const MOST_STEPS: u32 = 32;

/// What is cut off.
#[derive(Clone, Copy)]
enum Act {
    Begin,
    Put,
    Commit,
    Abort,
}

pub(super) async fn begin(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Begin).await
}

pub(super) async fn put(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Put).await
}

pub(super) async fn commit(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Commit).await
}

pub(super) async fn abort(stage: &Stage<'_>) -> Found {
    everywhere(stage, Act::Abort).await
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
            let output = stage.output()?;
            act.once(stage, &plugin, &cut, &output).await.map_err(|ended| ended.at(&place))?;
            if !cut.was_reached() {
                return Ok(format!("{step} steps"));
            }
        }
    }
    Ok(format!("the first {MOST_STEPS} steps"))
}

impl Act {
    /// Makes the call with the plugin that may be cut off, and again with the one that is not.
    async fn once(
        self,
        stage: &Stage<'_>,
        plugin: &Arc<dyn SinkPlugin>,
        cut: &Cut,
        output: &Output,
    ) -> Result<(), Ended> {
        let begun = match self {
            Act::Begin => {
                came_through(cut, "begin", plugin.begin(output.request.clone()).await)?;
                stage.begin(output).await.map_err(|ended| ended.at("again"))?
            }
            _ => stage.begin(output).await?,
        };
        if let Act::Put = self {
            let name = stage.names().first().copied().unwrap_or_default().to_owned();
            let put = plugin.put(output.request.clone(), begun.clone(), path(0), name, output.work.clone()).await;
            came_through(cut, "put", put)?;
        }
        let begun = stage.put_all(output, begun).await?;
        match self {
            Act::Abort => return self.forgets(stage, plugin, cut, output, begun).await,
            Act::Commit => {
                came_through(cut, "commit", plugin.commit(output.request.clone(), begun.clone()).await)?;
            }
            _ => {}
        }
        stage.are_all(&stage.commit(output, begun).await?)
    }

    /// Aborts, and finds nothing of it in the next store.
    async fn forgets(
        self,
        stage: &Stage<'_>,
        plugin: &Arc<dyn SinkPlugin>,
        cut: &Cut,
        output: &Output,
        begun: Handle,
    ) -> Result<(), Ended> {
        came_through(cut, "abort", plugin.abort(output.request.clone(), begun.clone()).await)?;
        stage.abort(output, begun).await.map_err(|ended| ended.at("again"))?;
        let begun = stage.begin(output).await?;
        let begun = stage.put(output, begun, 1).await?;
        stage.are(&stage.commit(output, begun).await?, &[1])
    }
}

/// A call that was not cut off should have gone well.
fn came_through<T>(cut: &Cut, call: &str, answer: crate::plugin::contract::Answer<T>) -> Result<(), Ended> {
    if !cut.was_reached() {
        good(call, answer)?;
    }
    Ok(())
}

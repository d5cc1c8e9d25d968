//! Questions after runs: that never were, many at once, with time to wait.

use super::super::super::found::{Found, failed, good};
use super::super::stage::{Stage, observation};
use super::super::tape::Tape;
use crate::plugin::contract::{ErrorKind, Observation, Phase, RunStatus};

/// How long a question may wait for an answer that does not come.
const WAIT_MS: u64 = 300;

pub(super) async fn never_was(stage: &Stage<'_>) -> Found {
    let made = stage.attempt();
    match stage.observe(&made, 0).await? {
        Observation::Gone => {}
        other => return failed(format!("observe: it is {} and should be gone", observation(&other))),
    }
    if stage.has("logs").await? {
        match stage.plugin().logs(made.run(), None, 0, Tape::endless()).await {
            Err(error) if error.kind != ErrorKind::NotFound => {
                good("logs", Err(error))?;
            }
            _ => {}
        }
    }
    stage.remove(&made).await?;
    stage.stop(&made).await?;
    // It may have been kept for good from starting.
    match stage.observe(&made, 0).await? {
        Observation::Gone | Observation::Known(RunStatus { phase: Phase::Ended(_), .. }) => {}
        other => return failed(format!("after `stop` it is {}", observation(&other))),
    }
    stage.remove(&made).await?;
    Ok(String::new())
}

pub(super) async fn order(stage: &Stage<'_>) -> Found {
    let (quick, long) = (stage.quick().await?, stage.long().await?);
    let (never, nor_this) = (stage.attempt(), stage.attempt());
    let all = [("ended", &quick), ("gone", &never), ("under way", &long), ("gone", &nor_this)];
    for turned in [false, true] {
        let mut asked = all;
        if turned {
            asked.reverse();
        }
        let runs = asked.iter().map(|(_, made)| made.run()).collect();
        let answers = good("observe", stage.plugin().observe(runs, 0).await)?;
        let got: Vec<&str> = answers.iter().map(word).collect();
        let wanted = asked.map(|(word, _)| word);
        if got != wanted {
            return failed(format!(
                "observe: the answers should be {}, they are {}",
                wanted.join(", "),
                got.join(", ")
            ));
        }
    }
    if !good("observe of no run", stage.plugin().observe(Vec::new(), 0).await)?.is_empty() {
        return failed("observe: there are answers to no question");
    }
    Ok(String::new())
}

fn word(observation: &Observation) -> &'static str {
    match observation {
        Observation::Known(RunStatus { phase: Phase::Ended(_), .. }) => "ended",
        Observation::Known(_) => "under way",
        Observation::Gone => "gone",
        Observation::Unknown(_) => "unknown",
    }
}

pub(super) async fn waits(stage: &Stage<'_>) -> Found {
    let long = stage.long().await?;
    // What it has to tell at once it has told then.
    for wait_ms in [0, WAIT_MS, WAIT_MS, 0] {
        match stage.observe(&long, wait_ms).await? {
            Observation::Known(RunStatus { phase: Phase::Ended(_), .. }) => {
                return failed("the long run is over, and nobody has stopped it");
            }
            Observation::Known(_) => {}
            other => return failed(format!("observe: it is {}", observation(&other))),
        }
    }
    Ok(String::new())
}

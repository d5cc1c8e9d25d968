//! The shell server: what it is told and what it tells.

use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_plugin::http::Endpoint;
use windlass_plugin::prelude::*;
use windlass_plugin::{Outcome, Phase};

use crate::{Known, Options, PATIENCE};

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Created,
    Running,
    Ended(End),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    Exited(i32),
    Signalled(i32),
    NotStarted(String),
    Stopped,
    Lost,
}

impl State {
    pub(crate) fn phase(&self) -> Phase {
        match self {
            State::Created => Phase::Pending(Some("created".to_owned())),
            State::Running => Phase::Running,
            State::Ended(end) => Phase::Ended(match end {
                End::Exited(code) => Outcome::of_code(*code),
                End::Signalled(signal) => Outcome::Signalled(*signal),
                End::NotStarted(reason) => Outcome::NotStarted(Error::invalid(reason)),
                End::Stopped => Outcome::Stopped,
                End::Lost => Outcome::Lost,
            }),
        }
    }
}

/// Some of the runs.
#[derive(Deserialize)]
pub(crate) struct Listing {
    pub(crate) runs: Vec<Told>,
    pub(crate) next: Option<String>,
}

/// A run by its name.
#[derive(Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Answer {
    states: Vec<Option<State>>,
}

pub(crate) fn jobs() -> Endpoint {
    http::endpoint("jobs")
}

/// Finds or makes a run.
pub(crate) fn create(name: &str, task: &Task<Options>) -> Result<State> {
    let environment: Vec<_> = task.environment.iter().map(|it| (&it.name, as_there(&it.name, &it.value))).collect();
    let run = json!({ "engine": host::engine_id(), "command": task.options.command, "environment": environment });
    jobs().put(format!("/runs/{name}")).json(&run)?.send()?.ok()?.json()
}

/// A variable as a command finds it true. It begins in its work tree, which is not `/work` on its machine.
fn as_there(name: &str, value: &str) -> String {
    match name {
        "WINDLASS_INPUTS" | "WINDLASS_OUTPUTS" => {
            let lines: Vec<&str> = value.lines().map(|path| path.strip_prefix("/work/").unwrap_or(path)).collect();
            lines.join("\n")
        }
        _ => value.to_owned(),
    }
}

/// The states of these runs, in their order; none for those that are not there. Waits for one that is new.
pub(crate) fn observe(known: &[Known], wait: Duration) -> Result<Vec<Option<State>>> {
    let question = json!({ "runs": known });
    let request = jobs().post("/runs/observe").query("wait", wait.as_millis()).json(&question)?;
    let answer: Answer = request.answer_timeout(wait + PATIENCE).send()?.ok()?.json()?;
    Ok(answer.states)
}

/// The runs of this engine; a page from the cursor on.
pub(crate) fn list(cursor: Option<&str>) -> Result<Listing> {
    let mut request = jobs().get("/runs").query("engine", host::engine_id());
    if let Some(after) = cursor {
        request = request.query("after", after);
    }
    request.send()?.ok()?.json()
}

//! An executor that runs commands on a shell server, a small platform of its own behind the endpoint `jobs`.

mod frames;
mod server;

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_plugin::Page;
use windlass_plugin::prelude::*;

use server::State;

/// What a wait for an answer may take longer than what the server was asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// The plugin.
#[derive(Debug)]
pub struct Shell;

windlass_plugin::executor!(Shell, manifest = "../plugin.toml");

/// What a user writes for a job.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether it gets what is in `/work`.
    #[serde(default = "yes")]
    pub work: bool,
}

fn yes() -> bool {
    true
}

/// What is needed to find a run again: its name on the server, and what the engine knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    name: String,
    state: Option<State>,
}

impl Handle for Known {}

/// The handle of a run; one that went away before it had one is found by its name.
fn known(run: &Run<Known>) -> Known {
    run.handle.clone().unwrap_or_else(|| Known { name: run.attempt.to_string(), state: None })
}

impl Executor for Shell {
    type Options = Options;
    type Handle = Known;

    fn describe() -> Descriptor {
        let options = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["command"],
            "properties": {
                "command": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "work": { "type": "boolean", "default": true },
            },
        });
        Descriptor::new("shell", env!("CARGO_PKG_VERSION"), "Runs commands on another machine")
            .options(&options)
            .feature("logs")
            .feature("collect")
            .feature("owned")
    }

    fn check() -> Result<()> {
        server::jobs().get("/health").send()?.ok()?;
        Ok(())
    }

    fn validate(options: &Options) -> Vec<Problem> {
        let problem = |problem: &str, allowed: &str| Problem {
            field: "command".to_owned(),
            problem: problem.to_owned(),
            allowed: allowed.to_owned(),
        };
        match options.command.first() {
            None => vec![problem("it is empty", "the program, then its arguments")],
            Some(program) if program.is_empty() => vec![problem("the program has no name", "a path or a name")],
            Some(_) => Vec::new(),
        }
    }

    fn submit(task: &Task<Options>) -> Result<Known> {
        let name = task.attempt.to_string();
        let state = server::create(&name, task)?;
        let made = Known { name, state: None };
        host::checkpoint(&made)?;
        // A submission before this one may have come further.
        if state == State::Created {
            if task.options.work {
                let work = server::jobs().post(format!("/runs/{}/work", made.name)).stream(work::pack()?);
                work.send()?.ok()?;
            }
            server::jobs().post(format!("/runs/{}/start", made.name)).send()?.ok()?;
        }
        Ok(made)
    }

    fn observe(runs: &[Run<Known>], wait: Duration) -> Result<Vec<Observation<Known>>> {
        let known: Vec<Known> = runs.iter().map(known).collect();
        let states = server::observe(&known, wait)?;
        Ok(known.into_iter().zip(states).map(|(known, state)| observation(known, state)).collect())
    }

    fn logs(run: &Run<Known>, cursor: Option<&str>, wait: Duration, to: &mut LogSink<'_>) -> Result<bool> {
        let begun = Instant::now();
        let mut cursor = cursor::Offset::read(cursor)?;
        let path = format!("/runs/{}/log", known(run).name);
        loop {
            let left = wait.saturating_sub(begun.elapsed());
            let request = server::jobs().get(&path).query("from", cursor).query("wait", left.as_millis());
            let Some(answer) = request.answer_timeout(left + PATIENCE).send()?.found()? else {
                return Ok(true);
            };
            let is_all = answer.header("log-ended") == Some("true");
            let pushed = frames::push(answer.body(), &mut cursor, to)?;
            if is_all || left.is_zero() || pushed == frames::Pushed::Unwanted {
                return Ok(is_all && pushed == frames::Pushed::All);
            }
        }
    }

    fn stop(run: &Run<Known>, grace: Duration) -> Result<Option<Known>> {
        let path = format!("/runs/{}/stop", known(run).name);
        server::jobs().post(path).query("grace", grace.as_millis()).send()?.found()?;
        Ok(None)
    }

    fn collect(run: &Run<Known>) -> Result<()> {
        let output = server::jobs().get(format!("/runs/{}/output", known(run).name)).send()?.ok()?;
        work::unpack(output.body())?;
        Ok(())
    }

    fn remove(run: &Run<Known>) -> Result<()> {
        server::jobs().delete(format!("/runs/{}", known(run).name)).send()?.found()?;
        Ok(())
    }

    fn owned(cursor: Option<&str>) -> Result<Page<Run<Known>>> {
        let listing = server::list(cursor)?;
        let runs = listing.runs.into_iter().filter_map(|told| {
            let attempt = told.name.parse().ok()?;
            Some(Run { attempt, handle: Some(Known { name: told.name, state: None }) })
        });
        Ok(Page { entries: runs.collect(), next: listing.next })
    }
}

fn observation(known: Known, state: Option<State>) -> Observation<Known> {
    let Some(state) = state else { return Observation::Gone };
    let told = Observation::from(state.phase());
    if known.state.as_ref() == Some(&state) {
        return told;
    }
    told.with_handle(Known { state: Some(state), ..known })
}

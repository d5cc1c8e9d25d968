//! An executor that does what no plugin should. What it does in a call is said by the options of the job, which are its
//! handle too, or by its settings where a call is about no job: `{"submit": "spin", "observe": "too-many"}`.
//!
//! It speaks the contract without the SDK's help, which is too polite for this.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "to break down is what it is made for")]

mod acts;
mod archive;
mod files;
mod told;
mod web;

use serde_json::Value;
use windlass_plugin::bindings::executor::exports::windlass::plugin::executor as wire;
use windlass_plugin::bindings::imports::windlass::plugin::{host, logs, types};
use wire::{
    DefinitionPage, Descriptor, Error, Guest, Handle, Observation, Outcome, OwnedPage, Phase, Problem, Run, Status,
    Task,
};

use told::{error, giant, said};

/// The plugin.
#[derive(Debug)]
pub struct Hostile;

windlass_plugin::bindings::executor::__export_executor!(Hostile with_types_in windlass_plugin::bindings::executor);

/// What is to be done in each call.
struct Plan(Value);

impl Plan {
    fn read(text: &[u8]) -> Plan {
        Plan(serde_json::from_slice(text).unwrap_or_default())
    }

    fn settings() -> Plan {
        Plan::read(host::settings().as_bytes())
    }

    fn of(run: &Run) -> Plan {
        run.handle.as_ref().map_or_else(Plan::settings, |handle| Plan::read(&handle.data))
    }

    fn word(&self, call: &str) -> &str {
        self.0[call].as_str().unwrap_or_default()
    }
}

fn giant_handle() -> Handle {
    Handle { schema: 0, data: vec![7; 1 << 20] }
}

fn known(phase: Phase) -> Observation {
    Observation::Known(Status { phase, handle: None, ask_after: None })
}

/// What is told of a run, by the word for it.
fn observation(word: &str, run: &Run) -> Observation {
    let ended = |outcome| known(Phase::Ended(outcome));
    match word {
        "never" => known(Phase::Running),
        "ask-after-ages" => {
            Observation::Known(Status { phase: Phase::Running, handle: None, ask_after: Some(u64::MAX) })
        }
        "ask-at-once" => Observation::Known(Status { phase: Phase::Running, handle: None, ask_after: Some(0) }),
        "exited-0" => ended(Outcome::Exited(0)),
        "stopped" => ended(Outcome::Stopped),
        "giant-handle" => {
            Observation::Known(Status { phase: Phase::Running, handle: Some(giant_handle()), ask_after: None })
        }
        "giant-pending" => known(Phase::Pending(Some(giant(8 << 20)))),
        "giant-failure" => ended(Outcome::Failed(error(giant(4 << 20)))),
        "giant-unknown" => Observation::Unknown(error(giant(4 << 20))),
        "unknown-after-ages" => {
            let retry = types::Retry::After(u64::MAX);
            Observation::Unknown(Error { retry, ..error("not now") })
        }
        // What it says first is no end, and then it says every end there is, one after the other.
        "fickle" => {
            let said = run.handle.as_ref().map_or(0, |handle| handle.schema);
            let phase = match said {
                0..=2 => Phase::Running,
                3 => Phase::Pending(None),
                4 => Phase::Ended(Outcome::Exited(3)),
                5 => Phase::Ended(Outcome::Succeeded),
                _ => Phase::Running,
            };
            let handle = run.handle.clone().map(|handle| Handle { schema: said + 1, ..handle });
            Observation::Known(Status { phase, handle, ask_after: Some(1) })
        }
        "gone" => Observation::Gone,
        _ if run.handle.is_none() => Observation::Gone,
        _ => ended(Outcome::Succeeded),
    }
}

impl Guest for Hostile {
    fn describe() -> Descriptor {
        let plan = Plan::settings();
        let word = plan.word("describe");
        let _ = acts::act(word);
        let features = ["logs", "collect", "owned", "definitions"].map(str::to_owned).to_vec();
        let (name, version) = ("hostile".to_owned(), "0.1.0".to_owned());
        let descriptor = Descriptor { name, version, summary: String::new(), options_schema: String::new(), features };
        match word {
            "giant" => Descriptor {
                name: giant(8 << 20),
                version: giant(8 << 20),
                summary: giant(8 << 20),
                options_schema: giant(8 << 20),
                ..descriptor
            },
            "endless-features" => Descriptor { features: vec![String::new(); 1_000_000], ..descriptor },
            "strange" => Descriptor {
                name: "mock".to_owned(),
                version: "none".to_owned(),
                summary: "\u{1b}[2J\0".to_owned(),
                options_schema: "{".to_owned(),
                features: ["fly", "", "logs", "logs"].map(str::to_owned).to_vec(),
            },
            _ => descriptor,
        }
    }

    fn check() -> Result<(), Error> {
        acts::act(Plan::settings().word("check"))
    }

    fn definitions(_cursor: Option<String>) -> Result<DefinitionPage, Error> {
        let plan = Plan::settings();
        acts::act(plan.word("definitions"))?;
        let count = if plan.word("definitions") == "endless" { 200_000 } else { 1 };
        let text = if plan.word("definitions") == "giant" { giant(16 << 20) } else { String::new() };
        let definition =
            |_| wire::Definition { name: text.clone(), version: None, summary: None, options: String::new() };
        Ok(DefinitionPage {
            definitions: (0..count).map(definition).collect(),
            next: (plan.word("definitions") == "giant-cursor").then(|| giant(1 << 20)),
        })
    }

    fn validate(options: String) -> Vec<Problem> {
        let plan = Plan::read(options.as_bytes());
        let _ = acts::act(plan.word("validate"));
        let problem =
            |text: &str| Problem { field: text.to_owned(), problem: text.to_owned(), allowed: text.to_owned() };
        match plan.word("validate") {
            "giant" => vec![problem(&giant(4 << 20))],
            "endless" => vec![problem(""); 100_000],
            // Each of them is the same text in its memory; whoever reads them has as many copies.
            "amplified" => told::amplified(),
            _ => Vec::new(),
        }
    }

    fn submit(task: Task) -> Result<Handle, Error> {
        let plan = Plan::read(task.options.as_bytes());
        let handle = Handle { schema: 0, data: task.options.clone().into_bytes() };
        let word = plan.word("submit");
        acts::act(word)?;
        match word {
            "giant-handle" => return Ok(giant_handle()),
            "giant-checkpoint" => return Err(host::checkpoint(&giant_handle()).unwrap_err()),
            "endless-checkpoints" => loop {
                host::checkpoint(&handle)?;
            },
            "tell-secrets" => {
                let told: Vec<String> = task.environment.iter().map(|it| it.value.clone()).collect();
                host::log(host::Level::Warn, &format!("it was given {}", told.join(" ")));
                return Err(said(told.join(" ")));
            }
            _ => {}
        }
        host::checkpoint(&handle)?;
        Ok(handle)
    }

    fn observe(runs: Vec<Run>, _wait: u64) -> Result<Vec<Observation>, Error> {
        let words: Vec<String> = runs.iter().map(|run| Plan::of(run).word("observe").to_owned()).collect();
        for word in &words {
            acts::act(word)?;
        }
        let word = words.first().map(String::as_str).unwrap_or_default();
        let mut told: Vec<_> = runs.iter().map(|run| observation(Plan::of(run).word("observe"), run)).collect();
        match word {
            "none" => told.clear(),
            "too-many" => told.extend(told.clone()),
            "endless" => told.resize_with(500_000, || Observation::Gone),
            _ => {}
        }
        Ok(told)
    }

    fn logs(run: Run, cursor: Option<String>, _wait: u64, to: &logs::Sink) -> Result<bool, Error> {
        let plan = Plan::of(&run);
        let out = logs::Channel::Stdout;
        acts::act(plan.word("logs"))?;
        match plan.word("logs") {
            "flood" => while to.write(out, b"x\n", "1") {},
            "giant-write" => {
                to.write(out, &vec![b'x'; 8 << 20], "1");
            }
            "giant-cursor" => {
                to.write(out, b"said\n", &giant(1 << 20));
            }
            "strange-cursor" => {
                to.write(out, b"said\n", "\0\u{1b}[2J\n../../x");
            }
            // It is never over, and each look brings the same again.
            "again" => {
                to.write(out, b"again\n", cursor.as_deref().unwrap_or("1"));
                return Ok(false);
            }
            "pour" => web::memory_to(|piece| {
                to.write(out, piece, "1");
            }),
            _ => {
                to.write(out, b"said\n", "1");
            }
        }
        Ok(true)
    }

    fn stop(run: Run, _grace: u64) -> Result<Option<Handle>, Error> {
        let plan = Plan::of(&run);
        acts::act(plan.word("stop"))?;
        let ended = serde_json::json!({ "observe": "stopped" }).to_string();
        Ok(match plan.word("stop") {
            "giant-handle" => Some(giant_handle()),
            "ignore" => None,
            _ => Some(Handle { schema: 0, data: ended.into_bytes() }),
        })
    }

    fn collect(run: Run) -> Result<(), Error> {
        let plan = Plan::of(&run);
        let word = plan.word("collect");
        acts::act(word)?;
        match word.strip_prefix("tar ") {
            Some(kind) => archive::send(kind),
            None => Ok(()),
        }
    }

    fn remove(run: Run) -> Result<(), Error> {
        let plan = Plan::of(&run);
        match plan.word("remove") {
            "tell" => acts::act(&format!("ask PUT jobs.endpoint /a/{}-{}", run.attempt.job, run.attempt.number)),
            word => acts::act(word),
        }
    }

    fn owned(cursor: Option<String>) -> Result<OwnedPage, Error> {
        let plan = Plan::settings();
        acts::act(plan.word("owned"))?;
        let run = |job: &str, number| Run { attempt: types::Attempt { job: job.to_owned(), number }, handle: None };
        let mut page = OwnedPage { runs: Vec::new(), next: None };
        match plan.word("owned") {
            "nonsense" => page.runs = ["", "../../etc", "no-job", &giant(1 << 20)].map(|it| run(it, u32::MAX)).to_vec(),
            "same-cursor" => page.next = Some(cursor.unwrap_or_else(|| "1".to_owned())),
            "giant-cursor" => page.next = Some(giant(1 << 20)),
            "endless" => page.runs = vec![run("x", 1); 200_000],
            "named" => {
                let named = plan.0["jobs"].as_array().cloned().unwrap_or_default();
                let jobs = named.iter().filter_map(Value::as_str);
                page.runs = jobs.flat_map(|job| [run(job, 1), run(job, 2)]).collect();
            }
            _ => {}
        }
        Ok(page)
    }
}

//! An executor that breaks the contract in the way that its settings say; without settings it keeps to it. Its runs are
//! texts on a shelf: when they began, and when they were stopped.

mod fault;
mod shelf;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_plugin::prelude::*;
use windlass_plugin::{Definition, Page, Phase};

use fault::{Fault, is};

struct Faulty;

windlass_plugin::executor!(Faulty, manifest = "../plugin.toml");

/// What a user writes.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// How long it runs.
    ms: u64,
    /// How many lines it prints, evenly.
    #[serde(default)]
    lines: u64,
}

/// A run as it is on the shelf.
#[derive(Clone, Deserialize, Serialize)]
struct Record {
    owner: String,
    options: Options,
    began: u64,
    stopped: Option<u64>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Named {
    name: String,
}

impl Handle for Named {}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The name of what `submit` makes before the run.
fn mark(name: &str) -> String {
    format!("mark-{name}")
}

fn read(name: &str) -> Result<Option<Record>> {
    shelf::get(name)?.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
}

fn write(name: &str, record: &Record) -> Result<()> {
    shelf::put(name, &serde_json::to_string(record)?)
}

fn name(run: &Run<Named>) -> Result<String> {
    match &run.handle {
        Some(handle) => Ok(handle.name.clone()),
        None if is(Fault::NeedsHandle) => Ok(String::from("none")),
        None if is(Fault::SubmitMakesAnother) => {
            let prefix = run.attempt.to_string();
            Ok(shelf::names()?.into_iter().find(|name| name.starts_with(&prefix)).unwrap_or(prefix))
        }
        None => Ok(run.attempt.to_string()),
    }
}

impl Record {
    fn ends(&self) -> u64 {
        self.stopped.unwrap_or(u64::MAX).min(self.began.saturating_add(self.options.ms))
    }

    fn phase(&self) -> Phase {
        let now = now();
        if now < self.ends() {
            return Phase::Running;
        }
        let by_itself = self.began.saturating_add(self.options.ms);
        if is(Fault::EndChanges) && now > by_itself + 5 {
            return Phase::Ended(Outcome::Exited(7));
        }
        Phase::Ended(if self.stopped.is_some_and(|stopped| stopped < by_itself || is(Fault::StopRewrites)) {
            Outcome::Stopped
        } else {
            Outcome::Succeeded
        })
    }

    /// The lines that are printed by now.
    fn printed(&self) -> u64 {
        let ran = now().min(self.ends()).saturating_sub(self.began);
        (self.options.lines * ran).checked_div(self.options.ms).unwrap_or(self.options.lines).min(self.options.lines)
    }
}

fn observed(run: &Run<Named>) -> Result<Observation<Named>> {
    Ok(read(&name(run)?)?.map_or(Observation::Gone, |record| record.phase().into()))
}

impl Executor for Faulty {
    /// Looked at by `validate`.
    type Options = Value;
    type Handle = Named;

    fn describe() -> Descriptor {
        let summary = if is(Fault::DescribeChanges) {
            format!("It is {:?}", SystemTime::now())
        } else {
            "Breaks the contract".to_owned()
        };
        Descriptor::new("faulty", env!("CARGO_PKG_VERSION"), &summary)
            .feature("collect")
            .feature("definitions")
            .feature("logs")
            .feature("owned")
    }

    fn check() -> Result<()> {
        shelf::names().map(|_| ())
    }

    fn definitions(_cursor: Option<&str>) -> Result<Page<Definition>> {
        let options = if is(Fault::DefinitionsWrong) { json!({ "s": 1 }) } else { json!({ "ms": 1 }) };
        let definition = Definition { name: "brief".to_owned(), version: None, summary: None, options };
        Ok(Page { entries: vec![definition], next: None })
    }

    fn validate(options: &Value) -> Vec<Problem> {
        if is(Fault::ValidateAsks) {
            // The answer does not matter.
            let _ = shelf::names();
        }
        if is(Fault::ValidateAcceptsAll) {
            return Vec::new();
        }
        match serde_json::from_value::<Options>(options.clone()) {
            Ok(_) if options.is_object() => Vec::new(),
            Ok(_) => vec![Problem { field: String::new(), problem: "a list".into(), allowed: "an object".into() }],
            Err(error) => {
                vec![Problem { field: String::new(), problem: error.to_string(), allowed: "ms, lines".into() }]
            }
        }
    }

    fn submit(task: &Task<Value>) -> Result<Named> {
        let mut name = task.attempt.to_string();
        if is(Fault::SubmitMakesAnother) {
            name.push_str(&format!("-{}", now()));
        }
        shelf::put(&mark(&name), "here")?;
        let there = read(&name)?;
        let over = there.as_ref().is_some_and(|record| matches!(record.phase(), Phase::Ended(_)));
        if there.is_none() || over && is(Fault::SubmitStartsAgain) {
            let options = serde_json::from_value(task.options.clone())?;
            write(&name, &Record { owner: host::engine_id(), options, began: now(), stopped: None })?;
        }
        let handle = Named { name };
        host::checkpoint(&handle)?;
        Ok(handle)
    }

    fn observe(runs: &[Run<Named>], _wait: Duration) -> Result<Vec<Observation<Named>>> {
        let mut runs: Vec<&Run<Named>> = runs.iter().collect();
        if is(Fault::ObserveSorts) {
            runs.sort_by_key(|run| run.attempt.to_string());
        }
        let unsure = |error| if is(Fault::ObserveGuesses) { Observation::Gone } else { Observation::Unknown(error) };
        Ok(runs.into_iter().map(|run| observed(run).unwrap_or_else(unsure)).collect())
    }

    fn logs(run: &Run<Named>, cursor: Option<&str>, _wait: Duration, to: &mut LogSink<'_>) -> Result<bool> {
        let Some(record) = read(&name(run)?)? else { return Ok(true) };
        let over = matches!(record.phase(), Phase::Ended(_));
        let mut at = cursor::Offset::read(cursor)?.0;
        if at > 0 && is(Fault::LogsRepeat) {
            at -= 1;
        }
        if at > 0 && is(Fault::LogsSkip) {
            at += 1;
        }
        for line in at..record.printed() {
            let channel = if line % 3 == 2 { Channel::Stderr } else { Channel::Stdout };
            if !to.write(channel, format!("line {line}\n").as_bytes(), line + 1) && !is(Fault::LogsInsist) {
                return Ok(false);
            }
        }
        Ok(over)
    }

    fn stop(run: &Run<Named>, _grace: Duration) -> Result<Option<Named>> {
        let name = name(run)?;
        match read(&name)? {
            Some(record) if record.stopped.is_some() => {}
            Some(record) => write(&name, &Record { stopped: Some(now()), ..record })?,
            None if is(Fault::StopFailsOnUnknown) => return Err(Error::not_found("there is no such run")),
            None => {}
        }
        Ok(None)
    }

    fn collect(run: &Run<Named>) -> Result<()> {
        let path = work::path().join("output/lines.txt");
        if is(Fault::CollectOnce) && path.exists() {
            return Err(Error::new(ErrorKind::Conflict, "it is there already"));
        }
        let lines = read(&name(run)?)?.map(|record| record.printed()).unwrap_or_default();
        std::fs::write(path, lines.to_string())?;
        Ok(())
    }

    fn remove(run: &Run<Named>) -> Result<()> {
        let name = name(run)?;
        let there = shelf::delete(&name)?;
        if there || !is(Fault::RemoveForgetsHalf) {
            shelf::delete(&mark(&name))?;
        }
        if !there && is(Fault::RemoveFailsOnUnknown) {
            return Err(Error::not_found("there is no such run"));
        }
        Ok(())
    }

    fn owned(_cursor: Option<&str>) -> Result<Page<Run<Named>>> {
        let mut entries: Vec<Run<Named>> = Vec::new();
        for name in shelf::names()? {
            let plain = name.strip_prefix("mark-").unwrap_or(&name);
            // A mark belongs to its run, where there is one; the rest of a name makes it another run.
            let known = entries.iter().any(|run| run.handle.as_ref().is_some_and(|handle| handle.name == plain));
            let attempt: String = plain.split('-').take(6).collect::<Vec<_>>().join("-");
            if let (false, Ok(attempt)) = (known, attempt.parse::<Attempt>()) {
                entries.push(Run { attempt, handle: Some(Named { name: plain.to_owned() }) });
            }
        }
        Ok(Page { entries, next: None })
    }
}

//! An executor without a platform: what a run does is what its options say, and all that is known of it is in its handle.

mod clock;
mod options;
mod run;

use std::time::Duration;

use serde_json::json;
use windlass_plugin::prelude::*;
use windlass_plugin::{Definition, Page, Phase};

pub use options::{Call, End, Fault, Options, Printing, Retrying, When};
pub use run::Pretended;

/// The plugin.
#[derive(Debug)]
pub struct Mock;

windlass_plugin::executor!(Mock, manifest = "../plugin.toml");

impl Executor for Mock {
    type Options = Options;
    type Handle = Pretended;

    fn describe() -> Descriptor {
        Descriptor::new("mock", env!("CARGO_PKG_VERSION"), "Pretends to run jobs, as their options say")
            .options(&options::schema())
            .feature("definitions")
            .feature("logs")
            .feature("collect")
    }

    /// Two pages, so that paging is seen.
    fn definitions(cursor: Option<&str>) -> Result<Page<Definition>> {
        let (name, run_ms, next) = match cursor {
            None => ("quick", 0, Some("slow".to_owned())),
            Some("slow") => ("slow", 10_000, None),
            Some(other) => return Err(Error::invalid(format!("there is no page '{other}'"))),
        };
        let summary = Some(format!("Takes {run_ms} ms"));
        let options = json!({ "run_ms": run_ms });
        Ok(Page { entries: vec![Definition { name: name.to_owned(), version: None, summary, options }], next })
    }

    fn submit(task: &Task<Options>) -> Result<Pretended> {
        task.options.fault(Call::Submit)?;
        let made = Pretended::new(task.options.clone(), task.attempt.number, clock::now());
        if task.options.checkpoint {
            host::checkpoint(&made)?;
        }
        Ok(made)
    }

    fn observe(runs: &[Run<Pretended>], wait: Duration) -> Result<Vec<Observation<Pretended>>> {
        let until = clock::now() + wait;
        loop {
            let now = clock::now();
            let told: Vec<_> = runs.iter().map(|run| observed(run, now).unwrap_or_else(Observation::Unknown)).collect();
            let next = runs.iter().filter_map(|run| run.handle.as_ref()?.next_change(now)).min();
            if told.iter().any(is_news) || now >= until {
                return Ok(told);
            }
            clock::sleep_to(next.unwrap_or(until).min(until));
        }
    }

    fn logs(run: &Run<Pretended>, cursor: Option<&str>, wait: Duration, to: &mut LogSink<'_>) -> Result<bool> {
        let Some(made) = &run.handle else { return Ok(true) };
        made.options.fault(Call::Logs)?;
        let until = clock::now() + wait;
        let mut cursor = cursor::Offset::read(cursor)?;
        loop {
            let now = clock::now();
            if !made.print(&mut cursor, now, to) {
                return Ok(false);
            }
            if matches!(made.phase(now), Phase::Ended(_)) {
                return Ok(true);
            }
            if now >= until {
                return Ok(false);
            }
            clock::sleep_to(made.next_line(now).unwrap_or(until).min(until));
        }
    }

    fn stop(run: &Run<Pretended>, grace: Duration) -> Result<Option<Pretended>> {
        let now = clock::now();
        let Some(made) = &run.handle else {
            let never = Options { outcome: End::Never, ..Options::default() };
            return Ok(Some(Pretended::new(never, run.attempt.number, now).stopped(now, Duration::ZERO)));
        };
        made.options.fault(Call::Stop)?;
        Ok(Some(made.clone().stopped(now, grace)))
    }

    /// Writes the files that the options say.
    fn collect(run: &Run<Pretended>) -> Result<()> {
        let Some(made) = &run.handle else { return Ok(()) };
        made.options.fault(Call::Collect)?;
        let output = work::path().join("output");
        for (name, content) in &made.options.output {
            let path = output.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, content)?;
        }
        Ok(())
    }

    fn remove(run: &Run<Pretended>) -> Result<()> {
        run.handle.as_ref().map_or(Ok(()), |made| made.options.fault(Call::Remove))
    }
}

fn observed(run: &Run<Pretended>, now: Duration) -> Result<Observation<Pretended>> {
    let Some(made) = &run.handle else { return Ok(Observation::Gone) };
    made.options.fault(Call::Observe)?;
    let phase = made.phase(now);
    if made.is_gone(&phase) {
        return Ok(Observation::Gone);
    }
    let seen = run::Seen::of(&phase);
    let mut told = Observation::from(phase);
    if made.seen != Some(seen) {
        told = told.with_handle(made.clone().told(seen));
    }
    Ok(match made.options.ask_after_ms {
        Some(ms) => told.ask_after(Duration::from_millis(ms)),
        None => told,
    })
}

/// Whether this was not told before: what was told is in the handle.
fn is_news(told: &Observation<Pretended>) -> bool {
    match told {
        Observation::Known(status) => status.handle.is_some() || matches!(status.phase, Phase::Ended(_)),
        Observation::Gone | Observation::Unknown(_) => true,
    }
}

#[cfg(test)]
mod tests;

//! An executor that runs containers on a Docker Engine, over the endpoint `docker`.
//!
//! Everything that belongs to an attempt is found again by its labels and named after the attempt: its containers, a volume
//! that is `/work` unless the job wants none, and after a stop another one that says so.

mod command;
mod daemon;
mod definitions;
mod end;
mod frames;
mod inputs;
mod logs;
mod name;
mod options;
mod owned;
mod position;
mod pull;
mod quantity;
mod reference;
mod refusal;
mod run;
mod schema;
mod settings;
mod stop;
mod submit;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;

use bollard_stubs::models::SystemVersion;
use windlass_plugin::prelude::*;
use windlass_plugin::{Definition, Page};

use daemon::Listed;
use run::Group;
use settings::Settings;

pub use options::Options;
pub use run::Known;

/// The oldest API that has all that is used.
const LEAST_API: (u32, u32) = (1, 41);

/// The plugin.
#[derive(Debug)]
pub struct Docker;

windlass_plugin::executor!(Docker, manifest = "../plugin.toml");

impl Executor for Docker {
    type Options = Options;
    type Handle = Known;

    fn describe() -> Descriptor {
        let features = ["definitions", "logs", "collect", "owned"];
        let told = Descriptor::new("docker", env!("CARGO_PKG_VERSION"), "Runs containers on a Docker Engine");
        features.into_iter().fold(told.options(&schema::options()), Descriptor::feature)
    }

    fn check() -> Result<()> {
        Settings::read()?;
        let version: SystemVersion = daemon::docker().get("/version").send()?.ok()?.json()?;
        let api = version.api_version.unwrap_or_default();
        let os = version.os.unwrap_or_default();
        if !is_new_enough(&api) {
            let (major, minor) = LEAST_API;
            let message = format!("the Docker Engine speaks the API {api:?}; {major}.{minor} or newer is needed");
            return Err(Error::unsupported(message));
        }
        if os != "linux" {
            return Err(Error::unsupported(format!("the Docker Engine runs containers of {os:?}, not of linux")));
        }
        Ok(())
    }

    fn definitions(cursor: Option<&str>) -> Result<Page<Definition>> {
        definitions::definitions(cursor)
    }

    fn validate(options: &Options) -> Vec<Problem> {
        validate::problems(options)
    }

    fn submit(task: &Task<Options>) -> Result<Known> {
        submit::submit(task)
    }

    fn observe(runs: &[Run<Known>], _: Duration) -> Result<Vec<Observation<Known>>> {
        let filter = match runs {
            [] => return Ok(Vec::new()),
            [run] => name::filter_of(&run.attempt),
            _ => name::filter_of_engine(),
        };
        let mut groups: BTreeMap<(String, u32), Vec<Listed>> = BTreeMap::new();
        for container in daemon::list(&filter)? {
            if let Some(Attempt { job, number }) = name::attempt_of(&container.labels) {
                groups.entry((job, number)).or_default().push(container);
            }
        }
        let observe = |run: &Run<Known>| {
            let listed = groups.get(&(run.attempt.job.clone(), run.attempt.number));
            let group = Group::of(listed.map(Vec::as_slice).unwrap_or_default())?;
            group.observe(&run.attempt, run.handle.as_ref())
        };
        Ok(runs.iter().map(|run| observe(run).unwrap_or_else(Observation::Unknown)).collect())
    }

    fn logs(run: &Run<Known>, cursor: Option<&str>, wait: Duration, to: &mut LogSink<'_>) -> Result<bool> {
        logs::logs(run, cursor, wait, to)
    }

    fn stop(run: &Run<Known>, grace: Duration) -> Result<Option<Known>> {
        stop::stop(run, grace)
    }

    fn collect(run: &Run<Known>) -> Result<()> {
        let container = match &run.handle {
            Some(known) if !known.work => return Ok(()),
            Some(known) => known.containers.first().cloned(),
            None => match daemon::list(&name::filter_of(&run.attempt))?.first() {
                Some(listed) if !name::has_work(&listed.labels) => return Ok(()),
                listed => listed.map(|it| it.name().to_owned()),
            },
        };
        let container = container.ok_or_else(|| Error::not_found("the containers of the run are gone"))?;
        if let Some(output) = daemon::get_archive(&container, &format!("{}/output", submit::WORK))? {
            work::unpack(output.body())?;
        }
        Ok(())
    }

    fn remove(run: &Run<Known>) -> Result<()> {
        stop::remove(run)
    }

    fn owned(cursor: Option<&str>) -> Result<Page<Run<Known>>> {
        owned::owned(cursor)
    }
}

fn is_new_enough(api: &str) -> bool {
    let parts = api.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.is_some_and(|parts: (u32, u32)| parts >= LEAST_API)
}

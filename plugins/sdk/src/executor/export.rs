//! An [`Executor`] as the engine calls it.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::{Definition, Executor, LogSink, Observation, Outcome, Page, Phase, Run, Status, Task, Variable};
use crate::bindings::exports_of_executor as wire;
use crate::bindings::imports::windlass::plugin::logs;
use crate::bindings::types;
use crate::error::{Error, Result};
use crate::{handle, options};

/// What `executor!` exports.
#[doc(hidden)]
pub struct Export<E: Executor>(PhantomData<E>);

impl<E: Executor> Export<E> {
    pub(crate) fn push_logs(
        run: wire::Run,
        cursor: Option<&str>,
        wait: Duration,
        to: &mut LogSink<'_>,
    ) -> Result<bool, types::Error> {
        Ok(E::logs(&read_run::<E>(run)?, cursor, wait, to)?)
    }
}

impl<E: Executor> wire::Guest for Export<E> {
    fn describe() -> types::Descriptor {
        E::describe()
    }

    fn check() -> Result<(), types::Error> {
        Ok(E::check()?)
    }

    fn definitions(cursor: Option<String>) -> Result<wire::DefinitionPage, types::Error> {
        let Page { entries, next } = E::definitions(cursor.as_deref())?;
        Ok(wire::DefinitionPage { definitions: entries.into_iter().map(Into::into).collect(), next })
    }

    fn validate(options: String) -> Vec<types::Problem> {
        options::read(&options).map_or_else(|problems| problems, |options| E::validate(&options))
    }

    fn submit(task: wire::Task) -> Result<types::Handle, types::Error> {
        let made = E::submit(&read_task(task)?)?;
        Ok(handle::encode(&made)?)
    }

    fn observe(runs: Vec<wire::Run>, wait: u64) -> Result<Vec<wire::Observation>, types::Error> {
        let asked = runs.len();
        let (mut answers, mut readable) = (Vec::new(), Vec::new());
        for run in runs {
            match read_run::<E>(run) {
                Ok(run) => {
                    readable.push(run);
                    answers.push(None);
                }
                Err(error) => answers.push(Some(wire::Observation::Unknown(error.into()))),
            }
        }
        let wait = if readable.len() == asked { Duration::from_millis(wait) } else { Duration::ZERO };
        let found = if readable.is_empty() { Vec::new() } else { E::observe(&readable, wait)? };
        if found.len() != readable.len() {
            let (asked, found) = (readable.len(), found.len());
            return Err(Error::internal(format!("{asked} runs were asked about and {found} answers came")).into());
        }
        let mut found = found.into_iter().map(write_observation);
        Ok(answers.into_iter().filter_map(|answer| answer.or_else(|| found.next())).collect())
    }

    fn logs(run: wire::Run, cursor: Option<String>, wait: u64, to: &logs::Sink) -> Result<bool, types::Error> {
        let mut write = |channel, bytes: &[u8], cursor: &str| to.write(channel, bytes, cursor);
        Export::<E>::push_logs(run, cursor.as_deref(), Duration::from_millis(wait), &mut LogSink::new(&mut write))
    }

    fn stop(run: wire::Run, grace: u64) -> Result<Option<types::Handle>, types::Error> {
        let left = E::stop(&read_run::<E>(run)?, Duration::from_millis(grace))?;
        Ok(left.as_ref().map(handle::encode).transpose()?)
    }

    fn collect(run: wire::Run) -> Result<(), types::Error> {
        Ok(E::collect(&read_run::<E>(run)?)?)
    }

    fn remove(run: wire::Run) -> Result<(), types::Error> {
        Ok(E::remove(&read_run::<E>(run)?)?)
    }

    fn owned(cursor: Option<String>) -> Result<wire::OwnedPage, types::Error> {
        let Page { entries, next } = E::owned(cursor.as_deref())?;
        let runs = entries.into_iter().map(|run| write_run(&run)).collect::<Result<_>>()?;
        Ok(wire::OwnedPage { runs, next })
    }
}

fn read_task<O: serde::de::DeserializeOwned>(task: wire::Task) -> Result<Task<O>> {
    let options = options::read_again(&task.options, "the options of the task")?;
    let variable = |it: wire::Variable| Variable { name: it.name, value: it.value, secret: it.secret };
    Ok(Task {
        attempt: task.attempt,
        name: task.name,
        chain: task.chain,
        options,
        environment: task.environment.into_iter().map(variable).collect(),
        grace: Duration::from_millis(task.grace),
        deadline: task.deadline_at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at))),
    })
}

fn read_run<E: Executor>(run: wire::Run) -> Result<Run<E::Handle>> {
    let handle = run.handle.as_ref().map(handle::decode).transpose()?;
    Ok(Run { attempt: run.attempt, handle })
}

fn write_run<H: crate::Handle>(run: &Run<H>) -> Result<wire::Run> {
    let handle = run.handle.as_ref().map(handle::encode).transpose()?;
    Ok(wire::Run { attempt: run.attempt.clone(), handle })
}

fn write_observation<H: crate::Handle>(observation: Observation<H>) -> wire::Observation {
    match observation {
        Observation::Known(status) => match write_status(status) {
            Ok(status) => wire::Observation::Known(status),
            Err(error) => wire::Observation::Unknown(error.into()),
        },
        Observation::Gone => wire::Observation::Gone,
        Observation::Unknown(error) => wire::Observation::Unknown(error.into()),
    }
}

fn write_status<H: crate::Handle>(status: Status<H>) -> Result<wire::Status> {
    let phase = match status.phase {
        Phase::Pending(reason) => wire::Phase::Pending(reason),
        Phase::Running => wire::Phase::Running,
        Phase::Ended(outcome) => wire::Phase::Ended(outcome.into()),
    };
    let handle = status.handle.as_ref().map(handle::encode).transpose()?;
    Ok(wire::Status { phase, handle, ask_after: status.ask_after.map(millis) })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<Outcome> for wire::Outcome {
    fn from(outcome: Outcome) -> wire::Outcome {
        match outcome {
            Outcome::Succeeded => wire::Outcome::Succeeded,
            Outcome::Exited(code) => wire::Outcome::Exited(code),
            Outcome::Signalled(signal) => wire::Outcome::Signalled(signal),
            Outcome::OutOfMemory => wire::Outcome::OutOfMemory,
            Outcome::NotStarted(error) => wire::Outcome::NotStarted(error.into()),
            Outcome::Failed(error) => wire::Outcome::Failed(error.into()),
            Outcome::Stopped => wire::Outcome::Stopped,
            Outcome::Lost => wire::Outcome::Lost,
        }
    }
}

impl From<Definition> for wire::Definition {
    fn from(definition: Definition) -> wire::Definition {
        let Definition { name, version, summary, options } = definition;
        wire::Definition { name, version, summary, options: options.to_string() }
    }
}

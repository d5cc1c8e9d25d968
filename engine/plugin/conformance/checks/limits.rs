//! A plugin that is not given what it needs: rights, memory, time.

use std::sync::Arc;

use super::super::stage::{Ended, Found, Stage, failed, good, observation, skipped, told};
use crate::error::Problem;
use crate::plugin::contract::{Answer, ErrorKind, ExecutorPlugin, Observation};

const LITTLE_MEMORY: u64 = 64 << 10;
const LITTLE_TIME_MS: u64 = 1;

type Changed = Option<Result<Arc<dyn ExecutorPlugin>, Vec<Problem>>>;

fn changed(plugin: Changed) -> Result<Arc<dyn ExecutorPlugin>, Ended> {
    match plugin {
        None => skipped("the rights of this kind of plugin stay as they are"),
        Some(Ok(plugin)) => Ok(plugin),
        Some(Err(problems)) => failed(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

/// Whether a call told, in the words of the contract, that the platform is out of reach.
fn refused<T>(call: &str, answer: Answer<T>) -> Result<(), Ended> {
    match answer {
        Ok(_) => failed(format!("{call}: it goes well without any endpoint")),
        Err(error) if is_out_of_reach(error.kind) => Ok(()),
        Err(error) => failed(format!("{call}: the error should be denied or unavailable, it is {}", told(&error))),
    }
}

fn is_out_of_reach(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Denied | ErrorKind::Unavailable | ErrorKind::Unauthenticated)
}

pub(super) async fn denied(stage: &Stage<'_>) -> Found {
    stage.needs_platform()?;
    let plugin = changed(stage.subject.denied())?;
    refused("check", plugin.check().await)?;
    let made = stage.attempt();
    refused("submit", stage.submit_to(&plugin, &made, &stage.cases.long).await?)?;
    let long = stage.long().await?;
    match plugin.observe(vec![long.run()], 0).await {
        Err(error) => refused::<()>("observe", Err(error))?,
        Ok(answers) => match answers.first() {
            Some(Observation::Unknown(error)) if is_out_of_reach(error.kind) => {}
            Some(other) => {
                let other = observation(other);
                return failed(format!("observe: without any endpoint it claims to know that the run is {other}"));
            }
            None => return failed("observe: no answer to one question"),
        },
    }
    refused("stop", plugin.stop(long.run(), 0).await)?;
    stage.known(&long).await.map_err(|ended| ended.at("afterwards, with its endpoints"))?;
    Ok(String::new())
}

pub(super) async fn memory(stage: &Stage<'_>) -> Found {
    let plugin = changed(stage.subject.limited(|limits| limits.memory_bytes = LITTLE_MEMORY))?;
    let note = match plugin.describe().await {
        Ok(_) => format!("it needs no more than {LITTLE_MEMORY} bytes"),
        Err(error) if error.kind == ErrorKind::Exhausted => String::new(),
        Err(error) => return failed(format!("describe: the error should be exhausted, it is {}", told(&error))),
    };
    stage.descriptor().await.map_err(|ended| ended.at("the next call, with its memory"))?;
    Ok(note)
}

pub(super) async fn time(stage: &Stage<'_>) -> Found {
    let long = stage.long().await?;
    let plugin = changed(stage.subject.limited(|limits| limits.call_ms = LITTLE_TIME_MS))?;
    let mut late = 0;
    let answers = [
        plugin.describe().await.map(|_| ()),
        plugin.observe(vec![long.run()], 0).await.map(|_| ()),
        plugin.observe(vec![long.run()], 1).await.map(|_| ()),
    ];
    for answer in answers {
        match answer {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::Timeout => late += 1,
            Err(error) => return good("a call with little time", Err(error)),
        }
    }
    stage.known(&long).await.map_err(|ended| ended.at("the next call, with its time"))?;
    Ok(format!("{late} of 3 calls had too little"))
}

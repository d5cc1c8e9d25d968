//! An executor that is not given what it needs: endpoints, time.

use super::super::super::every::limits::{changed, is_out_of_reach, refused};
use super::super::super::found::{Found, failed, good};
use super::super::stage::{Stage, observation};
use crate::plugin::contract::{ErrorKind, Observation};

const LITTLE_TIME_MS: u64 = 1;

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

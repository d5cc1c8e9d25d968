//! A sink that is not given what it needs: endpoints, time.

use super::super::every::limits::{changed, refused};
use super::super::found::{Found, good, skipped};
use super::stage::{Stage, path};
use crate::plugin::contract::ErrorKind;

const LITTLE_TIME_MS: u64 = 1;

pub(super) async fn denied(stage: &Stage<'_>) -> Found {
    if stage.subject.facts.has_platform == Some(false) {
        return skipped("the plugin asks for no endpoint");
    }
    let plugin = changed(stage.subject.denied())?;
    refused("check", plugin.check().await)?;
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let name = "denied.txt".to_owned();
    refused("put", plugin.put(output.request.clone(), begun.clone(), path(0), name, output.work.clone()).await)?;
    let begun = stage.put(&output, begun, 0).await.map_err(|ended| ended.at("afterwards, with its endpoints"))?;
    refused("commit", plugin.commit(output.request.clone(), begun.clone()).await)?;
    stage.are(&stage.commit(&output, begun).await?, &[0])?;
    Ok(String::new())
}

pub(super) async fn time(stage: &Stage<'_>) -> Found {
    let plugin = changed(stage.subject.limited(|limits| {
        limits.call_ms = LITTLE_TIME_MS;
        limits.transfer_ms = LITTLE_TIME_MS;
    }))?;
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let name = stage.names().first().copied().unwrap_or_default().to_owned();
    let put = plugin.put(output.request.clone(), begun.clone(), path(0), name, output.work.clone());
    let answers = [plugin.describe().await.map(|_| ()), put.await.map(|_| ())];
    let mut late = 0;
    for answer in answers {
        match answer {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::Timeout => late += 1,
            Err(error) => return good("a call with little time", Err(error)),
        }
    }
    let begun = stage.put_all(&output, begun).await.map_err(|ended| ended.at("the next call, with its time"))?;
    stage.are_all(&stage.commit(&output, begun).await?)?;
    Ok(format!("{late} of 2 calls had too little"))
}

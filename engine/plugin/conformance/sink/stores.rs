//! Stores: all that was put appears, once; what was aborted never does.

use super::super::found::{Found, failed};
use super::stage::Stage;
use crate::plugin::contract::Stored;

fn locations(stored: &[Stored]) -> Vec<&str> {
    let mut locations: Vec<&str> = stored.iter().map(|it| it.location.as_str()).collect();
    locations.sort_unstable();
    locations
}

pub(super) async fn stores(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let begun = stage.put_all(&output, begun).await?;
    let stored = stage.commit(&output, begun).await?;
    stage.are_all(&stored)?;
    Ok(format!("{} files", stored.len()))
}

pub(super) async fn nothing(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    stage.are(&stage.commit(&output, begun).await?, &[])?;
    Ok(String::new())
}

pub(super) async fn begin_twice(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let first = stage.begin(&output).await?;
    stage.put(&output, first, 0).await?;
    // The engine went down before it had stored what `put` returned: all is done once more.
    let second = stage.begin(&output).await?;
    let second = stage.put_all(&output, second).await?;
    stage.are_all(&stage.commit(&output, second).await?)?;
    Ok(String::new())
}

pub(super) async fn put_twice(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    stage.put(&output, begun.clone(), 0).await?;
    let begun = stage.put(&output, begun, 0).await.map_err(|ended| ended.at("again with the handle of before"))?;
    let begun = stage.put(&output, begun, 0).await.map_err(|ended| ended.at("again with the handle of after"))?;
    stage.are(&stage.commit(&output, begun).await?, &[0])?;
    Ok(String::new())
}

pub(super) async fn put_missing(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let (path, name) = ("output/no-such-file".to_owned(), "x".to_owned());
    let put = stage.plugin().put(output.request.clone(), begun.clone(), path, name, output.work.clone()).await;
    if put.is_ok() {
        return failed("put: a file that is not there is taken");
    }
    let begun = stage.put(&output, begun, 0).await.map_err(|ended| ended.at("after one that is not there"))?;
    stage.are(&stage.commit(&output, begun).await?, &[0])?;
    Ok(String::new())
}

pub(super) async fn commit_twice(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let begun = stage.put_all(&output, begun).await?;
    let first = stage.commit(&output, begun.clone()).await?;
    let second = stage.commit(&output, begun).await.map_err(|ended| ended.at("the second time"))?;
    if locations(&first) != locations(&second) {
        return failed("commit: the second time other files are stored than the first time");
    }
    stage.are_all(&second)?;
    Ok(String::new())
}

pub(super) async fn abort_twice(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let empty = stage.begin(&output).await?;
    stage.abort(&output, empty.clone()).await.map_err(|ended| ended.at("with nothing put"))?;
    let begun = stage.begin(&output).await?;
    let begun = stage.put(&output, begun, 0).await?;
    stage.abort(&output, begun.clone()).await?;
    stage.abort(&output, begun).await.map_err(|ended| ended.at("the second time"))?;
    stage.abort(&output, empty).await.map_err(|ended| ended.at("with an older handle"))?;
    Ok(String::new())
}

pub(super) async fn abort_forgets(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let begun = stage.put(&output, begun, 0).await?;
    stage.abort(&output, begun).await?;
    let begun = stage.begin(&output).await?;
    let begun = stage.put(&output, begun, 1).await?;
    stage.are(&stage.commit(&output, begun).await?, &[1])?;
    Ok(String::new())
}

pub(super) async fn next_life(stage: &Stage<'_>) -> Found {
    let output = stage.output()?;
    let begun = stage.begin(&output).await?;
    let begun = stage.put(&output, begun, 0).await?;
    let next = stage.subject.second();
    let begun = stage.put_by(next, &output, begun, 1).await?;
    match next.commit(output.request.clone(), begun).await {
        Ok(stored) => stage.are(&stored, &[0, 1])?,
        Err(error) => return failed(format!("commit in the next life: {error}")),
    }
    Ok(String::new())
}

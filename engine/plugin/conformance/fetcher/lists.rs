//! Lists: every item once, whenever and from wherever they are read.

use std::collections::BTreeSet;

use super::super::every::limits::{changed, refused};
use super::super::found::{Found, failed, good, skipped};
use super::stage::Stage;
use crate::plugin::contract::{ErrorKind, FetchItem};

const LITTLE_TIME_MS: u64 = 1;
/// Cursors that are tried, from all over the list.
const MOST_CURSORS: usize = 50;

fn names(items: &[FetchItem]) -> Vec<&str> {
    items.iter().map(|item| item.name.as_str()).collect()
}

pub(super) async fn are_named(stage: &Stage<'_>) -> Found {
    let items = stage.items().await?;
    if items.is_empty() {
        return failed("items: the request of the cases has none");
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = names(&items).into_iter().find(|name| !seen.insert(*name)) {
        return failed(format!("items: two have the name {twice:?}"));
    }
    let missing: Vec<&str> =
        stage.cases.content.keys().map(String::as_str).filter(|name| !seen.contains(name)).collect();
    if !missing.is_empty() {
        return failed(format!("items: there is no {}", missing.join(", ")));
    }
    Ok(format!("{} items", items.len()))
}

pub(super) async fn again(stage: &Stage<'_>) -> Found {
    let (first, second) = (stage.items().await?, stage.items().await?);
    if first == second {
        return Ok(String::new());
    }
    let place = first.iter().zip(&second).take_while(|(first, second)| first == second).count();
    failed(format!("items: the second list has {} items and differs from item {} on", second.len(), place + 1))
}

pub(super) async fn resume(stage: &Stage<'_>) -> Found {
    let pages = stage.pages(None).await?;
    let cursors: Vec<(usize, &String)> =
        pages.iter().enumerate().filter_map(|(at, page)| Some((at, page.cursor.as_ref()?))).collect();
    if cursors.is_empty() {
        return skipped("all items are on one page");
    }
    let step = cursors.len().div_ceil(MOST_CURSORS);
    for (at, cursor) in cursors.into_iter().step_by(step) {
        let rest: Vec<FetchItem> = pages.iter().skip(at).flat_map(|page| page.items.clone()).collect();
        let read: Vec<FetchItem> =
            stage.pages(Some(cursor.clone())).await?.into_iter().flat_map(|page| page.items).collect();
        if names(&read) != names(&rest) {
            return failed(format!("items: from page {} on there are other items than before", at + 1));
        }
    }
    Ok(format!("{} pages", pages.len()))
}

pub(super) async fn denied(stage: &Stage<'_>) -> Found {
    if stage.subject.facts.has_platform == Some(false) {
        return skipped("the plugin asks for no endpoint");
    }
    let plugin = changed(stage.subject.denied())?;
    refused("check", plugin.check().await)?;
    refused("items", plugin.items(stage.request(), None).await)?;
    let item = stage.one_item().await?;
    let work = stage.work()?;
    refused("fetch", plugin.fetch(stage.request(), item, work.0.clone()).await)?;
    Ok(String::new())
}

pub(super) async fn time(stage: &Stage<'_>) -> Found {
    let plugin = changed(stage.subject.limited(|limits| {
        limits.call_ms = LITTLE_TIME_MS;
        limits.transfer_ms = LITTLE_TIME_MS;
    }))?;
    let item = stage.one_item().await?;
    let work = stage.work()?;
    let mut late = 0;
    let answers = [
        plugin.describe().await.map(|_| ()),
        plugin.items(stage.request(), None).await.map(|_| ()),
        plugin.fetch(stage.request(), item.clone(), work.0.clone()).await.map(|_| ()),
    ];
    for answer in answers {
        match answer {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::Timeout => late += 1,
            Err(error) => return good("a call with little time", Err(error)),
        }
    }
    stage.fetch(&item, &work).await.map_err(|ended| ended.at("the next call, with its time"))?;
    Ok(format!("{late} of 3 calls had too little"))
}

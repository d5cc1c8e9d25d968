//! Fetches: an item is brought whole, however often it is tried.

use std::fs;

use super::super::found::{Ended, Found, failed, good, skipped, told};
use super::stage::{Stage, Work, place};
use super::tree::Node;
use crate::plugin::contract::{ErrorKind, FetchItem, Fetched};
use crate::plugin::wasm::{Cut, Side};

/// Steps of one call at which it is cut off.
const MOST_STEPS: u32 = 32;
/// The reference of an item that no fetcher has made.
const JUNK: &[u8] = b"\xff\0no such reference, surely";

/// Where a call that was cut off may leave what it has not finished: a file beside the one that it makes.
fn is_there(work: &Work, fetched: &Fetched) -> Result<Node, Ended> {
    match work.nodes()?.remove(&place(fetched)) {
        Some(node @ Node::File(..)) => Ok(node),
        _ => failed(format!("fetch: there is no file {}", place(fetched))),
    }
}

/// Whether a file is what the cases and the list say of it.
fn is_right(stage: &Stage<'_>, item: &FetchItem, fetched: &Fetched, work: &Work) -> Result<Node, Ended> {
    let node = is_there(work, fetched)?;
    if item.size.is_some_and(|size| size != fetched.bytes) {
        let size = item.size.unwrap_or_default();
        return failed(format!("fetch of {:?}: it has {} bytes, listed were {size}", item.name, fetched.bytes));
    }
    if let Some(wanted) = stage.cases.content.get(&item.name) {
        let content = fs::read(work.file(fetched)).unwrap_or_default();
        if content != wanted.as_bytes() {
            let got: String = String::from_utf8_lossy(&content).chars().take(200).collect();
            return failed(format!("fetch of {:?}: it should be {wanted:?}, it is {got:?}", item.name));
        }
    }
    Ok(node)
}

pub(super) async fn brings(stage: &Stage<'_>) -> Found {
    let items = stage.some_items().await?;
    let work = stage.work()?;
    for (count, item) in items.iter().enumerate() {
        let fetched = stage.fetch(item, &work).await?;
        is_right(stage, item, &fetched, &work)?;
        let nodes = work.nodes()?;
        if nodes.len() != count + 1 {
            let others = nodes.into_keys().collect::<Vec<_>>().join(", ");
            return failed(format!("fetch: {} items were brought, in the work tree is {others}", count + 1));
        }
    }
    Ok(format!("{} items", items.len()))
}

pub(super) async fn again(stage: &Stage<'_>) -> Found {
    let item = stage.one_item().await?;
    let work = stage.work()?;
    let first = stage.fetch(&item, &work).await?;
    let before = work.nodes()?;
    let second = stage.fetch(&item, &work).await.map_err(|ended| ended.at("the second time"))?;
    if first != second {
        return failed(format!("fetch: first it was {first:?}, then {second:?}"));
    }
    if work.nodes()? != before {
        return failed("fetch: the second time has changed what the first has brought");
    }
    Ok(String::new())
}

pub(super) async fn half(stage: &Stage<'_>) -> Found {
    let item = stage.one_item().await?;
    let work = stage.work()?;
    let fetched = stage.fetch(&item, &work).await?;
    let whole = is_right(stage, &item, &fetched, &work)?;
    if fetched.bytes < 2 {
        return skipped("the first item is too short for half of it");
    }
    let cut_short = fs::OpenOptions::new().write(true).open(work.file(&fetched));
    let cut_short = cut_short.and_then(|file| file.set_len(fetched.bytes / 2));
    cut_short.or_else(|error| failed(format!("the file cannot be cut short: {error}")))?;
    let again = stage.fetch(&item, &work).await?;
    if again != fetched || is_there(&work, &again)? != whole {
        return failed("fetch: with half of the file there already it comes to another one");
    }
    Ok(String::new())
}

pub(super) async fn cut(stage: &Stage<'_>) -> Found {
    let item = stage.one_item().await?;
    let (work, reference) = (stage.work()?, stage.work()?);
    let whole = stage.fetch(&item, &reference).await?;
    let whole_node = is_right(stage, &item, &whole, &reference)?;
    for step in 0..MOST_STEPS {
        for side in [Side::Before, Side::After] {
            let cut = Cut::at(step, side);
            let Some(plugin) = stage.subject.cut(cut.clone()) else {
                return skipped("calls of this kind of plugin cannot be cut off");
            };
            let place = format!("cut off {} step {}", if side == Side::Before { "before" } else { "after" }, step + 1);
            let answer = plugin.fetch(stage.request(), item.clone(), work.0.clone()).await;
            if !cut.was_reached() {
                good("fetch", answer)?;
                return Ok(format!("{step} steps"));
            }
            let fetched = stage.fetch(&item, &work).await.map_err(|ended| ended.at(&place))?;
            if fetched != whole || is_there(&work, &fetched)? != whole_node {
                return failed(format!("{place}: fetched again it is another file"));
            }
        }
    }
    Ok(format!("the first {MOST_STEPS} steps"))
}

pub(super) async fn unknown(stage: &Stage<'_>) -> Found {
    let known = stage.one_item().await?;
    let name = "no-such-item-surely".to_owned();
    let item = FetchItem { name, size: None, version: None, reference: JUNK.to_vec() };
    // One kind of fetcher goes by the name, another by the reference.
    for item in [item.clone(), FetchItem { reference: known.reference, ..item }] {
        if item.reference != JUNK && !item.reference.is_empty() {
            continue;
        }
        let work = stage.work()?;
        match stage.plugin().fetch(stage.request(), item, work.0.clone()).await {
            Ok(_) => return failed("fetch: an item that is not there was brought"),
            Err(error) if error.kind == ErrorKind::Internal => {
                return failed(format!("fetch: the error should say what is wrong, it is {}", told(&error)));
            }
            Err(_) => {}
        }
        if let Some((path, _)) = work.nodes()?.pop_first() {
            return failed(format!("fetch: of an item that is not there it leaves {path}"));
        }
    }
    Ok(String::new())
}

pub(super) async fn next_life(stage: &Stage<'_>) -> Found {
    let item = stage.one_item().await?;
    let work = stage.work()?;
    let fetched = stage.fetch_by(stage.subject.second(), &item, &work).await?;
    is_right(stage, &item, &fetched, &work)?;
    Ok(String::new())
}

//! Logs: read, followed, resumed, and no longer wanted.

use std::time::{Duration, Instant};

use super::super::super::found::{Ended, Found, failed, good, skipped};
use super::super::stage::{Made, Stage};
use super::super::tape::{Piece, Tape, difference, printed};
use crate::files::LogStream;

/// Cursors that are tried, from all over the log.
const MOST_CURSORS: usize = 50;
/// How long one call follows.
const FOLLOW_MS: u64 = 200;

/// The whole log of a run that is over.
async fn whole(stage: &Stage<'_>, made: &Made) -> Result<Vec<Piece>, Ended> {
    let pieces = stage.log(stage.plugin(), &made.run(), None).await?;
    if let Some(prints) = &stage.cases.prints {
        let both = |stream| matches!(stream, LogStream::Stdout | LogStream::Stderr);
        let bytes: Vec<u8> = pieces.iter().filter(|it| both(it.stream)).flat_map(|it| it.bytes.clone()).collect();
        if bytes != prints.as_bytes() {
            let got: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            return failed(format!("logs: it should print {prints:?}, the log is {got:?}"));
        }
    }
    Ok(pieces)
}

pub(super) async fn resume(stage: &Stage<'_>) -> Found {
    stage.needs("logs").await?;
    let made = stage.quick().await?;
    let pieces = whole(stage, &made).await?;
    if printed(&pieces, LogStream::Stdout).is_empty() && printed(&pieces, LogStream::Stderr).is_empty() {
        return skipped("the quick run prints nothing");
    }
    let again = stage.log(stage.plugin(), &made.run(), None).await?;
    if let Some(difference) = difference(&pieces, &again) {
        return failed(format!("logs: read a second time {difference}"));
    }
    let step = pieces.len().div_ceil(MOST_CURSORS).max(1);
    let mut tried: Vec<usize> = (0..pieces.len()).step_by(step).collect();
    // The last one is always among them.
    tried.extend(pieces.len().checked_sub(1).filter(|last| !tried.contains(last)));
    for at in &tried {
        let (Some(piece), Some(rest)) = (pieces.get(*at), pieces.get(at + 1..)) else { continue };
        let resumed = stage.log(stage.plugin(), &made.run(), Some(piece.cursor.clone())).await?;
        if let Some(difference) = difference(rest, &resumed) {
            let count = pieces.len();
            return failed(format!("logs: from the cursor after piece {} of {count} on {difference}", at + 1));
        }
    }
    Ok(format!("{} pieces, {} cursors", pieces.len(), tried.len()))
}

pub(super) async fn follow(stage: &Stage<'_>) -> Found {
    stage.needs("logs").await?;
    let made = stage.attempt();
    stage.submit(&made, &stage.cases.quick).await?;
    let until = Instant::now() + Duration::from_millis(stage.cases.patience_ms);
    // As an engine that goes down after each call.
    let lives = [stage.plugin(), stage.subject.second()];
    let mut followed: Vec<Piece> = Vec::new();
    for plugin in lives.into_iter().cycle() {
        let tape = Tape::endless();
        let cursor = followed.last().map(|piece| piece.cursor.clone());
        let is_all = good("logs", plugin.logs(made.run(), cursor, FOLLOW_MS, tape.clone()).await)?;
        followed.extend(tape.take());
        if is_all {
            break;
        }
        if Instant::now() >= until {
            return failed(format!("logs: no end of the log within {} ms", stage.cases.patience_ms));
        }
        // Where the run has a newer handle the log is asked for with that.
        stage.known(&made).await?;
    }
    stage.end(&made).await?;
    match difference(&whole(stage, &made).await?, &followed) {
        Some(difference) => failed(format!("logs: as it was followed, {difference} as read afterwards")),
        None => Ok(format!("{} pieces", followed.len())),
    }
}

pub(super) async fn unwanted(stage: &Stage<'_>) -> Found {
    stage.needs("logs").await?;
    let made = stage.quick().await?;
    let tape = Tape::of_at_most(1);
    let is_all = good("logs", stage.plugin().logs(made.run(), None, 0, tape.clone()).await)?;
    let pieces = tape.take();
    let Some(first) = pieces.first() else { return skipped("the quick run prints nothing") };
    if pieces.len() > 1 {
        return failed(format!("logs: {} more pieces after the engine wanted no more", pieces.len() - 1));
    }
    let rest = stage.log(stage.plugin(), &made.run(), Some(first.cursor.clone())).await?;
    if is_all && !rest.is_empty() {
        return failed("logs: it says that this was all, and there is more at the last cursor");
    }
    Ok(String::new())
}

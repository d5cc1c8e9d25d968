//! How checks are made, of whatever kind the plugin is.

use std::time::Instant;

use super::found::{Ended, Found};
use super::report::{Check, Report, Verdict};
use super::subject::Subject;
use crate::executors::BoxFuture;
use crate::plugin::contract::Plugin;

/// The check without which those that need the platform are not worth making.
pub(super) const REACHABLE: &str = "check";

/// Where the checks of one kind of plugin take place.
pub(super) trait Scene: Sync {
    type Plugin: Plugin + ?Sized;
    /// The features that the contract knows.
    const FEATURES: &'static [&'static str];

    fn subject(&self) -> &Subject<Self::Plugin>;
    /// Options that are good, by the names they have in the cases.
    fn options(&self) -> Vec<(&'static str, &str)>;
    /// Gets rid of all that a check has made.
    fn clear(&self) -> BoxFuture<'_, ()>;
}

/// Whether a check calls what calls the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Platform,
}

/// A check that can be made.
pub(super) struct Item<S> {
    pub(super) name: &'static str,
    /// What it asks.
    pub(super) about: &'static str,
    pub(super) needs: Needs,
    pub(super) run: for<'a> fn(&'a S) -> BoxFuture<'a, Found>,
}

macro_rules! items {
    ($($needs:ident $name:literal $about:literal $run:path;)*) => {
        vec![$($crate::plugin::conformance::scene::Item {
            name: $name,
            about: $about,
            needs: $crate::plugin::conformance::scene::Needs::$needs,
            run: |stage| Box::pin($run(stage)),
        }),*]
    };
}

pub(super) use items;

/// Makes every check, each after the one before it; `told` hears of each as soon as it is over.
pub(super) async fn perform<S: Scene>(stage: &S, items: Vec<Item<S>>, told: &mut (dyn FnMut(&Check) + Send)) -> Report {
    let mut report = Report { checks: Vec::new() };
    let mut unreachable = false;
    for item in items {
        let begun = Instant::now();
        let found = if unreachable && item.needs == Needs::Platform {
            Err(Ended::Skipped("the platform cannot be reached, see `check`".to_owned()))
        } else {
            (item.run)(stage).await
        };
        stage.clear().await;
        unreachable |= item.name == REACHABLE && matches!(found, Err(Ended::Failed(_)));
        let (verdict, why) = match found {
            Ok(note) => (Verdict::Passed, note),
            Err(Ended::Failed(why)) => (Verdict::Failed, why),
            Err(Ended::Skipped(why)) => (Verdict::Skipped, why),
        };
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let check = Check { name: item.name, about: item.about, verdict, ms, why };
        told(&check);
        report.checks.push(check);
    }
    stage.subject().tidy_up();
    report
}

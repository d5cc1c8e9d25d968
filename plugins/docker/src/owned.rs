//! What on the platform bears the mark of this engine.

use std::collections::BTreeSet;

use windlass_plugin::Page;
use windlass_plugin::prelude::*;

use crate::daemon;
use crate::name::{self, Labels};
use crate::run::Known;

/// Runs of one page.
const PAGE: usize = 500;

/// The runs that have a container or a volume, in the order of their names. The pages of the Docker Engine go on after a
/// container that may be gone by then; these go on after a name.
pub(crate) fn owned(cursor: Option<&str>) -> Result<Page<Run<Known>>> {
    let filter = name::filter_of_engine();
    let containers = daemon::list(&filter)?;
    let volumes = daemon::volumes(&filter)?;
    let labels = containers.iter().map(|it| &it.labels).chain(volumes.iter().filter_map(|it| it.labels.as_ref()));
    let names: BTreeSet<String> = labels.filter_map(key).collect();
    let mut rest = names.into_iter().filter(|name| cursor.is_none_or(|cursor| name.as_str() > cursor));
    let names: Vec<String> = rest.by_ref().take(PAGE).collect();
    let next = rest.next().and_then(|_| names.last().cloned());
    let runs = names.iter().map(|name| Ok(Run { attempt: name.parse()?, handle: None })).collect::<Result<_>>()?;
    Ok(Page { entries: runs, next })
}

fn key(labels: &Labels) -> Option<String> {
    name::attempt_of(labels).map(|attempt| attempt.to_string())
}

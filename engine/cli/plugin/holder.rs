//! Tells the process that holds the store of a change of its plugins.

use std::path::Path;

use crate::cli::control::Remote;
use crate::cli::failure::Failure;
use crate::cli::output::note;
use crate::cli::request::{Reply, Request};

/// Has the process that holds the store in `dir`, if there is one, look for plugins again: what was added is an executor at
/// once, what was replaced answers from the next call on.
pub(super) async fn tell(dir: &Path) -> Result<(), Failure> {
    let Some(mut holder) = Remote::connect(dir).await? else { return Ok(()) };
    match holder.ask(&Request::RefreshPlugins).await? {
        Some(Reply::Failed { code, message }) => Err(Failure { code, message }),
        Some(Reply::PluginsRefreshed { refused, .. }) if !refused.is_empty() => {
            note(&format!("windlass: the run that is going on refuses {}", refused.join(", ")));
            Ok(())
        }
        // One that has ended meanwhile will find them at its next start.
        _ => Ok(()),
    }
}

//! Tells the process that holds the store of a change of its plugins.

use std::path::Path;

use crate::cli::control::Remote;
use crate::cli::failure::Failure;
use crate::cli::output::note;
use crate::cli::request::{Reply, Request};

/// Has the process that holds the store in `dir`, if there is one, read its configuration and look for plugins again: what was
/// added and is granted something is an executor at once, what was replaced answers from the next call on.
pub(super) async fn tell(dir: &Path) -> Result<(), Failure> {
    let Some(mut holder) = Remote::connect(dir).await? else { return Ok(()) };
    match holder.ask(&Request::RefreshPlugins).await? {
        Some(Reply::Failed { code, message }) => {
            Err(Failure { code, message: format!("the run that is going on goes on as it was: {message}") })
        }
        Some(Reply::PluginsRefreshed { refused, problems, .. }) => {
            if !refused.is_empty() {
                note(&format!("windlass: the run that is going on refuses {}", refused.join(", ")));
            }
            for problem in problems {
                note(&format!("windlass: the run that is going on says: {problem}"));
            }
            Ok(())
        }
        // One that has ended meanwhile will find them at its next start.
        _ => Ok(()),
    }
}

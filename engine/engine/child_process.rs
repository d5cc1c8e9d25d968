//! What this program does when the engine has started it as one of its own processes.

use crate::executors::process;
#[cfg(feature = "native")]
use crate::plugin::native;
#[cfg(feature = "wasm")]
use crate::plugin::sql;

/// Has to be the first thing `main` does in a program that runs jobs as processes or has plugins that are shared libraries or ask
/// databases: returns at once, unless the engine has started this program to supervise a job to call a plugin, or to ask a database; then
/// it does that and exits.
pub fn supervise_if_asked() {
    process::supervise_if_asked();
    #[cfg(feature = "native")]
    native::serve_if_asked();
    #[cfg(feature = "wasm")]
    sql::serve_if_asked();
}

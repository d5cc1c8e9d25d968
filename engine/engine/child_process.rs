//! What this program does when the engine has started it as one of its own processes.

use crate::executors::process;
#[cfg(feature = "native")]
use crate::plugin::native;

/// Has to be the first thing `main` does in a program that runs jobs as processes or has plugins that are shared libraries:
/// returns at once, unless the engine has started this program to supervise a job or to call a plugin; then it does that and
/// exits.
pub fn supervise_if_asked() {
    process::supervise_if_asked();
    #[cfg(feature = "native")]
    native::serve_if_asked();
}

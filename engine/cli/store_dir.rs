//! Which store a command works on, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::Remote;
use super::failure::{Failure, STORE, USAGE};
use super::target::Target;
use crate::config::EngineConfig;
use crate::engine::{Builder, Engine};
use crate::error::Error;
use crate::executors::process::Supervisor;
use crate::files::Layout;

/// The environment variable with the keys of the store, for those who do not want a key file.
pub(super) const KEY_VARIABLE: &str = "WINDLASS_KEY";
/// How long a store in use is tried again: its holder may just be starting or ending.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// `--store DIR`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct StoreArg {
    /// Directory of the store [default: $XDG_STATE_HOME/windlass or ~/.local/state/windlass]
    #[arg(long, value_name = "DIR", env = "WINDLASS_STORE", global = true)]
    store: Option<PathBuf>,
}

impl StoreArg {
    /// The directory that was named, or the default one.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        let not_empty = |path: &PathBuf| !path.as_os_str().is_empty();
        if let Some(dir) = self.store.clone().filter(not_empty) {
            return Ok(std::path::absolute(dir)?);
        }
        let variable = |name: &str| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let state = variable("XDG_STATE_HOME");
        let state = state.or_else(|| Some(variable("HOME")?.join(".local/state")));
        match state {
            Some(state) => Ok(state.join("windlass")),
            None => Err(Failure::new(
                USAGE,
                "neither --store, WINDLASS_STORE, XDG_STATE_HOME nor HOME says where the store is",
            )),
        }
    }
}

/// Opens the store to run the jobs in it.
///
/// # Errors
/// Also when another process holds it for longer than a moment.
pub(super) async fn open_to_run(dir: &Path) -> Result<Engine, Failure> {
    patiently(dir, || builder(dir).process(Supervisor::current_exe()).open()).await?.ok_or_else(|| in_use(dir))
}

/// Opens the store to look at it and to change single jobs, or reaches the process that holds it.
///
/// # Errors
/// Also when there is no store.
pub(super) async fn open_to_manage(dir: &Path) -> Result<Target, Failure> {
    if !Layout::new(dir).store().exists() {
        let problem = format!("there is no store in {} yet", dir.display());
        return Err(Failure::new(STORE, problem));
    }
    let started = tokio::time::Instant::now();
    loop {
        if let Some(remote) = Remote::connect(dir).await? {
            return Ok(Target::Remote(remote));
        }
        match idle_builder(dir).open().await {
            Ok(engine) => return Ok(Target::Own(engine)),
            Err(Error::InUse(_)) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens as soon as no other process holds the store; `None` when one holds it for too long.
async fn patiently<F>(dir: &Path, open: impl Fn() -> F) -> Result<Option<Engine>, Failure>
where
    F: Future<Output = Result<Engine, Error>>,
{
    let started = tokio::time::Instant::now();
    loop {
        match open().await {
            Ok(engine) => return Ok(Some(engine)),
            Err(Error::InUse(_)) => {}
            Err(error) => return Err(error.into()),
        }
        // A process that answers on the socket is there to stay.
        if started.elapsed() >= PATIENCE || Remote::connect(dir).await?.is_some() {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn in_use(dir: &Path) -> Failure {
    let problem = format!(
        "the store {} is in use by another windlass; wait for it, or name another one with --store",
        dir.display()
    );
    Failure::new(STORE, problem)
}

fn builder(dir: &Path) -> Builder {
    let builder = Engine::builder(dir).keys_text(std::env::var(KEY_VARIABLE).ok());
    #[cfg(feature = "wasm")]
    let builder = builder.wasm();
    builder
}

/// An engine that starts nothing new: it has no slots. What runs is found and watched all the same.
fn idle_builder(dir: &Path) -> Builder {
    let config = EngineConfig { default_slots: 0, ..EngineConfig::default() };
    builder(dir).config(config).process(Supervisor::current_exe())
}

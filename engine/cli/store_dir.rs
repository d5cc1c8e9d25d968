//! Which store a command works on, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "wasm")]
use super::configuration::ConfigArg;
use super::control::Remote;
use super::failure::{Failure, STORE, USAGE};
use super::target::Target;
use crate::config::EngineConfig;
use crate::engine::{Builder, Engine};
use crate::error::Error;
use crate::executors::process::Supervisor;
use crate::files::Layout;
#[cfg(feature = "wasm")]
use crate::plugin::Grants;

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

/// Where a command works: a store, and what its plugins are granted.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: PathBuf,
    #[cfg(feature = "wasm")]
    config: ConfigArg,
}

impl Place {
    /// The place that the arguments of a command name. What is granted is read when the store is opened.
    pub(super) fn of(store: &StoreArg, #[cfg(feature = "wasm")] config: ConfigArg) -> Result<Place, Failure> {
        let dir = store.dir()?;
        Ok(Place {
            dir,
            #[cfg(feature = "wasm")]
            config,
        })
    }

    /// The directory of the store.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What plugins are granted.
    #[cfg(feature = "wasm")]
    pub(super) fn grants(&self) -> Result<Grants, Failure> {
        self.config.grants(&self.dir)
    }
}

impl StoreArg {
    /// The directory that was named, or the default one.
    fn dir(&self) -> Result<PathBuf, Failure> {
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
pub(super) async fn open_to_run(place: &Place) -> Result<Engine, Failure> {
    open_to_run_with(place, EngineConfig::default()).await
}

/// The same with another configuration.
pub(super) async fn open_to_run_with(place: &Place, config: EngineConfig) -> Result<Engine, Failure> {
    patiently(place, config).await?.ok_or_else(|| in_use(place.dir()))
}

/// Opens the store to look at it and to change single jobs, or reaches the process that holds it.
///
/// # Errors
/// Also when there is no store.
pub(super) async fn open_to_manage(place: &Place) -> Result<Target, Failure> {
    let dir = place.dir();
    if !Layout::new(dir).store().exists() {
        let problem = format!("there is no store in {} yet", dir.display());
        return Err(Failure::new(STORE, problem));
    }
    open_to_change(place).await
}

/// The same, and makes the store where there is none.
pub(super) async fn open_to_change(place: &Place) -> Result<Target, Failure> {
    let dir = place.dir();
    let started = tokio::time::Instant::now();
    loop {
        if let Some(remote) = Remote::connect(dir).await? {
            return Ok(Target::Remote { remote, place: place.clone() });
        }
        match idle_builder(place)?.open().await {
            Ok(engine) => return Ok(Target::Own(engine)),
            Err(Error::InUse(_)) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens as soon as no other process holds the store; `None` when one holds it for too long.
async fn patiently(place: &Place, config: EngineConfig) -> Result<Option<Engine>, Failure> {
    let started = tokio::time::Instant::now();
    loop {
        match builder(place)?.config(config.clone()).process(Supervisor::current_exe()).open().await {
            Ok(engine) => return Ok(Some(engine)),
            Err(Error::InUse(_)) => {}
            Err(error) => return Err(error.into()),
        }
        // A process that answers on the socket is there to stay.
        if started.elapsed() >= PATIENCE || Remote::connect(place.dir()).await?.is_some() {
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

fn builder(place: &Place) -> Result<Builder, Failure> {
    let builder = Engine::builder(place.dir()).keys_text(std::env::var(KEY_VARIABLE).ok());
    #[cfg(feature = "wasm")]
    let builder = builder.wasm().plugins(place.grants()?);
    Ok(builder)
}

/// An engine that starts nothing new: it has no slots, and no schedule fires. What runs is found and watched all the same.
fn idle_builder(place: &Place) -> Result<Builder, Failure> {
    let config = EngineConfig { default_slots: 0, fires: false, ..EngineConfig::default() };
    Ok(builder(place)?.config(config).process(Supervisor::current_exe()))
}

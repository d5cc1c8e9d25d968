//! `windlass plugin`: the plugins of the store and what they may do.

mod add;
mod holder;
mod inspect;
mod list;
mod wire;

use std::path::PathBuf;

use clap::Subcommand;

use super::failure::{Failure, NOT_FOUND};
use super::store_dir::Place;
use crate::config::PluginBounds;
use crate::files::Layout;
use crate::plugin::{EMBEDDED, Registry};

/// What is done with plugins.
#[derive(Subcommand)]
pub(super) enum PluginCommand {
    /// List the plugins: built in, in the directory of the store, in files that the configuration names
    List,
    /// Show what a plugin is, what it asks for, what it is granted and what it may do
    Inspect {
        /// A plugin, or the file of a component
        #[arg(value_name = "NAME-or-FILE")]
        plugin: String,
    },
    /// Take a component with its manifest into the directory of the store
    Add {
        /// The component; its manifest is beside it (NAME.toml or plugin.toml) or inside it
        file: PathBuf,
        /// Register it under another name than its manifest says
        #[arg(long)]
        name: Option<String>,
        /// Let it take the place of another content of this name
        #[arg(long, visible_alias = "replace")]
        confirm: bool,
    },
    /// Remove a plugin from the directory of the store
    Remove {
        /// The plugin
        name: String,
    },
}

/// Runs the command.
pub(super) async fn plugin(place: &Place, command: PluginCommand, json: bool) -> Result<u8, Failure> {
    let grants = place.grants()?;
    let mut registry = Registry::new(&Layout::new(place.dir()), EMBEDDED, grants.clone(), PluginBounds::default());
    match command {
        PluginCommand::List => list::list(&mut registry, json),
        PluginCommand::Inspect { plugin } => inspect::inspect(&mut registry, &grants, &plugin, json),
        PluginCommand::Add { file, name, confirm } => {
            let code = add::add(&mut registry, &file, name.as_deref(), confirm, json)?;
            holder::tell(place.dir()).await.map(|()| code)
        }
        PluginCommand::Remove { name } => {
            let code = add::remove(&mut registry, &name, json)?;
            holder::tell(place.dir()).await.map(|()| code)
        }
    }
}

fn no_such_plugin(name: &str) -> Failure {
    Failure::new(NOT_FOUND, format!("there is no plugin {}", name.escape_debug()))
}

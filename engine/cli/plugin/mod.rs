//! `windlass plugin`: the plugins of the store and what they may do.

mod add;
mod author;
mod build;
mod check;
mod holder;
mod inspect;
mod list;
mod native;
mod new;
mod package;
mod templates;
mod test;
mod wire;

use std::path::PathBuf;

use clap::Subcommand;

use super::failure::{Failure, NOT_FOUND, USAGE};
use super::store_dir::Place;
use crate::config::PluginBounds;
use crate::files::Layout;
use crate::plugin::{EMBEDDED, Registry};

/// What is done with plugins.
#[derive(Subcommand)]
pub(super) enum PluginCommand {
    #[command(flatten)]
    Store(StoreCommand),
    #[command(flatten)]
    Author(author::AuthorCommand),
}

/// What is done with the plugins of a store.
#[derive(Subcommand)]
pub(super) enum StoreCommand {
    /// List the plugins: built in, in the directory of the store, in files that the configuration names. Nothing of them is run
    List,
    /// Show what a plugin is, what it asks for, what it is granted and what it may do
    Inspect {
        /// A plugin, or the file of a component
        #[arg(value_name = "NAME-or-FILE")]
        plugin: String,
        /// Also load it, if it is a shared library, and ask it who it is: that runs code of it, in a process of its own
        #[arg(long)]
        load: bool,
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
    match command {
        PluginCommand::Store(command) => manage(place, command, json).await,
        PluginCommand::Author(command) => author::author(place, command, json).await,
    }
}

async fn manage(place: &Place, command: StoreCommand, json: bool) -> Result<u8, Failure> {
    let grants = place.grants()?;
    let mut registry = Registry::new(&Layout::new(place.dir()), EMBEDDED, grants.clone(), PluginBounds::default());
    match command {
        StoreCommand::List => list::list(&mut registry, &grants, json),
        StoreCommand::Inspect { plugin, load } => match grants.native.get(&plugin) {
            Some(grant) => native::inspect(&plugin, grant, load, json).await,
            None if load => Err(Failure::new(USAGE, "--load is for plugins that are shared libraries: [native.NAME]")),
            None => inspect::inspect(&mut registry, &grants, &plugin, json),
        },
        StoreCommand::Add { file, name, confirm } => {
            let code = add::add(&mut registry, &file, name.as_deref(), confirm, json)?;
            holder::tell(place.dir()).await.map(|()| code)
        }
        StoreCommand::Remove { name } => {
            let code = add::remove(&mut registry, &name, json)?;
            holder::tell(place.dir()).await.map(|()| code)
        }
    }
}

fn no_such_plugin(name: &str) -> Failure {
    Failure::new(NOT_FOUND, format!("there is no plugin {}", name.escape_debug()))
}

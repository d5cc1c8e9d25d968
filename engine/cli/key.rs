//! `windlass key`: the keys that seal run options.

use clap::Subcommand;

use super::failure::Failure;
use super::output::{print, print_json};
use super::store_dir::{Place, open_to_manage};

/// What is done with the keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Make a new key and seal everything with it again; jobs may run meanwhile
    Rotate,
}

/// Runs the command.
pub(super) async fn key(place: &Place, command: KeyCommand, json: bool) -> Result<u8, Failure> {
    let KeyCommand::Rotate = command;
    let mut target = open_to_manage(place).await?;
    let result = target.rotate_key().await;
    target.close().await;
    let rotation = result?;
    if json {
        print_json(&rotation)?;
    } else {
        let (count, key) = (rotation.resealed, &rotation.active_key);
        print(&format!("{count} records are sealed again; the key in use is {key}\n"))?;
    }
    Ok(0)
}

//! `windlass plugin list`.

use serde::Serialize;

use super::native::listed;
use super::wire::PluginWire;
use crate::cli::failure::Failure;
use crate::cli::output::{print, print_json};
use crate::cli::table::table;
use crate::plugin::{Grants, Registry};

#[derive(Serialize)]
struct PluginsWire {
    plugins: Vec<PluginWire>,
}

pub(super) fn list(registry: &mut Registry, grants: &Grants, json: bool) -> Result<u8, Failure> {
    registry.look()?;
    let components = registry.found().iter().map(|(name, found)| PluginWire::new(name, found));
    let libraries = grants.native.iter().map(|(name, grant)| listed(name, grant));
    let mut plugins: Vec<PluginWire> = components.chain(libraries).collect();
    plugins.sort_by(|one, other| one.name.cmp(&other.name));
    if json {
        print_json(&PluginsWire { plugins })?;
        return Ok(0);
    }
    let row = |plugin: &PluginWire| {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        // As much of a digest as tells two contents apart at a glance.
        let digest: String = plugin.sha256.iter().flat_map(|digest| digest.chars()).take(12).collect();
        vec![
            plugin.name.clone(),
            text(plugin.version.as_deref()),
            text(plugin.kind),
            plugin.state.to_owned(),
            digest,
            plugin.origin.clone(),
            text(plugin.refusal.as_deref()),
        ]
    };
    let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
    print(&table(&["name", "version", "kind", "state", "sha256", "from", "why"], &rows))?;
    Ok(0)
}

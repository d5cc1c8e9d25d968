//! `windlass plugin add` and `remove`.

use std::path::Path;

use serde::Serialize;

use super::no_such_plugin;
use crate::cli::failure::Failure;
use crate::cli::output::{print, print_json};
use crate::plugin::{Addition, Registry};

#[derive(Serialize)]
struct AddedWire {
    name: String,
    /// `added`, `replaced` or `unchanged`.
    result: &'static str,
}

#[derive(Serialize)]
struct RemovedWire<'n> {
    removed: &'n str,
}

pub(super) fn add(
    registry: &mut Registry,
    file: &Path,
    name: Option<&str>,
    confirmed: bool,
    json: bool,
) -> Result<u8, Failure> {
    let (name, addition) = registry.add(file, name, confirmed)?;
    let result = match addition {
        Addition::New => "added",
        Addition::Replaced => "replaced",
        Addition::Same => "unchanged",
    };
    if json {
        print_json(&AddedWire { name, result })?;
        return Ok(0);
    }
    let mut text = format!("the plugin {name} is {result}\n");
    registry.look()?;
    if registry.get(&name).is_some_and(|plugin| !plugin.configured) {
        text.push_str(&format!("it is idle until [plugin.{name}] in windlass.toml grants it something\n"));
    }
    print(&text)?;
    Ok(0)
}

pub(super) fn remove(registry: &mut Registry, name: &str, json: bool) -> Result<u8, Failure> {
    if !registry.remove(name)? {
        return Err(no_such_plugin(name));
    }
    if json {
        print_json(&RemovedWire { removed: name })?;
    } else {
        print(&format!("the plugin {name} is removed\n"))?;
    }
    Ok(0)
}

//! Plugins of the configuration that are shared libraries, `[native.NAME]`. Nothing of a library is run unless that is asked for.

use std::fs;

use serde::Serialize;

use super::inspect::{cells, shown_bytes};
use super::wire::{PluginWire, ProblemWire, RightWire};
use crate::cli::failure::{FAILED, Failure};
use crate::cli::output::{print, print_json};
use crate::cli::table::{printable, table};
use crate::error::Problem;
use crate::plugin::NativeGrant;
use crate::plugin::contract::Descriptor;

const KIND: &str = "native";

/// A plugin that is a shared library.
#[derive(Serialize)]
struct NativeWire {
    name: String,
    /// `native`.
    kind: &'static str,
    /// The library.
    origin: String,
    /// `granted`; `unfit` when there are problems.
    state: &'static str,
    bytes: Option<u64>,
    /// Whether it can be loaded; null unless that was tried.
    loads: Option<bool>,
    /// What it says of itself; null unless it was loaded.
    version: Option<String>,
    summary: Option<String>,
    features: Option<Vec<String>>,
    problems: Vec<ProblemWire>,
    rights: Vec<RightWire>,
}

/// As one of a list.
pub(super) fn listed(name: &str, grant: &NativeGrant) -> PluginWire {
    let refusal = size(grant).err().map(|problem| problem.to_string());
    PluginWire {
        name: name.to_owned(),
        version: None,
        kind: Some(KIND),
        origin: grant.library.display().to_string(),
        state: if refusal.is_none() { "granted" } else { "refused" },
        sha256: None,
        refusal,
    }
}

/// All that is known of one; with `load` also what it says when it is asked, in a process of its own.
pub(super) async fn inspect(name: &str, grant: &NativeGrant, load: bool, json: bool) -> Result<u8, Failure> {
    let mut problems = Vec::new();
    let bytes = size(grant).map_err(|problem| problems.push(problem)).ok();
    let mut said = None;
    if load && problems.is_empty() {
        said = descriptor(grant).await.map_err(|problem| problems.push(problem)).ok();
    }
    let (version, summary, features) = match said {
        Some(Descriptor { version, summary, features, .. }) => (Some(version), Some(summary), Some(features)),
        None => (None, None, None),
    };
    let fits = problems.is_empty();
    let wire = NativeWire {
        name: name.to_owned(),
        kind: KIND,
        origin: grant.library.display().to_string(),
        state: if fits { "granted" } else { "unfit" },
        bytes,
        loads: load.then_some(fits),
        version,
        summary,
        features,
        problems: problems.into_iter().map(ProblemWire::from).collect(),
        rights: rights(),
    };
    if json {
        print_json(&wire)?;
    } else {
        print(&text_of(&wire))?;
    }
    Ok(if fits { 0 } else { FAILED })
}

/// Bytes of the library, which is not opened.
fn size(grant: &NativeGrant) -> Result<u64, Problem> {
    let problem = match fs::metadata(&grant.library) {
        Ok(file) if !file.is_file() => "it is not a file".to_owned(),
        Ok(_) if !cfg!(feature = "native") => "this program was built without native plugins".to_owned(),
        Ok(file) => return Ok(file.len()),
        Err(error) => format!("{}: {error}", grant.library.display()),
    };
    Err(unfit(problem))
}

fn unfit(problem: String) -> Problem {
    let allowed = "a shared library with the interface of windlass_plugin.h".to_owned();
    Problem { field: "library".to_owned(), problem, allowed }
}

/// What it says of itself.
#[cfg(feature = "native")]
async fn descriptor(grant: &NativeGrant) -> Result<Descriptor, Problem> {
    use crate::plugin::contract::Plugin;
    use crate::plugin::native::NativePlugin;

    let settings = serde_json::Value::Object(grant.settings.clone()).to_string();
    let plugin = NativePlugin::spawn(&grant.library).settings(settings);
    plugin.describe().await.map_err(|error| unfit(error.to_string()))
}

#[cfg(not(feature = "native"))]
async fn descriptor(_grant: &NativeGrant) -> Result<Descriptor, Problem> {
    Err(unfit("this program was built without native plugins".to_owned()))
}

/// Nothing is asked for and nothing can be kept from it; what it may take is limited.
fn rights() -> Vec<RightWire> {
    let right = |right: &str, granted: String| RightWire {
        right: right.to_owned(),
        requested: String::new(),
        effective: granted.clone(),
        granted,
    };
    let mut rights = vec![right("everything", "what the user of the engine may do".to_owned())];
    rights.extend(limits().into_iter().map(|(limit, granted)| right(limit, granted)));
    rights
}

#[cfg(feature = "native")]
fn limits() -> Vec<(&'static str, String)> {
    use crate::cli::table::duration;
    let limits = crate::config::NativeConfig::default();
    vec![
        ("limits.memory", shown_bytes(limits.memory_bytes)),
        ("limits.call_time", duration(limits.call_ms)),
        ("limits.parallel_calls", limits.processes.to_string()),
    ]
}

#[cfg(not(feature = "native"))]
fn limits() -> Vec<(&'static str, String)> {
    Vec::new()
}

fn text_of(wire: &NativeWire) -> String {
    let loads = match wire.loads {
        None => "not tried; --load does, which runs code of it",
        Some(true) => "yes",
        Some(false) => "no",
    };
    let lines = [
        ("name", Some(wire.name.clone())),
        ("version", wire.version.clone()),
        ("kind", Some(wire.kind.to_owned())),
        ("summary", wire.summary.clone()),
        ("state", Some(wire.state.to_owned())),
        ("from", Some(wire.origin.clone())),
        ("size", wire.bytes.map(shown_bytes)),
        ("loads", Some(loads.to_owned())),
        ("features", wire.features.as_ref().map(|features| features.join(", "))),
    ];
    let mut text = String::new();
    for (key, value) in lines {
        if let Some(value) = value {
            text.push_str(format!("{key:<10}{}", printable(&value)).trim_end());
            text.push('\n');
        }
    }
    for problem in &wire.problems {
        text.push_str(&format!("problem   {}\n", printable(&problem.to_string())));
    }
    let rows: Vec<Vec<String>> = wire.rights.iter().map(cells).collect();
    text.push('\n');
    text.push_str(&table(&["right", "requested", "granted", "effective"], &rows));
    text
}

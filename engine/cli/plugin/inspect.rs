//! `windlass plugin inspect`.

use std::path::Path;

use super::no_such_plugin;
use super::wire::{DifferenceWire, InspectWire, RightWire, state};
use crate::cli::failure::{FAILED, Failure};
use crate::cli::output::{print, print_json};
use crate::cli::table::{duration, printable, table};
use crate::config::PluginBounds;
use crate::plugin::sql::{Database, SqlGrant};
use crate::plugin::{Candidate, ComponentInfo, Found, Grants, Manifest, Plugin, PluginConfig, PluginRights, Registry};
use crate::secret::hex;

pub(super) fn inspect(registry: &mut Registry, grants: &Grants, plugin: &str, json: bool) -> Result<u8, Failure> {
    let wire = if plugin.contains('/') || plugin.ends_with(".wasm") {
        of_file(Path::new(plugin), grants)?
    } else {
        registry.look()?;
        match registry.found().get(plugin) {
            Some(Found::Plugin(found)) => of_plugin(found, grants.plugins.get(plugin)),
            Some(Found::Refused(_, refusal)) => {
                return Err(Failure::new(FAILED, format!("the plugin {plugin} is refused: {refusal}")));
            }
            None => return Err(no_such_plugin(plugin)),
        }
    };
    let code = if wire.problems.is_empty() { 0 } else { FAILED };
    if json {
        print_json(&wire)?;
    } else {
        print(&text_of(&wire))?;
    }
    Ok(code)
}

/// A plugin that is registered.
fn of_plugin(plugin: &Plugin, config: Option<&PluginConfig>) -> InspectWire {
    let facts = Facts {
        name: &plugin.name,
        manifest: &plugin.manifest,
        info: &plugin.info,
        sha256: &plugin.sha256,
        rights: &plugin.rights,
        config,
    };
    InspectWire { origin: plugin.origin.to_string(), state: state(plugin), ..facts.wire() }
}

/// A component in a file. What it would be granted under its own name is shown.
fn of_file(path: &Path, grants: &Grants) -> Result<InspectWire, Failure> {
    let bounds = PluginBounds::default();
    let candidate = Candidate::read(path, bounds.component_bytes).map_err(|refusal| Failure::new(FAILED, refusal))?;
    let problems = candidate.problems();
    let name = &candidate.manifest.name;
    let config = grants.plugins.get(name);
    let rights = PluginRights::of(&candidate.manifest, config, &bounds);
    let sha256 = candidate.sha256();
    let (manifest, info) = (&candidate.manifest, &candidate.info);
    let facts = Facts { name, manifest, info, sha256: &sha256, rights: &rights, config };
    let state = if problems.is_empty() { "unregistered" } else { "unfit" };
    let problems = problems.into_iter().map(Into::into).collect();
    Ok(InspectWire { origin: path.display().to_string(), state, problems, ..facts.wire() })
}

struct Facts<'f> {
    name: &'f str,
    manifest: &'f Manifest,
    info: &'f ComponentInfo,
    sha256: &'f [u8; 32],
    rights: &'f PluginRights,
    config: Option<&'f PluginConfig>,
}

impl Facts<'_> {
    fn wire(&self) -> InspectWire {
        let Facts { manifest, info, rights, .. } = self;
        InspectWire {
            name: self.name.to_owned(),
            version: manifest.version.clone(),
            kind: manifest.kind.word(),
            api: manifest.api.clone(),
            summary: manifest.summary.clone(),
            origin: String::new(),
            state: "",
            sha256: hex(self.sha256),
            bytes: info.bytes,
            imports: info.imports.iter().map(ToString::to_string).collect(),
            exports: info.exports.iter().map(ToString::to_string).collect(),
            problems: Vec::new(),
            rights: self.rights(),
            missing: rights.missing.iter().map(DifferenceWire::from).collect(),
            unused: rights.unused.iter().map(DifferenceWire::from).collect(),
        }
    }

    /// Every right that is asked for, granted or limited.
    fn rights(&self) -> Vec<RightWire> {
        let granted = self.config.map(|config| config.work).unwrap_or_default();
        let mut rows = vec![row("work", self.manifest.work, granted, self.rights.work)];
        for requested in &self.manifest.endpoints {
            let key = format!("endpoint.{}", requested.name);
            let (methods, paths) = (requested.methods.join(", "), requested.paths.join(", "));
            let Some(right) = self.rights.endpoints.get(&requested.name) else {
                rows.push(row(&format!("{key}.methods"), methods, "", ""));
                rows.push(row(&format!("{key}.paths"), paths, "", ""));
                continue;
            };
            let all = |list: Option<&Vec<String>>| list.map_or_else(|| "all".to_owned(), |list| list.join(", "));
            let granted = all(right.granted.methods.as_ref());
            rows.push(row(&format!("{key}.methods"), methods, granted, right.methods().join(", ")));
            let granted = all(right.granted.paths.as_ref());
            let effective = match &right.granted.paths {
                None => paths.clone(),
                Some(list) => format!("what both {paths} and {} match", list.join(", ")),
            };
            rows.push(row(&format!("{key}.paths"), paths, granted, effective));
        }
        rows.extend(self.connections());
        if let Some(requested) = &self.manifest.sql {
            let shown = |list: &[Database]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let granted = |sql: &SqlGrant| shown(&sql.databases);
            let configured = self.config.and_then(|config| config.sql.as_ref()).map(granted).unwrap_or_default();
            let effective = self.rights.sql.as_ref().map(granted).unwrap_or_default();
            let purpose = if requested.purpose.is_empty() { "asked for" } else { &requested.purpose };
            rows.push(row("sql.databases", purpose, configured, effective));
        }
        rows.extend(self.limits());
        rows
    }

    /// Which machines and ports is for the operator alone to say.
    fn connections(&self) -> Vec<RightWire> {
        let mut rows = Vec::new();
        for requested in &self.manifest.connections {
            let key = format!("connection.{}", requested.name);
            let granted = self.rights.connections.get(&requested.name).map(|right| &right.granted);
            let hosts = granted.map(|it| it.hosts.join(", ")).unwrap_or_default();
            let ports: Vec<String> = granted.iter().flat_map(|it| &it.ports).map(u16::to_string).collect();
            rows.push(row(&format!("{key}.hosts"), "as granted", hosts.clone(), hosts));
            rows.push(row(&format!("{key}.ports"), "as granted", ports.join(", "), ports.join(", ")));
        }
        rows
    }

    fn limits(&self) -> Vec<RightWire> {
        let requested = self.manifest.limits;
        let granted = self.config.map(|config| config.limits).unwrap_or_default();
        let limits = &self.rights.limits;
        let size = |key: &str, requested: Option<u64>, granted: Option<u64>, effective: u64| {
            let text = |bytes: Option<u64>| bytes.map(shown_bytes).unwrap_or_default();
            row(key, text(requested), text(granted), shown_bytes(effective))
        };
        let time = |key: &str, requested: Option<u64>, granted: Option<u64>, effective: u64| {
            let text = |ms: Option<u64>| ms.map(duration).unwrap_or_default();
            row(key, text(requested), text(granted), duration(effective))
        };
        let count = |key: &str, requested: Option<u32>, granted: Option<u32>, effective: u32| {
            let text = |count: Option<u32>| count.map(|count| count.to_string()).unwrap_or_default();
            row(key, text(requested), text(granted), effective)
        };
        vec![
            size("limits.memory", requested.memory_bytes, granted.memory_bytes, limits.memory_bytes),
            time("limits.call_time", requested.call_ms, granted.call_ms, limits.call_ms),
            time("limits.transfer_time", requested.transfer_ms, granted.transfer_ms, limits.transfer_ms),
            count("limits.parallel_calls", requested.parallel_calls, granted.parallel_calls, limits.parallel_calls),
            size("limits.response", requested.response_bytes, granted.response_bytes, limits.response_bytes),
            count("limits.messages", requested.messages, granted.messages, limits.messages),
        ]
    }
}

fn row(right: &str, requested: impl ToString, granted: impl ToString, effective: impl ToString) -> RightWire {
    RightWire {
        right: right.to_owned(),
        requested: requested.to_string(),
        granted: granted.to_string(),
        effective: effective.to_string(),
    }
}

/// Bytes in the largest unit that leaves no rest.
pub(super) fn shown_bytes(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    match whole {
        Some((unit, shift)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

fn text_of(wire: &InspectWire) -> String {
    let lines = [
        ("name", wire.name.clone()),
        ("version", wire.version.clone()),
        ("kind", wire.kind.to_owned()),
        ("summary", wire.summary.clone()),
        ("state", wire.state.to_owned()),
        ("from", wire.origin.clone()),
        ("sha256", wire.sha256.clone()),
        ("size", shown_bytes(wire.bytes)),
        ("contract", wire.api.clone()),
        ("exports", wire.exports.join(", ")),
        ("imports", wire.imports.join(", ")),
    ];
    let mut text = String::new();
    for (key, value) in lines {
        text.push_str(format!("{key:<10}{}", printable(&value)).trim_end());
        text.push('\n');
    }
    for problem in &wire.problems {
        text.push_str(&format!("problem   {}\n", printable(&problem.to_string())));
    }
    let rows: Vec<Vec<String>> = wire.rights.iter().map(cells).collect();
    text.push('\n');
    text.push_str(&table(&["right", "requested", "granted", "effective"], &rows));
    for (heading, list) in [("asked for and not granted", &wire.missing), ("granted and not asked for", &wire.unused)] {
        if !list.is_empty() {
            let names: Vec<&str> = list.iter().map(|difference| difference.right.as_str()).collect();
            text.push_str(&format!("\n{heading}: {}\n", printable(&names.join(", "))));
        }
    }
    text
}

/// A right as a row of a table.
pub(super) fn cells(right: &RightWire) -> Vec<String> {
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    vec![right.right.clone(), shown(&right.requested), shown(&right.granted), shown(&right.effective)]
}

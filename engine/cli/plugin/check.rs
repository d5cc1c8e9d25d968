//! `windlass plugin check`: whether this engine can run what was built, without running it.

use std::path::Path;

use serde::Serialize;

use super::package::Built;
use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::cli::output::{print, print_json};
use crate::cli::table::table;
use crate::config::PluginBounds;
use crate::plugin::{Candidate, Difference, Grants, PluginRights, Refusal};

/// One thing that was looked at.
#[derive(Serialize)]
struct LookWire {
    /// `file`, `manifest`, `size`, `interfaces` or `rights`.
    name: &'static str,
    /// `passed`, `failed`, or `note` for what keeps nobody from running it.
    result: &'static str,
    why: String,
}

#[derive(Serialize)]
struct CheckWire {
    file: String,
    passed: bool,
    checks: Vec<LookWire>,
}

pub(super) fn check(path: &Path, grants: &Grants, json: bool) -> Result<u8, Failure> {
    let Built::Component(file) = Built::find(path)? else {
        return Err(Failure::new(USAGE, "a shared library says nothing of itself before it is run; see `plugin test`"));
    };
    let bounds = PluginBounds::default();
    let checks = match Candidate::read(&file, bounds.component_bytes) {
        Ok(candidate) => of_candidate(&candidate, grants, &bounds),
        Err(Refusal::Unfit(problems)) => problems.iter().map(|it| look("manifest", "failed", it.to_string())).collect(),
        Err(refusal) => vec![look("file", "failed", refusal.to_string())],
    };
    let passed = checks.iter().all(|look| look.result != "failed");
    let wire = CheckWire { file: file.display().to_string(), passed, checks };
    if json {
        print_json(&wire)?;
    } else {
        let row = |look: &LookWire| vec![look.result.to_owned(), look.name.to_owned(), look.why.clone()];
        let rows: Vec<Vec<String>> = wire.checks.iter().map(row).collect();
        print(&table(&["result", "check", "what"], &rows))?;
    }
    Ok(if passed { 0 } else { FAILED })
}

fn look(name: &'static str, result: &'static str, why: impl Into<String>) -> LookWire {
    LookWire { name, result, why: why.into() }
}

fn of_candidate(candidate: &Candidate, grants: &Grants, bounds: &PluginBounds) -> Vec<LookWire> {
    let Candidate { manifest, info, .. } = candidate;
    let known = format!("{} {}, {}, {}", manifest.name, manifest.version, manifest.kind, manifest.api);
    let size = format!("{} KiB; allowed: at most {} KiB", info.bytes.div_ceil(1 << 10), bounds.component_bytes >> 10);
    let mut looks = vec![look("manifest", "passed", known), look("size", "passed", size)];
    let problems = candidate.problems();
    if problems.is_empty() {
        let count = info.imports.len();
        looks.push(look("interfaces", "passed", format!("{count} imports, all of them served")));
    }
    looks.extend(problems.iter().map(|problem| look("interfaces", "failed", problem.to_string())));
    if info.wants_sockets() {
        looks.push(look("interfaces", "note", "it imports sockets; every call of them is refused, use an endpoint"));
    }
    let rights = PluginRights::of(manifest, grants.plugins.get(&manifest.name), bounds);
    if rights.missing.is_empty() {
        looks.push(look("rights", "passed", "all that it asks for is granted"));
    }
    let missing = |difference: &Difference| {
        let Difference { right, requested, granted } = difference;
        let granted = if granted.is_empty() { "nothing" } else { granted.as_str() };
        look("rights", "note", format!("{right}: it asks for {requested} and is granted {granted}"))
    };
    looks.extend(rights.missing.iter().map(missing));
    looks
}

//! Which files and folders there are, and that the README knows the executors.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::source::{Finding, Source};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["common", "helper", "helpers", "misc", "util", "utilities", "utils"];

/// What may stand at the top of the repository.
const ROOT_ENTRIES: [&str; 19] = [
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "rustfmt.toml",
    "engine",
    "examples",
    "plugins",
    "rust-toolchain.toml",
    "tests",
    "wit",
];

/// Files and folders have telling names.
pub(crate) fn names(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let path = source.path.trim_end_matches(".rs");
        for part in path.split('/').filter(|part| EMPTY_NAMES.contains(part)) {
            let what = format!("`{part}` says nothing; name it after what is inside");
            findings.push(source.finding(1, what));
        }
    }
    findings
}

/// The README names every built-in executor as `` `name` ``.
pub(crate) fn executors_in_readme(sources: &[Source], readme: &str) -> Vec<Finding> {
    let inside = sources.iter().filter(|it| it.is_in("executors"));
    let executors: BTreeSet<String> = inside
        .clone()
        .filter(|source| implements_executor(source))
        .filter_map(|source| source.module()?.into_iter().nth(1))
        .collect();
    let mut findings = Vec::new();
    if let Some(source) = inside.into_iter().next()
        && executors.is_empty()
    {
        let what = "no `impl Executor for` is found here; tests/tidy/tree.rs looks for it";
        findings.push(source.finding(1, what));
    }
    for name in executors {
        if !readme.contains(&format!("`{name}`")) {
            let (path, line) = ("README.md".to_owned(), 1);
            let what = format!("the executor `{name}` is not named");
            findings.push(Finding { path, line, what });
        }
    }
    findings
}

fn implements_executor(source: &Source) -> bool {
    let tokens = &source.tokens;
    (0..tokens.len()).filter(|at| tokens.starts_with(*at, &["Executor", "for"])).any(|at| !source.is_test(at))
}

pub(crate) fn root_entries(entries: &BTreeSet<String>) -> Vec<Finding> {
    let strangers = entries.iter().filter(|entry| !ROOT_ENTRIES.contains(&entry.as_str()));
    strangers
        .map(|entry| Finding {
            path: entry.clone(),
            line: 1,
            what: "does not belong at the top of the repository".to_owned(),
        })
        .collect()
}

/// The top-level names that git tracks; none in a copy without git, where nobody can tell what is the project's.
pub(crate) fn entries_of(root: &Path) -> BTreeSet<String> {
    if !root.join(".git").exists() {
        return BTreeSet::new();
    }
    // A checkout owned by somebody else, as in a container, is read too.
    let listing = Command::new("git").args(["-c", "safe.directory=*", "ls-files", "-z"]).current_dir(root).output();
    match listing {
        Ok(output) if output.status.success() => tops(&String::from_utf8_lossy(&output.stdout)),
        _ => {
            eprintln!("git cannot list the files; the top level is not checked");
            BTreeSet::new()
        }
    }
}

/// The first parts of paths that end in NUL each.
fn tops(paths: &str) -> BTreeSet<String> {
    let paths = paths.split('\0').filter_map(|path| path.split('/').next());
    let tops = paths.filter(|top| !top.is_empty());
    tops.map(str::to_owned).collect()
}

#[test]
fn an_empty_name_is_found() {
    let sources = ["engine/util.rs", "tests/common/mod.rs", "engine/job/utility.rs"].map(|path| Source::new(path, ""));
    let found = names(&sources);
    let expected = [(1, "`util` says nothing"), (1, "`common` says nothing")];
    crate::source::assert_found(&found, &expected);
}

#[test]
fn an_executor_missing_in_the_readme_is_found() {
    let sources = [
        Source::new("engine/executors/mod.rs", "pub trait Executor {}"),
        Source::new("engine/executors/function.rs", "impl Executor for Functions {}"),
        Source::new("engine/executors/process/mod.rs", "mod group;"),
        Source::new("engine/executors/process/run.rs", "impl<T> super::super::Executor for P<T> {}"),
        Source::new("engine/executors/registry.rs", "#[cfg(test)] mod tests { impl Executor for Fake {} }"),
    ];
    let found = executors_in_readme(&sources, "It has `function` and process.");
    crate::source::assert_found(&found, &[(1, "the executor `process` is not named")]);
    assert!(executors_in_readme(&sources, "`function`, `process`").is_empty());
    let found = executors_in_readme(&sources[..1], "");
    crate::source::assert_found(&found, &[(1, "no `impl Executor for` is found")]);
}

#[test]
fn a_stranger_at_the_top_is_found() {
    let entries = ["engine", "notes.md"].map(str::to_owned).into();
    let found = root_entries(&entries);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "notes.md");
}

#[test]
fn top_level_names_are_the_first_parts() {
    let found = tops("engine/job/mod.rs\0engine/lib.rs\0Cargo.toml\0");
    assert_eq!(found, ["Cargo.toml", "engine"].map(str::to_owned).into());
    assert_eq!(tops(""), BTreeSet::new());
}

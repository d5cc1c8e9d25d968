//! A source file read for checking, and a finding in it.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::tokens::{Tokens, tokenize};

/// The folders that hold Rust files of this project.
const FOLDERS: [&str; 5] = ["engine", "tests", "benches", "examples", "plugins"];
/// Folders that tools fill.
const MADE_BY_TOOLS: [&str; 4] = ["target", "corpus", "artifacts", "bindings"];

/// One Rust file.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Tokens,
    /// Declared by its parent as `#[cfg(test)] mod …;`.
    is_for_tests: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), tokens: tokenize(text), is_for_tests: false }
    }

    /// Whether the token at `at` is built for tests only.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        let regions = self.tokens.test_regions();
        self.is_for_tests || regions.iter().any(|region| region.contains(&at))
    }

    /// The modules of their own files that this one declares for tests only.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let Some(module) = self.module() else {
            return Vec::new();
        };
        let tokens = &self.tokens;
        let declared =
            (0..tokens.len()).filter(|at| tokens.text(*at) == "mod" && tokens.text(at + 2) == ";" && self.is_test(*at));
        let path_of = |at| [&module[..], &[tokens.text(at + 1).to_owned()]].concat();
        declared.map(path_of).collect()
    }

    /// The module this file is, from the crate's root: `engine/job/mod.rs` is `[job]`. `None` outside the engine.
    pub(crate) fn module(&self) -> Option<Vec<String>> {
        let path = self.path.strip_prefix("engine/")?.strip_suffix(".rs")?;
        let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
        let last = module.last().map(String::as_str);
        if matches!(last, Some("mod")) || path == "lib" {
            module.pop();
        }
        Some(module)
    }

    /// Whether this file belongs to `zone`, a module path such as `executors/process`.
    pub(crate) fn is_in(&self, zone: &str) -> bool {
        self.module().is_some_and(|module| {
            let zone: Vec<&str> = zone.split('/').collect();
            module.len() >= zone.len() && module.iter().zip(&zone).all(|(a, b)| a == b)
        })
    }

    pub(crate) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// A broken rule and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// All Rust files of the package below `root`.
pub(crate) fn load(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        if root.join(folder).is_dir() {
            load_folder(root, folder, &mut sources);
        }
    }
    mark_test_files(&mut sources);
    sources
}

fn mark_test_files(sources: &mut [Source]) {
    let modules: Vec<Vec<String>> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources {
        let module = source.module().unwrap_or_default();
        source.is_for_tests = modules.iter().any(|tested| module.starts_with(tested));
    }
}

fn load_folder(root: &Path, folder: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if !MADE_BY_TOOLS.contains(&name.as_str()) {
                load_folder(root, &path, sources);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).unwrap();
            sources.push(Source::new(&path, &text));
        }
    }
}

/// What a self-test compares: `line: words` of each finding must begin like this.
pub(crate) fn assert_found(findings: &[Finding], expected: &[(usize, &str)]) {
    let found: Vec<String> = findings.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (line, what)) in found.iter().zip(expected) {
        let start = format!("{line}: {what}");
        assert!(found.starts_with(&start), "{found} is not {start}");
    }
}

#[test]
fn the_engine_is_loaded_and_build_folders_are_not() {
    let root = tempfile::tempdir().unwrap();
    for path in ["engine/job", "tests/fuzz/target/debug", "examples/x"] {
        fs::create_dir_all(root.path().join(path)).unwrap();
        fs::write(root.path().join(path).join("a.rs"), "fn a() {}").unwrap();
    }
    let mut paths: Vec<String> = load(root.path()).into_iter().map(|it| it.path).collect();
    paths.sort();
    assert_eq!(paths, ["engine/job/a.rs", "examples/x/a.rs"]);
}

#[test]
fn a_file_knows_its_module() {
    let module = |path| Source::new(path, "").module();
    assert_eq!(module("engine/lib.rs").unwrap(), [""; 0]);
    assert_eq!(module("engine/main.rs").unwrap(), ["main"]);
    assert_eq!(module("engine/job/mod.rs").unwrap(), ["job"]);
    assert_eq!(module("engine/job/job.rs").unwrap(), ["job", "job"]);
    assert_eq!(module("tests/tidy/main.rs"), None);
    assert!(Source::new("engine/executors/process.rs", "").is_in("executors/process"));
    assert!(Source::new("engine/executors/process/group.rs", "").is_in("executors/process"));
    assert!(!Source::new("engine/executors/mod.rs", "").is_in("executors/process"));
    assert!(!Source::new("engine/executors/processes.rs", "").is_in("executors/process"));
}

#[test]
fn a_file_is_for_tests_when_its_parent_says_so() {
    let mut sources = [
        ("engine/job/mod.rs", "mod state; #[cfg(test)] mod diagram;"),
        ("engine/job/state.rs", "x"),
        ("engine/job/diagram.rs", "x"),
        ("engine/job/diagram/table.rs", "x"),
    ]
    .map(|(path, text)| Source::new(path, text));
    mark_test_files(&mut sources);
    let marked = sources.map(|source| source.is_test(0));
    assert_eq!(marked, [false, false, true, true]);
}

//! The rules of the source tree as one test: who may name whom, how long things may get, what must be written down.
//!
//! Each rule is a pure function from sources to findings and has a self-test that breaks it. The tables to edit stand at
//! the top of `walls.rs`, `libraries.rs` and `sizes.rs`.
#![cfg(test)]

mod docs;
mod libraries;
mod paths;
mod purity;
mod sizes;
mod source;
mod tokens;
mod tree;
mod walls;

use std::path::Path;

use source::Finding;

#[test]
fn the_tree_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = source::load(root);
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut findings = Vec::new();
    findings.extend(walls::check(&sources));
    findings.extend(libraries::check(&sources));
    findings.extend(sizes::check(&sources));
    findings.extend(docs::check(&sources));
    findings.extend(purity::check(&sources));
    findings.extend(tree::names(&sources));
    findings.extend(tree::executors_in_readme(&sources, &readme));
    findings.extend(tree::root_entries(&tree::entries_of(root)));
    findings.sort();
    let shown: Vec<String> = findings.iter().map(Finding::to_string).collect();
    let count = shown.len();
    assert!(shown.is_empty(), "{count} findings:\n{}", shown.join("\n"));
}

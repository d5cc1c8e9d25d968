//! Which module of the engine may name which.

use crate::paths::{paths, top_module};
use crate::source::{Finding, Source};

/// Each top module and those it may name; itself always.
///
/// From the bottom to the top: `error`, the pure `job`, the modules that do IO, `runtime`, `engine`, the edges.
/// Modules side by side do not know each other unless their row says why: what one needs is handed to it from above.
const WALLS: &[(&str, &str)] = &[
    ("error", ""),
    ("job", "error"),
    // Time is counted in `job`'s own type.
    ("clock", "job"),
    ("secret", "clock error job"),
    ("files", "clock error job"),
    // The limits of a log are part of the configuration.
    ("config", "clock error files job"),
    // Options are sealed on their way to disk.
    ("store", "clock config error job secret"),
    // A process writes its log and has a work tree.
    ("executors", "clock config error files job"),
    // Plugins are executors, what they run writes logs and has work trees, and their endpoints hold credentials.
    ("plugin", "clock config error executors files job secret"),
    ("runtime", "clock config error executors files job plugin secret store"),
    ("engine", "clock config error executors files job plugin runtime secret store"),
    // The HTTP edge goes through the public door and sees plain data.
    ("http", "clock config engine error job"),
    ("testing", "clock config engine error executors files http job plugin runtime secret store"),
    ("cli", "clock config engine error executors files http job plugin runtime secret store"),
    ("fuzzing", "job plugin store"),
    ("main", "cli"),
];

/// What code built for tests may name besides.
const IN_TESTS: &str = "testing";

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let Some(top) = source.module().and_then(|it| it.into_iter().next()) else {
        // Outside the engine, or `lib.rs`, which names everything.
        return Vec::new();
    };
    let Some((_, may_name)) = WALLS.iter().find(|(name, _)| *name == top) else {
        let what = format!("`{top}` has no row in tests/tidy/walls.rs");
        return vec![source.finding(1, what)];
    };
    let mut findings = Vec::new();
    for named in paths(&source.tokens) {
        let Some(target) = top_module(source, &named) else {
            continue;
        };
        let allowed = target == top || may_name.split(' ').any(|name| name == target);
        if allowed || target == IN_TESTS && source.is_test(named.at) {
            continue;
        }
        let is_module = WALLS.iter().any(|(name, _)| *name == target);
        if top == "main" && !is_module && target != "*" {
            // The binary sees the library from outside, where the root is the public face.
            continue;
        }
        let what = if is_module {
            format!("`{top}` may not name `{target}`")
        } else {
            format!("`{target}` of the crate's root is not a module; name it where it lives")
        };
        findings.push(source.finding(named.line, what));
    }
    findings
}

#[test]
fn a_wall_broken_by_any_kind_of_path_is_found() {
    let found = |path, text| check(&[Source::new(path, text)]);
    let text =
        "use crate::{error::E, store::S};\nuse super::super::files;\nfn f() { crate::engine::run() }\n// crate::cli\n";
    let expected =
        [(1, "`job` may not name `store`"), (2, "`job` may not name `files`"), (3, "`job` may not name `engine`")];
    crate::source::assert_found(&found("engine/job/state.rs", text), &expected);
    let text = "use crate::job::Job;\nuse crate::files::Layout;";
    let expected = [(2, "`store` may not name `files`")];
    crate::source::assert_found(&found("engine/store/mod.rs", text), &expected);
    let text = "fn main() { windlass::start(); windlass::cli::run(); windlass::engine::run() }";
    let expected = [(1, "`main` may not name `engine`")];
    crate::source::assert_found(&found("engine/main.rs", text), &expected);
}

#[test]
fn the_root_is_no_way_round() {
    let text = "use crate::Job;\nuse crate::*;";
    let found = check(&[Source::new("engine/store/a.rs", text)]);
    let expected = [(1, "`Job` of the crate's root"), (2, "`*` of the crate's root")];
    crate::source::assert_found(&found, &expected);
}

#[test]
fn testing_is_for_tests_and_new_modules_need_a_row() {
    let text = "use crate::testing::Disk;\n#[cfg(test)]\nmod tests { use crate::testing::Disk; use crate::cli::X; }";
    let found = check(&[Source::new("engine/store/a.rs", text)]);
    let expected = [(1, "`store` may not name `testing`"), (3, "`store` may not name `cli`")];
    crate::source::assert_found(&found, &expected);
    let found = check(&[Source::new("engine/novelty/a.rs", "")]);
    crate::source::assert_found(&found, &[(1, "`novelty` has no row")]);
}

#[test]
fn the_table_has_no_circle_and_no_unknown_name() {
    for (at, (name, may_name)) in WALLS.iter().enumerate() {
        for target in may_name.split_whitespace() {
            let below = WALLS.iter().take(at).any(|(below, _)| *below == target);
            assert!(below, "{name} names {target}, which is not below it");
        }
    }
}

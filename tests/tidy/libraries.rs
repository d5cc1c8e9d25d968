//! Which module of the engine may name which library, and who may start tasks.

use crate::paths::{Named, paths};
use crate::source::{Finding, Source};

/// Each library that belongs to one place, and that place.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["http"]),
    ("chrono", &["job/calendar"]),
    ("chrono_tz", &["job/calendar"]),
    ("clap", &["cli"]),
    ("cron", &["job/calendar"]),
    ("http_body", &["http", "plugin/endpoint"]),
    ("http_body_util", &["http", "plugin/endpoint", "plugin/wasm"]),
    ("hyper", &["http", "plugin/endpoint"]),
    ("hyper_util", &["http", "plugin/endpoint"]),
    ("indicatif", &["cli"]),
    ("ipnet", &["plugin/endpoint"]),
    ("jni", &["plugin/sql/jvm"]),
    ("jsonschema", &["job/output"]),
    ("libloading", &["plugin/native"]),
    ("redb", &["store"]),
    ("ring", &["secret"]),
    ("rmp_serde", &["plugin/child", "plugin/native", "store"]),
    ("rustix", &["cli", "executors/process", "files", "plugin/child", "secret"]),
    ("rustls", &["http", "plugin/endpoint"]),
    ("rustls_native_certs", &["plugin/endpoint"]),
    ("rustls_pki_types", &["http", "plugin/endpoint"]),
    ("saphyr_parser", &["cli", "job/pipeline"]),
    ("semver", &["plugin"]),
    ("socket2", &["plugin/endpoint"]),
    ("tokio_rustls", &["http", "plugin/endpoint"]),
    ("toml", &["plugin", "cli"]),
    ("tower_service", &["plugin/endpoint"]),
    ("wasmparser", &["plugin"]),
    ("wasmtime", &["plugin/wasm"]),
    ("wasmtime_wasi", &["plugin/wasm"]),
    ("wasmtime_wasi_http", &["plugin/wasm"]),
];

/// Who may start tokio tasks; tests may everywhere.
const STARTS_TASKS: &[&str] = &[
    "cli",
    "executors/function",
    "executors/job_files",
    "executors/project_fetcher",
    "executors/project_sink",
    "plugin/native/in_process",
    "plugin/platform",
    "plugin/wasm",
    "runtime",
    "testing",
];
/// What starts a task, by its last word.
const TASK_WORDS: [&str; 4] = ["JoinSet", "spawn_blocking", "spawn_local", "block_in_place"];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let engine = sources.iter().filter(|it| it.module().is_some());
    engine.flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for named in paths(&source.tokens) {
        if let Some((library, homes)) = homes_of(source, &named)
            && !homes.iter().any(|home| source.is_in(home))
        {
            let homes = homes.join(", ");
            let what = format!("`{library}` may be named in {homes} only");
            findings.push(source.finding(named.line, what));
        }
        if starts_task(&named) && !source.is_test(named.at) && !STARTS_TASKS.iter().any(|zone| source.is_in(zone)) {
            let zones = STARTS_TASKS.join(", ");
            let what = format!("tasks are started in {zones} only");
            findings.push(source.finding(named.line, what));
        }
    }
    findings
}

/// The library a path begins with. A lone word is one only after `use`: a variable may have any name.
fn homes_of(source: &Source, named: &Named) -> Option<(&'static str, &'static [&'static str])> {
    let first = named.segments.first()?;
    let imported = matches!(source.tokens.before(named.at, 1), "use" | "crate" | "::");
    if named.segments.len() == 1 && !imported {
        return None;
    }
    let row = HOMES.iter().find(|(library, _)| library == first)?;
    Some(*row)
}

fn starts_task(named: &Named) -> bool {
    let words: Vec<&str> = named.segments.iter().map(String::as_str).collect();
    words.iter().any(|word| TASK_WORDS.contains(word))
        || matches!(words.as_slice(), ["tokio", "spawn"] | [.., "task", "spawn"])
}

#[test]
fn a_library_outside_its_home_is_found() {
    let found = |path, text| check(&[Source::new(path, text)]);
    let text = "use redb::{Database, TableDefinition as T};\nuse {ring::aead, std::io};\nfn f() { ::rmp_serde::to_vec(1) }\nuse clap;\n";
    let expected = [
        (1, "`redb` may be named in store only"),
        (1, "`redb` may be named in store only"),
        (2, "`ring` may be named in secret only"),
        (3, "`rmp_serde` may be named in plugin/child, plugin/native, store only"),
        (4, "`clap` may be named in cli only"),
    ];
    crate::source::assert_found(&found("engine/runtime/a.rs", text), &expected);
    let text = "let ring = 1; keys.ring(); a::ring::b; \"redb::x\"; // redb::x";
    crate::source::assert_found(&found("engine/runtime/a.rs", text), &[]);
    crate::source::assert_found(&found("engine/store/a.rs", "use redb::Database;"), &[]);
    crate::source::assert_found(&found("tests/a.rs", "use redb::Database;"), &[]);
}

#[test]
fn rustix_is_for_the_process_executor_and_not_its_neighbour() {
    let found = |path| check(&[Source::new(path, "use rustix::process;")]);
    assert!(found("engine/executors/process/group.rs").is_empty());
    assert_eq!(found("engine/executors/function.rs").len(), 1);
}

#[test]
fn a_task_started_elsewhere_is_found() {
    let text = "fn f() {\ntokio::spawn(x);\ntokio::task::spawn_blocking(y);\nuse tokio::task;\ntask::spawn(z);\nlet mut set = JoinSet::new();\nstd::thread::spawn(w);\ncommand.spawn();\n}\n#[cfg(test)]\nmod tests { fn f() { tokio::spawn(x); } }";
    let found = check(&[Source::new("engine/store/a.rs", text)]);
    let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [2, 3, 5, 6]);
    assert!(found[0].what.starts_with("tasks are started in cli, "));
    for path in ["engine/runtime/a.rs", "engine/executors/function.rs", "engine/testing/a.rs"] {
        assert!(check(&[Source::new(path, text)]).is_empty(), "{path}");
    }
}

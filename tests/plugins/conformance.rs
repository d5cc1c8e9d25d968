//! The conformance suite: good plugins pass it, and each way to break the contract is found by the check that is for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use windlass::config::PluginBounds;
use windlass::plugin::conformance::{ExecutorCases, Report, Subject, Suite, Verdict, run};
use windlass::plugin::{Candidate, EMBEDDED, parse_config};

use crate::shelf::Shelf;
use crate::shell::Platform;

/// The plugin that does wrong what its settings say.
static FAULTY: LazyLock<PathBuf> = LazyLock::new(|| built("windlass-plugin-faulty"));

/// A guest, built by the compiler that builds this test.
pub(crate) fn built(package: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--quiet", "-p", package, "--profile", "plugin"]);
    cargo.args(["--target", "wasm32-wasip2", "--target-dir"]).arg(&target);
    // What is meant for the program under test is not meant for this.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().unwrap().success(), "the guest is not built");
    target.join("wasm32-wasip2/plugin").join(package.replace('-', "_")).with_extension("wasm")
}

/// Where compiled code is kept from one run of the suite to the next.
pub(crate) fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance")
}

fn cases(text: &str) -> ExecutorCases {
    ExecutorCases::parse(text.as_bytes()).unwrap()
}

/// Runs the suite on a plugin with what its operator says.
async fn suite(candidate: &Candidate, config: &str, cases: &ExecutorCases) -> Report {
    let grants = parse_config(config.as_bytes()).unwrap();
    let config = grants.plugins.get(&candidate.manifest.name);
    let subject = Subject::executor(candidate, config, &store()).unwrap();
    run(&subject, cases, |_| {}).await
}

pub(crate) fn lines(report: &Report) -> String {
    let line = |check: &windlass::plugin::conformance::Check| {
        format!("{} {} {}ms {}\n", check.verdict, check.name, check.ms, check.why)
    };
    report.checks.iter().map(line).collect()
}

pub(crate) fn names(report: &Report, verdict: Verdict) -> Vec<&str> {
    report.checks.iter().filter(|check| check.verdict == verdict).map(|check| check.name).collect()
}

/// A plugin that is part of this program.
fn embedded(name: &str) -> Candidate {
    let embedded = EMBEDDED.iter().find(|it| it.name == name).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{name}.wasm"));
    std::fs::write(&path, embedded.component).unwrap();
    Candidate::read(&path, PluginBounds::default().component_bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_executor_passes() {
    let cases = cases(
        r#"
        quick = { run_ms = 300, print = "line {n}", lines = 4, to = "both", checkpoint = true, output = { "a/b.txt" = "x" } }
        long = { outcome = "never", checkpoint = true }
        prints = "line 1\nline 2\nline 3\nline 4\n"
        output = ["a/b.txt"]
        "#,
    );
    let report = suite(&embedded("mock"), "[plugin.mock]\nwork = \"write\"", &cases).await;
    assert!(report.passed(), "{}", lines(&report));
    // It has no platform, and so nothing that could be found there.
    let skipped = ["submit-again", "restart-without-handle", "denied", "nothing-left"];
    assert_eq!(names(&report, Verdict::Skipped), skipped, "{}", lines(&report));
    let steps = &report.get("submit-cut").unwrap().why;
    assert_eq!(steps, "1 steps", "the checkpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_executor_passes() {
    let platform = Platform::new(&[]);
    let cases = cases(
        r#"
        quick = { command = ["sh", "-c", "echo one; echo two >&2; echo three; echo four > output/four.txt"] }
        long = { command = ["sleep", "1000"] }
        output = ["four.txt"]
        "#,
    );
    let report = suite(&embedded("shell"), &platform.grants(), &cases).await;
    assert!(report.passed(), "{}", lines(&report));
    assert_eq!(names(&report, Verdict::Skipped), ["definitions"], "{}", lines(&report));
}

const CASES: &str = r#"
quick = { ms = 150, lines = 7 }
long = { ms = 1_000_000_000 }
output = ["lines.txt"]
patience = "5s"
"#;

fn config(shelf: &Shelf, fault: &str) -> String {
    let address = shelf.address();
    format!(
        "[plugin.faulty]\nwork = \"write\"\nsettings = {{ fault = \"{fault}\" }}\n[plugin.faulty.endpoint.shelf]\naddress = \"http://{address}\"\n"
    )
}

/// Each fault, and the check that is to find it.
const FAULTS: [(&str, &str); 18] = [
    ("describe-changes", "describe-is-pure"),
    ("validate-accepts-all", "validate-refuses"),
    ("validate-asks", "validate-accepts"),
    ("submit-makes-another", "submit-twice"),
    ("submit-starts-again", "submit-again"),
    ("remove-forgets-half", "submit-abandoned"),
    ("needs-handle", "restart-without-handle"),
    ("observe-sorts", "observe-order"),
    ("observe-guesses", "denied"),
    ("stop-fails-on-unknown", "unknown-run"),
    ("stop-rewrites", "stop-late"),
    ("remove-fails-on-unknown", "remove-twice"),
    ("logs-repeat", "logs-resume"),
    ("logs-skip", "logs-resume"),
    ("logs-insist", "logs-unwanted"),
    ("end-changes", "quick-ends"),
    ("collect-once", "collect"),
    ("definitions-wrong", "definitions"),
];

#[tokio::test(flavor = "multi_thread")]
async fn one_that_keeps_to_the_contract_passes_and_each_fault_is_found() {
    let candidate = Candidate::read(&FAULTY, PluginBounds::default().component_bytes).unwrap();
    let cases = cases(CASES);
    let shelf = Shelf::new();
    let report = suite(&candidate, &config(&shelf, "none"), &cases).await;
    assert!(report.passed(), "{}", lines(&report));
    assert_eq!(names(&report, Verdict::Skipped), [""; 0], "{}", lines(&report));
    assert_eq!(shelf.names(), [""; 0], "the suite leaves nothing");
    for (name, steps) in [("submit-cut", "4 steps"), ("stop-cut", "2 steps"), ("remove-cut", "2 steps")] {
        assert_eq!(report.get(name).unwrap().why, steps);
    }

    for (fault, check) in FAULTS {
        let shelf = Shelf::new();
        let report = suite(&candidate, &config(&shelf, fault), &cases).await;
        let found = report.get(check).unwrap();
        assert_eq!(found.verdict, Verdict::Failed, "{fault}:\n{}", lines(&report));
        println!("{fault}: {:?}: {}", names(&report, Verdict::Failed), found.why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_said_once() {
    let candidate = Candidate::read(&FAULTY, PluginBounds::default().component_bytes).unwrap();
    let report = suite(&candidate, "", &cases(CASES)).await;
    assert_eq!(names(&report, Verdict::Failed), ["check"], "{}", lines(&report));
    assert!(report.get("submit-twice").unwrap().why.contains("cannot be reached"));
}

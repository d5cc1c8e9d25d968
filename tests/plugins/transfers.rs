//! The conformance suites of fetchers and sinks: good ones pass, and each way to break the contract is found by the check
//! that is for it.

use windlass::config::PluginBounds;
use windlass::plugin::conformance::{FetcherCases, Report, SinkCases, Subject, Suite, Verdict, run};
use windlass::plugin::{Candidate, parse_config};

use crate::conformance::{built, lines, names, store};
use crate::shelf::Shelf;

fn candidate(package: &str) -> Candidate {
    Candidate::read(&built(package), PluginBounds::default().component_bytes).unwrap()
}

fn config(plugin: &str, work: &str, shelf: &Shelf, fault: &str) -> String {
    let address = shelf.address();
    format!(
        "[plugin.{plugin}]\nwork = \"{work}\"\nsettings = {{ fault = \"{fault}\" }}\n[plugin.{plugin}.endpoint.shelf]\naddress = \"http://{address}\"\n"
    )
}

async fn fetcher(candidate: &Candidate, fault: &str) -> Report {
    let shelf = Shelf::new();
    for (name, text) in [("a1", "hello world"), ("a2", "xy"), ("a3", "12"), ("a4", "some more"), ("b1", "no")] {
        let (first, second) = text.split_at(text.len() / 2);
        shelf.put(&format!("{name}.1"), first);
        shelf.put(&format!("{name}.2"), second);
    }
    let cases =
        FetcherCases::parse(b"request = { prefix = \"a\" }\ncontent = { a1 = \"hello world\", a4 = \"some more\" }");
    let grants = parse_config(config("faulty-fetcher", "write", &shelf, fault).as_bytes()).unwrap();
    let subject = Subject::fetcher(candidate, grants.plugins.get("faulty-fetcher"), &store()).unwrap();
    run(&subject, &cases.unwrap(), |_| {}).await
}

async fn sink(candidate: &Candidate, shelf: &Shelf, fault: &str) -> Report {
    let cases = SinkCases::parse(b"request = { prefix = \"x\" }").unwrap();
    let grants = parse_config(config("faulty-sink", "read", shelf, fault).as_bytes()).unwrap();
    let subject = Subject::sink(candidate, grants.plugins.get("faulty-sink"), &store()).unwrap();
    run(&subject, &cases, |_| {}).await
}

/// Each fault of a fetcher, and the check that is to find it.
const FETCHER_FAULTS: [(&str, &str); 10] = [
    ("names-twice", "items"),
    ("list-changes", "items-again"),
    ("appends", "fetch-again"),
    ("keeps-what-is-there", "fetch-half"),
    ("writes-elsewhere", "fetch"),
    ("size-lies", "fetch"),
    ("path-lies", "fetch"),
    ("unknown-is-empty", "fetch-unknown"),
    ("denied-is-empty", "denied"),
    ("validate-accepts-all", "validate-accepts"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_fetcher_that_keeps_to_the_contract_passes_and_each_fault_is_found() {
    let candidate = candidate("windlass-plugin-faulty-fetcher");
    let report = fetcher(&candidate, "none").await;
    assert!(report.passed(), "{}", lines(&report));
    assert_eq!(names(&report, Verdict::Skipped), [""; 0], "{}", lines(&report));
    assert_eq!(report.get("fetch-cut").unwrap().why, "2 steps");
    assert_eq!(report.get("items-resume").unwrap().why, "2 pages");
    for (fault, check) in FETCHER_FAULTS {
        let report = fetcher(&candidate, fault).await;
        let found = report.get(check).unwrap();
        assert_eq!(found.verdict, Verdict::Failed, "{fault}:\n{}", lines(&report));
        println!("{fault}: {:?}: {}", names(&report, Verdict::Failed), found.why);
    }
}

/// Each fault of a sink, and the check that is to find it.
const SINK_FAULTS: [(&str, &str); 9] = [
    ("puts-twice", "put-twice"),
    ("begin-conflicts", "begin-twice"),
    ("missing-is-empty", "put-missing"),
    ("commits-once", "commit-twice"),
    ("commit-loses", "commit-cut"),
    ("abort-fails-on-nothing", "abort-twice"),
    ("abort-keeps", "abort-forgets"),
    ("size-lies", "store"),
    ("denied-is-done", "denied"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_keeps_to_the_contract_passes_and_each_fault_is_found() {
    let candidate = candidate("windlass-plugin-faulty-sink");
    let shelf = Shelf::new();
    let report = sink(&candidate, &shelf, "none").await;
    assert!(report.passed(), "{}", lines(&report));
    assert_eq!(names(&report, Verdict::Skipped), [""; 0], "{}", lines(&report));
    for (check, steps) in [("begin-cut", "0 steps"), ("put-cut", "1 steps"), ("commit-cut", "9 steps")] {
        assert_eq!(report.get(check).unwrap().why, steps, "{check}");
    }
    let staged: Vec<String> = shelf.names().into_iter().filter(|name| name.starts_with("staged-")).collect();
    assert_eq!(staged, [""; 0], "the suite leaves nothing staged");
    for (fault, check) in SINK_FAULTS {
        let report = sink(&candidate, &Shelf::new(), fault).await;
        let found = report.get(check).unwrap();
        assert_eq!(found.verdict, Verdict::Failed, "{fault}:\n{}", lines(&report));
        println!("{fault}: {:?}: {}", names(&report, Verdict::Failed), found.why);
    }
}

#[test]
fn a_plugin_of_another_kind_is_refused() {
    let candidate = candidate("windlass-plugin-faulty-sink");
    let problems = Subject::fetcher(&candidate, None, &store()).err().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains("it is a sink"), "{problems:?}");
}

//! What those do who write plugins: begin, build, check, test; and what they are told when something is wrong.

use serde_json::Value;

use crate::windlass::Place;

/// The component of `mock` in a directory with these files beside it.
fn mock(place: &Place, cases: &str) -> String {
    let mock = ::windlass::plugin::EMBEDDED.iter().find(|it| it.name == "mock").unwrap();
    std::fs::create_dir(place.path("mock")).unwrap();
    std::fs::write(place.path("mock/mock.wasm"), mock.component).unwrap();
    place.file("mock/plugin.toml", mock.manifest);
    place.file("mock/conformance.toml", cases);
    "mock".to_owned()
}

const CASES: &str = "quick = { run_ms = 20, print = \"hello\" }\nlong = { outcome = \"never\" }\nprints = \"hello\\n\"\npatience = \"5s\"\n";

fn check<'v>(report: &'v Value, name: &str) -> &'v Value {
    report["checks"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

#[test]
fn a_report_is_for_people_and_for_programs() {
    let place = Place::new();
    let dir = mock(&place, CASES);
    let shown = place.run(&["plugin", "test", &dir]).expect(0).stdout;
    assert!(shown.contains("passed   submit-twice") && shown.contains(", 0 failed, "), "{shown}");
    let report = place.json(&["plugin", "test", &format!("{dir}/mock.wasm")]);
    assert_eq!(report["passed"], true);
    assert_eq!(check(&report, "logs-resume")["result"], "passed");
    let skipped = check(&report, "collect");
    assert_eq!(skipped["result"], "skipped");
    assert!(skipped["why"].as_str().unwrap().contains("work = \"write\""), "{skipped}");
}

#[test]
fn what_does_not_keep_to_its_cases_fails() {
    let place = Place::new();
    let dir = mock(&place, CASES);
    // It ends by itself, prints something else, and has no such option.
    let cases =
        "quick = { print = \"hello\" }\nlong = { run_ms = 10, colour = 1 }\nprints = \"bye\\n\"\npatience = \"1s\"\n";
    let cases = place.file("other.toml", cases);
    let done = place.run(&["plugin", "test", &dir, "--cases", cases.to_str().unwrap(), "--json"]).expect(1);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(report["passed"], false);
    let accepted = check(&report, "validate-accepts");
    assert!(accepted["why"].as_str().unwrap().contains("colour"), "{accepted}");
    let logs = check(&report, "logs-resume");
    assert!(logs["why"].as_str().unwrap().contains("\"bye\\n\""), "{logs}");
    assert_eq!(check(&report, "observe-waits")["result"], "failed");
}

#[test]
fn what_cannot_be_tested_is_told_with_a_code_of_its_own() {
    let place = Place::new();
    let dir = mock(&place, "quick = 1\n");
    let told = place.run(&["plugin", "test", &dir]).expect(2).stderr;
    assert!(told.contains("quick: is a number") && told.contains("long: it is missing"), "{told}");
    std::fs::remove_file(place.path("mock/conformance.toml")).unwrap();
    assert!(place.run(&["plugin", "test", &dir]).expect(2).stderr.contains("conformance.toml"));
    std::fs::remove_file(place.path("mock/mock.wasm")).unwrap();
    assert!(place.run(&["plugin", "test", &dir]).expect(2).stderr.contains("windlass plugin build"));
    place.file("mock/plugin.toml", "name = \"Mock\"\n");
    assert!(place.run(&["plugin", "test", &dir]).expect(2).stderr.contains("\"Mock\" is not a name"));
    assert!(place.run(&["plugin", "build", "nowhere"]).expect(2).stderr.contains("nowhere/plugin.toml"));
}

#[test]
fn what_is_unfit_does_not_pass_the_check() {
    let place = Place::new();
    let dir = mock(&place, CASES);
    let looks = place.json(&["plugin", "check", &dir]);
    assert_eq!((&looks["passed"], &check(&looks, "rights")["result"]), (&true.into(), &"note".into()), "{looks}");
    let text = "(component (import \"wasi:keyvalue/store@0.2.0\" (instance)))";
    std::fs::write(place.path("mock/mock.wasm"), wat::parse_str(text).unwrap()).unwrap();
    let shown = place.run(&["plugin", "check", &dir]).expect(1).stdout;
    for says in ["wasi:keyvalue/store@0.2.0", "it exports nothing of windlass:plugin"] {
        assert!(shown.contains(says), "{says} in {shown}");
    }
    assert!(place.run(&["plugin", "test", &dir]).expect(1).stderr.contains("wasi:keyvalue"));
    std::fs::write(place.path("mock/mock.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    let looks = place.run(&["plugin", "check", &dir, "--json"]).expect(1).stdout;
    assert!(looks.contains("build it for wasm32-wasip2"), "{looks}");
}

#[test]
fn a_plugin_is_begun_once_and_by_a_good_name() {
    let place = Place::new();
    let begun = place.json(&["plugin", "new", "batch", "--lang", "python", "--kind", "sink", "--dir", "a/b"]);
    assert!(begun["files"].as_array().unwrap().contains(&"plugin.py".into()), "{begun}");
    assert!(
        place.read("a/b/plugin.py").contains("NAME = \"batch\"") && place.read("a/b/.gitignore").contains("/build")
    );
    assert!(place.run(&["plugin", "new", "batch", "--dir", "a/b"]).expect(2).stderr.contains("there already"));
    for name in ["Batch", "process", "a b", "-"] {
        assert!(place.run(&["plugin", "new", "--", name]).expect(2).stderr.contains("name of a plugin"), "{name}");
    }
    let told = place.run(&["plugin", "new", "x", "--lang", "c", "--kind", "sink"]).expect(2).stderr;
    assert!(told.contains("no sink in C"), "{told}");
    assert!(place.run(&["plugin", "new", "x", "--sdk", "nowhere"]).expect(2).stderr.contains("nowhere"));
    assert!(!place.path("x").exists(), "nothing is left of what could not begin");
    place.json(&["plugin", "new", "released"]);
    assert!(place.read("released/Cargo.toml").contains("windlass-plugin = \"0.1.0\""));
}

//! Pipelines from the command line.

use crate::plans::changes;
use crate::windlass::Place;

const CONFIGS: &str =
    "configs: { washer: { shell: 'echo wash' }, printer: { shell: 'echo print' }, mailer: { shell: 'echo mail' } }";
const PIPELINE: &str = r#"
dataNodes:
  raw: { source: in/raw.csv }
  clean: { source: work/clean.csv }
  report: { source: out/report.html }
processNodes:
  wash: { input: [raw], output: [clean], processor: washer }
  print: { input: [clean], output: [report], processor: printer }
  alarm: { processor: mailer, after: [{ node: wash, on: failure }] }
"#;

/// With the configs stored, and the pipeline in `tidy.yaml`.
fn place() -> Place {
    let place = Place::new();
    place.file("configs.yaml", CONFIGS);
    place.file("tidy.yaml", PIPELINE);
    place.run(&["apply", "-f", "configs.yaml"]).expect(0);
    place
}

#[test]
fn pipelines_are_applied_compared_and_rolled_back() {
    let place = place();
    let applied = place.json(&["pipeline", "apply", "-f", "tidy.yaml"]);
    assert_eq!(
        (changes(&applied), &applied["applied"][0]["kind"]),
        (vec!["tidy created 1".into()], &"pipeline".into())
    );
    let diff = place.run(&["pipeline", "diff", "-f", "tidy.yaml"]).expect(0).stdout;
    assert_eq!(diff, "pipeline tidy: unchanged, revision 1\n");
    place.file("other.yaml", &PIPELINE.replace("processor: mailer", "processor: mailer, retry: 3"));
    let diff = ["pipeline", "diff", "-f", "other.yaml", "--name", "tidy"];
    let told = place.run(&diff).expect(0).stdout;
    assert_eq!(told, "pipeline tidy: changed, revision 2\n  + processNodes.alarm.retry: 3\n");
    place.run(&["pipeline", "apply", "-f", "other.yaml", "--name", "tidy"]).expect(0);
    let shown = place.run(&["pipeline", "show", "tidy", "--revision", "1"]).expect(0).stdout;
    assert!(shown.starts_with("# pipeline tidy, revision 1 of 2\n") && !shown.contains("retry"), "{shown}");
    // What is shown can be applied again.
    place.file("shown.yaml", &shown);
    let again = place.json(&["pipeline", "apply", "-f", "shown.yaml", "--name", "tidy"]);
    assert_eq!(changes(&again), ["tidy changed 3"]);
    assert_eq!(changes(&place.json(&["pipeline", "apply", "-f", "tidy.yaml"])), ["tidy unchanged 3"]);
    place.run(&["pipeline", "rollback", "tidy", "--revision", "2"]).expect(0);
    let shown = place.json(&["pipeline", "show", "tidy"]);
    let shown = &shown["pipelines"][0];
    assert_eq!((&shown["latest"], &shown["says"]["processNodes"]["alarm"]["retry"]), (&4.into(), &3.into()));
    let list = place.json(&["pipeline", "list"]);
    assert_eq!((&list["pipelines"][0]["nodes"], list["pipelines"][0].get("says")), (&3.into(), None));
    assert!(place.run(&["pipeline", "list"]).expect(0).stdout.contains("tidy"));
    let refused = place.run(&["config", "delete", "mailer"]).expect(1).stderr;
    assert!(refused.contains("pipeline \"tidy\""), "{refused}");
    place.run(&["pipeline", "delete", "tidy"]).expect(0);
    place.run(&["pipeline", "show", "tidy"]).expect(4);
}

#[test]
fn all_kinds_are_applied_together() {
    let place = Place::new();
    let schedules = "schedules: { nightly: { cron: '@daily', pipeline: clean } }";
    place.file("plan.yaml", &format!("{CONFIGS}\n{schedules}"));
    place.file("tidy.yaml", PIPELINE);
    let missing = place.run(&["apply", "-f", "plan.yaml"]).expect(2).stderr;
    assert!(missing.contains("\"nightly\".pipeline: there is no pipeline \"clean\""), "{missing}");
    let applied = place.json(&["apply", "-f", "plan.yaml", "--pipeline", "clean=tidy.yaml"]);
    let created = |name: &str| format!("{name} created 1");
    assert_eq!(changes(&applied), ["washer", "printer", "mailer", "clean", "nightly"].map(created));
    let shown = place.run(&["schedule", "show", "nightly"]).expect(0).stdout;
    assert!(shown.contains("pipeline: clean\n"), "{shown}");
    let alone = place.json(&["apply", "--pipeline", "clean=tidy.yaml"]);
    assert_eq!(changes(&alone), ["clean unchanged 1"]);
    // Another project has configs of its own.
    let told = place.run(&["apply", "--pipeline", "clean=tidy.yaml", "--project", "other"]).expect(2).stderr;
    assert!(told.contains("there is no config \"washer\""), "{told}");
    let told = place.run(&["apply", "--pipeline", "tidy.yaml"]).expect(2).stderr;
    assert!(told.contains("\"tidy.yaml\" is no NAME=FILE"), "{told}");
    place.run(&["apply"]).expect(2);
}

#[test]
fn a_pipeline_is_checked_and_drawn() {
    let place = place();
    let drawn = place.run(&["pipeline", "check", "tidy.yaml"]).expect(0).stdout;
    for part in ["wash", "print", "alarm", "needs source in/raw.csv", "needs config washer"] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    let checked = place.json(&["pipeline", "check", "tidy.yaml"]);
    let alarm = &checked["pipelines"][0]["nodes"][2];
    assert_eq!(
        (&alarm["name"], &alarm["after"][0]),
        (&"alarm".into(), &serde_json::json!({ "node": "wash", "on": "failure" }))
    );
    assert!(checked["pipelines"][0]["missing_processors"].is_null());
    let missing = place.run(&["pipeline", "check", "tidy.yaml", "--project", "default"]).expect(1).stdout;
    assert!(missing.contains("missing source in/raw.csv") && !missing.contains("missing config"), "{missing}");
    place.file("raw.csv", "1,2\n");
    place.run(&["files", "put", "in/raw.csv", "raw.csv"]).expect(0);
    let stored = place.json(&["pipeline", "check", "tidy.yaml", "--project", "default"]);
    let stored = &stored["pipelines"][0];
    assert_eq!(
        (&stored["missing_processors"], &stored["missing_sources"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    place.file("more.yaml", &PIPELINE.replace("printer", "typist"));
    let missing = place.run(&["pipeline", "check", "tidy.yaml", "more.yaml", "--project", "default"]).expect(1).stdout;
    assert_eq!(missing.matches("missing config").count(), 1, "{missing}");
    assert!(missing.contains("missing config typist"), "{missing}");
    place.run(&["pipeline", "apply", "-f", "tidy.yaml"]).expect(0);
    let (of_file, stored) = (place.run(&["pipeline", "graph", "tidy.yaml"]), place.run(&["pipeline", "graph", "tidy"]));
    let drawing = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
    assert_eq!(drawing(&of_file.expect(0).stdout), drawing(&stored.expect(0).stdout));
    assert_eq!(place.json(&["pipeline", "graph", "tidy"])["pipelines"][0]["name"], "tidy");
    place.run(&["pipeline", "graph", "nobody"]).expect(4);
}

#[test]
fn every_mistake_of_pipeline_files_is_told_with_its_place() {
    let place = place();
    let bad = PIPELINE.replace("input: [raw]", "input: [clean]").replace("processor: mailer", "procesor: mailer");
    place.file("bad.yaml", &bad);
    place.file("no name.yaml", PIPELINE);
    let parts = ["bad.yaml:7:", "did you mean \"processor\"", "no name.yaml: name: \"no name\" is not a name"];
    for command in ["apply", "diff"] {
        let args = ["pipeline", command, "-f", "tidy.yaml", "-f", "bad.yaml", "-f", "no name.yaml"];
        let told = place.run(&args).expect(2).stderr;
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    }
    let told = place.run(&["pipeline", "check", "tidy.yaml", "bad.yaml"]).expect(2).stderr;
    assert!(parts.iter().take(2).all(|part| told.contains(part)), "{told}");
    let told = place.run(&["pipeline", "apply", "-f", "tidy.yaml", "-f", "bad.yaml", "--name", "x"]).expect(2).stderr;
    assert!(told.contains("there are 2 files; allowed: one file"), "{told}");
    // Nothing of all this is stored.
    assert_eq!(place.json(&["pipeline", "list"])["pipelines"], serde_json::json!([]));
}

#[test]
fn a_large_pipeline_reaches_the_process_that_holds_the_store() {
    let place = place();
    let nodes =
        (0..5_000).map(|at| format!("  node_number_{at}: {{ processor: washer, options: {{ AT: '{at}' }} }}\n"));
    place.file("large.yaml", &format!("processNodes:\n{}", nodes.collect::<String>()));
    let mut server = place.start(&["serve"]);
    server.wait_for_note("runs the jobs and schedules");
    assert_eq!(changes(&place.json(&["pipeline", "apply", "-f", "large.yaml"])), ["large created 1"]);
    assert_eq!(place.json(&["pipeline", "list"])["pipelines"][0]["nodes"], 5_000);
    assert_eq!(changes(&place.json(&["pipeline", "diff", "-f", "large.yaml"])), ["large unchanged 1"]);
    server.signal("TERM");
    server.end().expect(0);
}

#[test]
fn the_pipeline_of_the_readme_is_one() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let text = readme.split("```yaml\n# daily.yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let place = Place::new();
    place.file("daily.yaml", text);
    let checked = place.json(&["pipeline", "check", "daily.yaml"]);
    assert_eq!(checked["pipelines"][0]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(checked["pipelines"][0]["needs_sources"], serde_json::json!(["in/raw.csv"]));
}

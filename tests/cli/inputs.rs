//! Files that jobs begin with, and what they leave.

use crate::windlass::Place;

#[test]
fn files_go_in_at_every_attempt_and_results_come_out() {
    let place = Place::new();
    place.file("data.csv", "a,b\n1,2\n");
    let text = r#"
jobs:
  sum:
    retry: 2
    shell: |
      cat input/data.csv input/deep/note.txt
      echo spoilt > input/data.csv
      mkdir -p output/a; echo result > output/a/b.txt; ln -s /etc/passwd output/link
      printf '#!/bin/sh\n' > output/tool; chmod +x output/tool
      [ "$WINDLASS_ATTEMPT" = 2 ]
    inputs:
      data.csv: { file: data.csv }
      deep/note.txt: { text: "a note\n" }
  fails: { shell: "echo x > output/x; exit 1" }
"#;
    place.file("jobs.yaml", text);
    let done = place.run(&["run", "--outputs", "results", "jobs.yaml"]).expect(1);
    assert_eq!(done.stdout.matches("a,b").count(), 2, "{done:?}");
    assert_eq!(done.stdout.matches("a note").count(), 2, "{done:?}");
    assert_eq!(place.read("results/sum/a/b.txt"), "result\n");
    assert!(!place.path("results/sum/link").exists() && !place.path("results/fails").exists());
    assert!(done.stderr.contains("link is neither file nor directory"), "{done:?}");
    let tool = std::fs::metadata(place.path("results/sum/tool")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&tool.permissions()) & 0o777, 0o755);
    // A job that is submitted again has the files of the first, whatever has become of them since.
    place.file("data.csv", "other");
    let jobs = place.json(&["jobs"]);
    let sum = jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "sum").unwrap();
    let again = place.run(&["retry", sum["id"].as_str().unwrap()]).expect(0).stdout;
    assert!(again.contains("a,b") && !again.contains("other"), "{again}");
}

#[test]
fn other_content_is_another_run_and_mistakes_are_told() {
    let place = Place::new();
    place.file("jobs.yaml", "{name: show, shell: cat input/x, inputs: {x: {file: x.txt}}}");
    let told = place.run(&["run", "jobs.yaml"]).expect(2).stderr;
    assert!(told.contains("jobs.yaml:1:1: inputs: x.txt: cannot be read"), "{told}");
    place.file("x.txt", "one\n");
    assert!(place.run(&["run", "jobs.yaml"]).expect(0).stdout.contains("one"));
    place.file("x.txt", "two\n");
    assert!(place.run(&["run", "jobs.yaml"]).expect(0).stdout.contains("two"));
    let bad = "jobs:\n- shell: x\n  inputs: {../up: {text: a}, both: {text: a, file: b}, d: {text: ''}, d/e: {text: ''}}\n- shell: x\n  inputs: [a]\n";
    place.file("bad.yaml", bad);
    let told = place.run(&["run", "bad.yaml"]).expect(2).stderr;
    for part in ["there has to be one of the fields", "is a list; allowed: a map of paths"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    place.file("bad.yaml", &bad.replace("both: {text: a, file: b}, ", "").replace("inputs: [a]", "name: y"));
    let told = place.run(&["run", "bad.yaml"]).expect(2).stderr;
    for part in ["\"../up\" is no path of a file", "a directory of \"d/e\" is a file of its own"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

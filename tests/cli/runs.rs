//! Runs of pipelines from the command line.

use crate::windlass::Place;

const CONFIGS: &str = r#"
configs:
  wash: { shell: 'tr a-z A-Z < "$WINDLASS_INPUTS" > "$WINDLASS_OUTPUTS"; echo "$DAY" > output/value' }
  print: { shell: 'test -n "$MENDED" && { echo "<$TITLE>"; cat "$WINDLASS_INPUTS"; } > "$WINDLASS_OUTPUTS"' }
  mail: { shell: 'echo sent' }
"#;
const PIPELINE: &str = r#"
parameters: { day: monday, token: '' }
dataNodes:
  raw: { source: in/raw.csv }
  clean: { source: work/clean.csv }
  report: { source: out/report.html }
processNodes:
  wash: { input: [raw], output: [clean], processor: wash, options: { DAY: '${parameters.day}', TOKEN: '${parameters.token}' } }
  print: { input: [clean], output: [report], processor: print, options: { TITLE: 'rows of ${nodes.wash.output}' } }
  alarm: { processor: mail, after: [{ node: print, on: failure }] }
"#;

#[test]
fn a_pipeline_runs_and_what_failed_runs_again() {
    let place = Place::new();
    place.file("configs.yaml", CONFIGS);
    place.file("daily.yaml", PIPELINE);
    place.file("raw.csv", "some rows\n");
    place.run(&["apply", "-f", "configs.yaml"]).expect(0);
    place.run(&["pipeline", "apply", "-f", "daily.yaml"]).expect(0);
    place.run(&["files", "put", "in/raw.csv", "raw.csv"]).expect(0);

    let said = place.run(&["pipeline", "run", "daily", "-p", "day=friday"]).expect(1);
    assert!(said.stdout.contains("sent"), "{}", said.stdout);
    let listed = place.json(&["pipeline", "runs", "daily"]);
    let first = listed["runs"][0]["run"].as_str().unwrap().to_owned();
    let text = place.run(&["pipeline", "status", &first]).expect(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("run {first} of pipeline daily, revision 1: failed"));
    assert_eq!(lines[1], "2 succeeded, 1 failed");
    assert_eq!(
        lines[2..5],
        ["1 ─ wash   succeeded", "2 ─ print  failed     ← wash", "3 ─ alarm  succeeded  ← print (failure)"]
    );

    // What was wrong is mended in the config; the graph and the parameters are those of the run.
    place.file("configs.yaml", &CONFIGS.replace("test -n \"$MENDED\" && ", ""));
    place.run(&["apply", "-f", "configs.yaml"]).expect(0);
    place.run(&["pipeline", "rerun", &first]).expect(0);
    let listed = place.json(&["pipeline", "runs", "daily"]);
    let again = &listed["runs"][0];
    assert_eq!((&again["again_of"], &again["state"]), (&first.as_str().into(), &"succeeded".into()));
    let shown = place.json(&["pipeline", "status", again["run"].as_str().unwrap()]);
    let nodes = shown["runs"][0]["nodes"].as_array().unwrap();
    let states: Vec<_> =
        nodes.iter().map(|node| (node["state"].as_str().unwrap(), node["kept"].as_bool().unwrap())).collect();
    assert_eq!(states, [("succeeded", true), ("succeeded", false), ("skipped", false)]);
    place.run(&["files", "get", "out/report.html", "report.html"]).expect(0);
    assert_eq!(place.read("report.html"), "<rows of friday>\nSOME ROWS\n");

    let refused = place.run(&["pipeline", "rerun", &first, "--from", "nope"]).expect(4).stderr;
    assert!(refused.contains("nope"), "{refused}");
    let refused = place.run(&["pipeline", "run", "daily", "-p", "dya=x", "-p", "t=y"]).expect(2).stderr;
    assert!(refused.contains("parameters.dya") && refused.contains("parameters.t:"), "{refused}");
}

//! `windlass run`: exit codes, bad files, what is printed.

use serde_json::Value;

use crate::windlass::{Place, wait_for_file};

#[test]
fn the_exit_code_is_that_of_the_first_failed_program() {
    let place = Place::new();
    for (name, jobs, code) in [
        ("good", "shell: exit 0", 0),
        ("bad", "shell: exit 42", 42),
        ("beyond", "shell: exit 126", 1),
        ("signal", "shell: kill -9 $$", 1),
        ("missing", "command: /no/such/program", 1),
        ("late", "{shell: sleep 60, timeout: 200ms, stop_grace: 1s}", 1),
        ("chain", "jobs: [{name: a, shell: exit 3}, {name: b, shell: exit 4, after: a}]", 3),
    ] {
        let file = place.file(&format!("{name}.yaml"), jobs);
        let done = place.run(&["run", file.to_str().unwrap()]);
        assert_eq!(done.code, Some(code), "{name}: {done:#?}");
    }
}

#[test]
fn all_mistakes_of_all_files_are_told_before_anything_is_submitted() {
    let place = Place::new();
    place.file("good.yaml", "shell: touch ran");
    place.file("one.yaml", "comand: echo\npriority: 300\n");
    place.file("two.yaml", "jobs:\n  - {name: a, command: x, after: b}\n  - {command: [}\n");
    let files = ["run", "good.yaml", "one.yaml", "two.yaml", "three.yaml"];
    let done = place.run(&files).expect(2);
    for told in [
        "one.yaml:1:1: comand: unknown field, did you mean \"command\"?; allowed: ",
        "one.yaml:2:11: priority: \"300\" is out of range; allowed: a whole number from 0 to 255",
        "two.yaml:3:16: not YAML: ",
        "three.yaml: cannot be read: ",
    ] {
        assert!(done.stderr.contains(told), "{told} is missing in:\n{}", done.stderr);
    }
    assert!(!place.store().exists() && !place.path("ran").exists());
}

#[test]
fn wrong_usage_is_told_apart() {
    let place = Place::new();
    place.file("good.yaml", "shell: exit 0");
    place.run(&["run"]).expect(2);
    place.run(&["run", "good.yaml", "--no-such-option"]).expect(2);
    let done = place.run(&["run", "good.yaml", "-o", "my-secret-value"]).expect(2);
    assert!(!done.stderr.contains("my-secret-value"), "{}", done.stderr);
    let done = place.run(&["run", "good.yaml", "-o", "A\nB=1"]).expect(2);
    assert!(done.stderr.contains("options."), "{}", done.stderr);
}

#[test]
fn json_is_a_line_per_event_and_a_summary() {
    let place = Place::new();
    place.file("jobs.yaml", "{name: talk, shell: 'echo out; echo err >&2; exit 7'}");
    let done = place.run(&["run", "--json", "jobs.yaml"]).expect(7);
    let lines: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, events) = lines.split_last().unwrap();
    let words: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words.last(), Some(&"finished"), "{words:?}");
    assert!(words.contains(&"started"), "{words:?}");
    let logs: Vec<String> = events
        .iter()
        .filter(|event| event["event"] == "log")
        .map(|log| format!("{} {} {}", log["name"], log["stream"], log["text"]))
        .collect();
    assert!(logs.contains(&r#""talk" "stdout" "out""#.to_owned()), "{logs:?}");
    assert!(logs.contains(&r#""talk" "stderr" "err""#.to_owned()), "{logs:?}");
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["exit_code"], 7);
    let job = &summary["jobs"][0];
    assert_eq!((&job["name"], &job["state"]), (&"talk".into(), &"failed".into()));
    assert_eq!(job["reason"]["kind"], "exit_code");
    assert_eq!(job["reason"]["exit_code"], 7);
}

#[test]
fn streams_stay_apart_and_quiet_is_quiet() {
    let place = Place::new();
    place.file("jobs.yaml", "{name: talk, shell: 'echo out; echo err >&2; printf unended'}");
    let done = place.run(&["run", "jobs.yaml"]).expect(0);
    assert!(done.stdout.contains("talk | out\n"), "{done:#?}");
    assert!(done.stdout.contains("talk | unended\n"), "{done:#?}");
    assert!(done.stderr.contains("talk | err\n"), "{done:#?}");
    assert!(done.stderr.contains("talk > succeeded\n"), "{done:#?}");
    let quiet = place.run(&["run", "--quiet", "jobs.yaml"]).expect(0);
    assert_eq!(quiet.stdout, "out\nunended\n");
    assert_eq!(quiet.stderr, "err\n");
}

#[test]
fn options_reach_the_jobs() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        r#"
options: {SHARED: all, MINE: default}
jobs:
  - {name: one, shell: 'echo "1 $SHARED $MINE $EXTRA $JOB_FILE_DIR"', options: {MINE: own}}
  - {name: two, shell: 'echo "2 $SHARED $MINE [$EXTRA] $TOKEN"', after: one, options: {TOKEN: {secret: hush-hush}}}
"#,
    );
    let done = place.run(&["run", "-q", "-o", "EXTRA=more", "jobs.yaml"]).expect(0);
    let dir = place.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    let expected = format!("1 all own more {dir}\n2 all default [] ***\n");
    assert_eq!(done.stdout, expected);
}

#[test]
fn a_failed_attempt_is_tried_again() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        "{shell: 'cd $JOB_FILE_DIR; echo x >> tries; test $(wc -l < tries) -ge 3', \
         retry: {max_attempts: 3, backoff: {initial: 10ms}}}",
    );
    let done = place.run(&["run", "jobs.yaml"]).expect(0);
    assert_eq!(place.read("tries").lines().count(), 3);
    assert!(done.stderr.contains("attempt 1 failed: exit code 1"), "{done:#?}");
    assert!(done.stdout.contains("3/3"), "{done:#?}");
}

#[test]
fn ctrl_c_cancels_the_jobs_and_waits() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        r#"
jobs:
  - name: first
    shell: |
      cd "$JOB_FILE_DIR"
      trap 'echo polite > farewell; exit 0' TERM
      touch began
      while :; do sleep 0.05; done
  - {name: second, shell: 'touch "$JOB_FILE_DIR/second-ran"', after: first}
"#,
    );
    let running = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.path("began"));
    running.signal("INT");
    let done = running.end().expect(130);
    assert_eq!(place.read("farewell"), "polite\n");
    assert!(!place.path("second-ran").exists());
    for name in ["first", "second"] {
        let rows: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with(name)).collect();
        assert!(rows.iter().any(|row| row.contains("cancelled by Ctrl-C")), "{done:#?}");
    }
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_the_next_run_goes_on() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        r#"
name: stubborn
stop_grace: 2s
shell: |
  cd "$JOB_FILE_DIR"
  trap '' TERM
  touch began
  while :; do sleep 0.05; done
"#,
    );
    let mut running = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.path("began"));
    running.signal("INT");
    running.wait_for_note("cancelling");
    running.signal("INT");
    running.end().expect(130);
    let done = place.run(&["run", "jobs.yaml"]).expect(1);
    assert!(done.stderr.contains("resuming, 0 of 1 jobs"), "{done:#?}");
    assert!(done.stdout.contains("cancelled by Ctrl-C"), "{done:#?}");
}

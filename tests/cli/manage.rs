//! The other commands, beside a run and without one.

use std::process::Stdio;

use serde_json::Value;

use crate::windlass::{Place, wait_for, wait_for_file};

/// A job that says a line whenever it is asked to, and ends when it is told to.
const TALKER: &str = r#"
name: talker
shell: |
  cd "$JOB_FILE_DIR"
  echo hello
  while [ ! -e go ]; do sleep 0.05; done
  echo goodbye
"#;

fn id(job: &Value) -> String {
    job["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_log_is_followed_from_another_process() {
    let place = Place::new();
    place.file("jobs.yaml", TALKER);
    let run = place.start(&["run", "jobs.yaml"]);
    let id = id(&place.job_in_state("talker", "running"));
    let mut follow = place.start(&["logs", "-f", &id]);
    let mut lines = follow.lines();
    assert_eq!(lines.next().unwrap().unwrap(), "hello");
    // The run ends with the job; the rest of the log is shown all the same.
    place.file("go", "");
    assert_eq!(lines.next().unwrap().unwrap(), "goodbye");
    assert!(lines.next().is_none());
    follow.end().expect(0);
    run.end().expect(0);
    assert_eq!(place.run(&["logs", &id]).expect(0).stdout, "hello\ngoodbye\n");
}

#[test]
fn a_running_job_is_cancelled_from_another_process() {
    let place = Place::new();
    place.file("jobs.yaml", TALKER);
    let run = place.start(&["run", "jobs.yaml"]);
    let id = id(&place.job_in_state("talker", "running"));
    let answer = place.json(&["cancel", &id]);
    assert_eq!(answer["jobs"][0]["id"], id.as_str());
    let done = run.end().expect(1);
    assert!(done.stdout.contains("cancelled by "), "{done:#?}");
    let job = place.json(&["jobs", &id]);
    assert_eq!((&job["state"], &job["reason"]["kind"]), (&"cancelled".into(), &"cancelled".into()));
    let events: Vec<&str> =
        job["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events.first(), Some(&"submitted"));
    assert_eq!(events.last(), Some(&"finished"));
    // Cancelling what is over changes nothing.
    place.run(&["cancel", &id]);
    assert_eq!(place.json(&["jobs", &id])["state"], "cancelled");
}

#[test]
fn a_held_job_is_released_from_another_process() {
    let place = Place::new();
    place.file("jobs.yaml", "{name: held, hold: true, shell: echo free}");
    let run = place.start(&["run", "jobs.yaml"]);
    let id = id(&place.job_in_state("held", "waiting"));
    place.run(&["release", &id]).expect(0);
    assert!(run.end().expect(0).stdout.contains("held | free"));
    // There is nothing left to release.
    let done = place.run(&["release", &id]);
    assert_ne!(done.code, Some(0), "{done:#?}");
}

/// Two jobs of a plugin that go on for long; the second must not run twice.
const DISTANT: &str = r#"
jobs:
  - {name: again, executor: mock, with: {run_ms: 3600000}}
  - {name: once, executor: mock, with: {run_ms: 3600000}, on_crash: fail}
"#;

#[test]
fn runs_whose_plugin_is_gone_are_given_up_beside_a_run_and_without_one() {
    let place = Place::new();
    std::fs::create_dir_all(place.store()).unwrap();
    let granted = place.store().join("windlass.toml");
    std::fs::write(&granted, "[plugin.mock]\n").unwrap();
    place.file("distant.yaml", DISTANT);
    let run = place.start(&["run", "distant.yaml"]);
    let [again, once] = ["again", "once"].map(|name| id(&place.job_in_state(name, "running")));
    let done = place.run(&["give-up", &again]);
    assert!(done.code != Some(0) && done.stderr.contains("not out of contact"), "{done:#?}");
    run.signal("KILL");
    run.end();
    std::fs::remove_file(granted).unwrap();

    place.file("jobs.yaml", TALKER);
    let run = place.start(&["run", "jobs.yaml"]);
    place.job_in_state("talker", "running");
    wait_for("the loss", || place.json(&["jobs", &again])["lost_since"].is_string().then_some(()));
    assert!(place.run(&["jobs"]).expect(0).stdout.contains("out of contact since"));
    assert_eq!(place.json(&["give-up", &again])["jobs"][0]["state"], "queued");
    place.file("go", "");
    run.end().expect(0);
    let job = place.json(&["give-up", &once])["jobs"][0].clone();
    assert_eq!((&job["state"], &job["reason"]["kind"]), (&"failed".into(), &"given_up".into()));
}

#[test]
fn a_failed_job_is_retried_without_a_run() {
    let place = Place::new();
    place.file("jobs.yaml", "{name: picky, shell: 'test -e \"$JOB_FILE_DIR/go\"'}");
    place.run(&["run", "jobs.yaml"]).expect(1);
    let failed = id(&place.job_in_state("picky", "failed"));
    place.run(&["retry", &failed]).expect(1);
    place.file("go", "");
    let done = place.run(&["retry", &failed]).expect(0);
    assert!(done.stdout.contains("succeeded"), "{done:#?}");
    let new = place.job_in_state("picky", "succeeded");
    assert_ne!(id(&new), failed);
    assert_eq!(place.json(&["jobs", &failed])["state"], "failed");
}

#[test]
fn a_retry_beside_a_run_is_done_by_the_run() {
    let place = Place::new();
    place.file("jobs.yaml", TALKER);
    place.file("once.yaml", "{name: once, shell: 'echo ran >> \"$JOB_FILE_DIR/once\"'}");
    place.run(&["run", "once.yaml"]).expect(0);
    let once = id(&place.job_in_state("once", "succeeded"));
    let run = place.start(&["run", "jobs.yaml"]);
    place.job_in_state("talker", "running");
    let retries = place.json(&["retry", &once]);
    let new = retries["retries"][0]["new_id"].as_str().unwrap().to_owned();
    wait_for("the retry", || (place.json(&["jobs", &new])["state"] == "succeeded").then_some(()));
    assert_eq!(place.read("once"), "ran\nran\n");
    place.file("go", "");
    run.end().expect(0);
}

#[test]
fn lists_are_filtered_and_paged() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        "jobs: [{name: a, shell: exit 0, queue: q, project: p, config: c}, {name: b, shell: exit 1}, \
         {name: c, shell: exit 0}, {name: d, shell: exit 0}, {name: e, shell: exit 0}]",
    );
    place.run(&["run", "jobs.yaml"]).expect(1);
    let names = |args: &[&str]| -> Vec<String> {
        let mut all = vec!["jobs"];
        all.extend_from_slice(args);
        let list = place.json(&all);
        let jobs = list["jobs"].as_array().unwrap().clone();
        jobs.iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["e", "d", "c", "b", "a"]);
    assert_eq!(names(&["--state", "failed"]), ["b"]);
    assert_eq!(names(&["--state", "failed", "--state", "succeeded"]).len(), 5);
    assert_eq!(names(&["--queue", "q"]), ["a"]);
    assert_eq!(names(&["--project", "p"]), ["a"]);
    assert_eq!(names(&["--config", "c"]), ["a"]);
    assert_eq!(names(&["--since", "2200-01-01T00:00:00Z"]), [] as [&str; 0]);
    assert_eq!(names(&["--until", "2200-01-01T00:00:00Z"]).len(), 5);
    let chain = place.json(&["jobs", "--limit", "1"])["jobs"][0]["chain"].clone();
    assert_eq!(names(&["--chain", chain.as_str().unwrap()]).len(), 5);

    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut args = vec!["jobs", "--limit", "2"];
        args.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor]));
        let page = place.json(&args);
        let jobs = page["jobs"].as_array().unwrap();
        assert!(jobs.len() <= 2);
        seen.extend(jobs.iter().map(|job| job["name"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["e", "d", "c", "b", "a"]);
}

#[test]
fn wrong_questions_are_told_what_was_expected() {
    let place = Place::new();
    let nothing = place.run(&["jobs"]).expect(3);
    assert!(nothing.stderr.contains("there is no store in"), "{nothing:#?}");
    place.file("jobs.yaml", "shell: exit 0");
    place.run(&["run", "jobs.yaml"]).expect(0);
    let missing = "0199f0a0-0000-7000-8000-000400000000";
    for (args, code, says) in [
        (vec!["jobs", "12"], 2, "expected a UUID"),
        (vec!["jobs", missing], 4, "there is no job"),
        (vec!["logs", missing], 4, "there is no job"),
        (vec!["cancel", missing], 4, "there is no job"),
        (vec!["retry", missing], 4, "there is no job"),
        (vec!["jobs", "--state", "done"], 2, "allowed: waiting, queued"),
        (vec!["jobs", "--cursor", "x"], 2, "not a cursor"),
        (vec!["jobs", "--since", "yesterday"], 2, "is not a time"),
        (vec!["jobs", "--limit", "0"], 2, "0 is not in 1..=1000"),
    ] {
        let done = place.run(&args).expect(code);
        assert!(done.stderr.contains(says), "{args:?}: {done:#?}");
    }
}

#[test]
fn streams_and_attempts_of_a_log() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        "{name: twice, shell: 'echo out $attempt; echo err >&2; test -e \"$JOB_FILE_DIR/go\" || { touch \"$JOB_FILE_DIR/go\"; exit 1; }', \
         retry: {max_attempts: 2, backoff: {initial: 0s}}}",
    );
    place.run(&["run", "jobs.yaml"]).expect(0);
    let id = id(&place.job_in_state("twice", "succeeded"));
    let both = place.run(&["logs", &id]).expect(0);
    assert_eq!((both.stdout.lines().count(), both.stderr.as_str()), (1, "err\n"));
    let only = place.run(&["logs", &id, "--stream", "stderr"]).expect(0);
    assert_eq!((only.stdout.as_str(), only.stderr.as_str()), ("", "err\n"));
    let first = place.json(&["logs", &id, "--attempt", "1"]);
    assert_eq!(first["attempt"], 1);
    assert_eq!(first["lines"].as_array().unwrap().len(), 2);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    place.file("jobs.yaml", "shell: exit 0");
    place.run(&["run", "jobs.yaml"]).expect(0);
    for args in [vec!["jobs"], vec!["jobs", "--json"]] {
        let mut command = place.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

#[test]
fn two_runs_do_not_share_a_store() {
    let place = Place::new();
    place.file("jobs.yaml", TALKER);
    let run = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.store().join("control.sock"));
    place.job_in_state("talker", "running");
    let done = place.run(&["run", "jobs.yaml"]).expect(3);
    assert!(done.stderr.contains("in use"), "{done:#?}");
    place.file("go", "");
    run.end().expect(0);
    assert!(!place.store().join("control.sock").exists());
}

//! A run that was killed goes on where it was.

use crate::windlass::{Place, wait_for_file};

/// Each job leaves a line for each time it ran.
const JOBS: &str = r#"
jobs:
  - {name: first, shell: 'echo ran >> "$JOB_FILE_DIR/first"'}
  - name: second
    after: first
    shell: |
      cd "$JOB_FILE_DIR"
      echo "second begins"
      echo ran >> second
      while [ ! -e go ]; do sleep 0.05; done
      echo "second ends"
  - {name: third, after: second, shell: 'echo ran >> "$JOB_FILE_DIR/third"'}
"#;

#[test]
fn after_kill_9_nothing_is_repeated_and_the_running_process_is_found_again() {
    let place = Place::new();
    place.file("jobs.yaml", JOBS);
    let running = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.path("second"));
    running.signal("KILL");
    assert_eq!(running.end().code, None);

    let mut again = place.start(&["run", "jobs.yaml"]);
    again.wait_for_note("jobs.yaml: resuming, 1 of 3 jobs were finished before");
    place.file("go", "");
    let done = again.end().expect(0);
    for name in ["first", "second", "third"] {
        assert_eq!(place.read(name), "ran\n", "{name}: {done:#?}");
    }
    // Its log is whole: what it wrote before the kill, and what it wrote after.
    assert!(done.stdout.contains("second | second begins\n"), "{done:#?}");
    assert!(done.stdout.contains("second | second ends\n"), "{done:#?}");
    let jobs = place.json(&["jobs"]);
    for job in jobs["jobs"].as_array().unwrap() {
        assert_eq!((&job["attempts"], &job["state"]), (&1.into(), &"succeeded".into()));
    }
}

#[test]
fn a_process_that_ended_meanwhile_is_not_run_again() {
    let place = Place::new();
    place.file("jobs.yaml", JOBS);
    let running = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.path("second"));
    running.signal("KILL");
    running.end();
    place.file("go", "");
    let done = place.run(&["run", "jobs.yaml"]).expect(0);
    assert!(done.stderr.contains("resuming"), "{done:#?}");
    assert_eq!(place.read("second"), "ran\n");
    assert_eq!(place.read("third"), "ran\n");
}

#[test]
fn an_end_that_no_run_has_shown_is_shown_and_not_repeated() {
    let place = Place::new();
    let job = "cd \"$JOB_FILE_DIR\"; echo ran >> ran; while [ ! -e go ]; do sleep 0.05; done; exit 9";
    place.file("jobs.yaml", &format!("{{name: lone, shell: '{job}'}}"));
    let running = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.path("ran"));
    running.signal("KILL");
    running.end();
    place.file("go", "");
    // Another command finds the end first.
    place.job_in_state("lone", "failed");
    let done = place.run(&["run", "jobs.yaml"]).expect(9);
    assert!(done.stderr.contains("resuming, 1 of 1 jobs were finished before"), "{done:#?}");
    assert_eq!(place.read("ran"), "ran\n");
    place.run(&["run", "jobs.yaml"]).expect(9);
    assert_eq!(place.read("ran"), "ran\nran\n");
}

#[test]
fn a_finished_or_changed_file_runs_anew() {
    let place = Place::new();
    place.file("jobs.yaml", "shell: echo ran >> \"$JOB_FILE_DIR/count\"");
    for (args, runs) in
        [(vec!["run", "jobs.yaml"], 1), (vec!["run", "jobs.yaml"], 2), (vec!["run", "-o", "A=1", "jobs.yaml"], 3)]
    {
        let done = place.run(&args).expect(0);
        assert!(!done.stderr.contains("resuming"), "{done:#?}");
        assert_eq!(place.read("count").lines().count(), runs);
    }
}

#[test]
fn a_terminated_run_leaves_its_jobs_to_the_next() {
    let place = Place::new();
    place.file("jobs.yaml", JOBS);
    let running = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.path("second"));
    running.signal("TERM");
    running.end().expect(130);
    place.file("go", "");
    place.run(&["run", "jobs.yaml"]).expect(0);
    assert_eq!(place.read("second"), "ran\n");
}

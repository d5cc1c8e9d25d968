//! The mock as an engine uses it, without one.

use std::time::Instant;

use serde_json::Value;
use windlass_plugin::testing::{self, Log};
use windlass_plugin::{Outcome, Status};

use super::*;

fn submitted(options: Value) -> Run<Pretended> {
    let task = testing::task(&options).unwrap();
    testing::run(Some(Mock::submit(&task).unwrap()))
}

/// Follows a run as the engine does: what it is told replaces the handle. The phases that it was told.
fn followed(mut run: Run<Pretended>) -> Vec<Phase> {
    let mut phases = Vec::new();
    loop {
        let told = Mock::observe(std::slice::from_ref(&run), Duration::from_secs(5)).unwrap().remove(0);
        let Observation::Known(Status { phase, handle, .. }) = told else { panic!("{told:?}") };
        if let Some(handle) = handle {
            run.handle = Some(handle);
        }
        phases.push(phase);
        if let Some(Phase::Ended(_)) = phases.last() {
            return phases;
        }
    }
}

fn ends(options: Value) -> Outcome {
    match followed(submitted(options)).pop() {
        Some(Phase::Ended(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

fn observed_now(run: &Run<Pretended>) -> Observation<Pretended> {
    Mock::observe(std::slice::from_ref(run), Duration::ZERO).unwrap().remove(0)
}

#[test]
fn a_run_goes_through_its_phases_and_each_is_told() {
    let phases = followed(submitted(json!({ "pending_ms": 30, "pending_reason": "queued", "run_ms": 30 })));
    assert_eq!(phases, [Phase::Pending(Some("queued".to_owned())), Phase::Running, Phase::Ended(Outcome::Succeeded)]);
}

#[test]
fn a_run_ends_as_its_options_say() {
    assert_eq!(ends(json!({})), Outcome::Succeeded);
    assert_eq!(ends(json!({ "outcome": { "exited": 3 } })), Outcome::Exited(3));
    assert_eq!(ends(json!({ "outcome": { "signalled": 9 } })), Outcome::Signalled(9));
    assert_eq!(ends(json!({ "outcome": "out-of-memory" })), Outcome::OutOfMemory);
    assert_eq!(ends(json!({ "outcome": "lost" })), Outcome::Lost);
    assert_eq!(ends(json!({ "outcome": "stopped" })), Outcome::Stopped);
    assert_eq!(ends(json!({ "outcome": "lost", "succeeds_from": 1 })), Outcome::Succeeded);
    assert_eq!(ends(json!({ "outcome": "lost", "succeeds_from": 2 })), Outcome::Lost);
    let failed = json!({ "kind": "not-found", "retry": { "after": 5 }, "message": "no image", "code": "E1" });
    let error = Error::not_found("no image").retry(Retry::After(5)).code("E1");
    assert_eq!(ends(json!({ "outcome": { "failed": failed.clone() } })), Outcome::Failed(error.clone()));
    assert_eq!(ends(json!({ "outcome": { "not-started": failed }, "run_ms": 60_000 })), Outcome::NotStarted(error));
    assert_eq!(observed_now(&submitted(json!({ "outcome": "gone" }))), Observation::Gone);
    assert_eq!(observed_now(&testing::run(None)), Observation::Gone);
}

#[test]
fn a_wait_ends_when_any_run_changes() {
    let seen = |options| {
        let mut run = submitted(options);
        let Observation::Known(Status { handle: Some(handle), .. }) = observed_now(&run) else { panic!() };
        run.handle = Some(handle);
        run
    };
    let runs = [seen(json!({ "outcome": "never" })), seen(json!({ "run_ms": 50 }))];
    let begun = Instant::now();
    let told = Mock::observe(&runs, Duration::from_secs(60)).unwrap();
    assert_eq!(told[0], Observation::running());
    assert!(matches!(&told[1], Observation::Known(status) if status.phase == Phase::Ended(Outcome::Succeeded)));
    assert!(begun.elapsed() < Duration::from_secs(30), "it did not wait to the end");
}

#[test]
fn a_stopped_run_ends_after_its_own_time_or_the_grace() {
    let run = submitted(json!({ "outcome": "never", "stop_ms": 3_600_000 }));
    let stopped = Mock::stop(&run, Duration::from_secs(3600)).unwrap();
    assert!(
        matches!(observed_now(&testing::run(stopped.clone())), Observation::Known(it) if it.phase == Phase::Running)
    );
    let again = Mock::stop(&testing::run(stopped.clone()), Duration::ZERO).unwrap();
    assert_eq!(again, stopped, "the first stop counts");
    let stopped = Mock::stop(&run, Duration::from_millis(20)).unwrap();
    assert_eq!(followed(testing::run(stopped)).last(), Some(&Phase::Ended(Outcome::Stopped)));
    let over = submitted(json!({ "outcome": { "exited": 1 } }));
    let stopped = Mock::stop(&over, Duration::ZERO).unwrap();
    assert_eq!(followed(testing::run(stopped)), [Phase::Ended(Outcome::Exited(1))]);
    let never_submitted = Mock::stop(&testing::run(None), Duration::ZERO).unwrap();
    assert_eq!(followed(testing::run(never_submitted)), [Phase::Ended(Outcome::Stopped)]);
}

#[test]
fn a_log_goes_on_where_it_was_cut_wherever_that_is() {
    let run = submitted(json!({ "print": "line {n}", "lines": 2_000, "to": "both" }));
    let mut whole = Log::default();
    assert!(whole.take(|to| Mock::logs(&run, None, Duration::ZERO, to)).unwrap());
    let expected: String = (1..=2_000).map(|n| format!("line {n}\n")).collect();
    assert_eq!(whole.to_string(), expected);
    assert_eq!(whole.pieces[1].channel, Channel::Stderr);
    for cut in [0, 1, 7, 8, 1_234, expected.len() - 1, expected.len()] {
        let mut rest = Log::default();
        assert!(rest.take(|to| Mock::logs(&run, Some(&cut.to_string()), Duration::ZERO, to)).unwrap());
        assert_eq!(rest.to_string(), expected[cut..], "from {cut}");
    }
    let mut first = Log { wants: Some(3), ..Log::default() };
    assert!(!first.take(|to| Mock::logs(&run, None, Duration::ZERO, to)).unwrap());
    assert_eq!(first.to_string(), "line 1\nline 2\nline 3\n");
    assert_eq!(first.cursor(), Some("21"));
}

#[test]
fn a_log_is_followed_to_the_end_of_the_run() {
    let run = submitted(json!({ "run_ms": 60, "print": "x", "lines": 3 }));
    let mut log = Log::default();
    assert!(!log.take(|to| Mock::logs(&run, None, Duration::ZERO, to)).unwrap());
    let cursor = log.cursor().map(str::to_owned);
    assert!(log.take(|to| Mock::logs(&run, cursor.as_deref(), Duration::from_secs(30), to)).unwrap());
    assert_eq!(log.to_string(), "x\nx\nx\n");
}

#[test]
fn calls_go_wrong_as_the_options_say() {
    let fault = json!({ "error": { "kind": "unavailable", "retry": "backoff", "message": "away" } });
    let away = Error::unavailable("away");
    let refused = testing::task(&json!({ "faults": { "submit": fault.clone() } })).unwrap();
    assert_eq!(Mock::submit(&refused).unwrap_err(), away);
    let all = json!({ "observe": fault.clone(), "stop": fault.clone(), "collect": fault.clone(), "remove": fault.clone(), "logs": fault });
    let run = submitted(json!({ "faults": all }));
    assert_eq!(observed_now(&run), Observation::Unknown(away.clone()));
    assert_eq!(Mock::stop(&run, Duration::ZERO).unwrap_err(), away);
    assert_eq!(Mock::collect(&run).unwrap_err(), away);
    assert_eq!(Mock::remove(&run).unwrap_err(), away);
    assert_eq!(Log::default().take(|to| Mock::logs(&run, None, Duration::ZERO, to)).unwrap_err(), away);
    let panics = testing::task(&json!({ "faults": { "submit": "panic" } })).unwrap();
    assert!(std::panic::catch_unwind(|| Mock::submit(&panics)).is_err());
}

#[test]
fn outputs_and_checkpoints_reach_the_engine() {
    let directory = std::env::temp_dir().join(format!("windlass-mock-{}", std::process::id()));
    testing::work_at(&directory);
    let run = submitted(json!({ "output": { "a/b.txt": "content" }, "checkpoint": true, "handle_bytes": 100 }));
    Mock::collect(&run).unwrap();
    assert_eq!(std::fs::read_to_string(directory.join("output/a/b.txt")).unwrap(), "content");
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(testing::checkpoints::<Pretended>().unwrap(), [run.handle.unwrap()]);
}

#[test]
fn the_schema_names_every_option() {
    let schema = options::schema();
    for name in schema["properties"].as_object().unwrap().keys() {
        let problems = testing::task::<Options>(&json!({ name: [[]] })).unwrap_err();
        assert!(!problems[0].problem.starts_with("unknown"), "{name}");
    }
    let message = testing::task::<Options>(&json!({ "strange": 1 })).unwrap_err()[0].allowed.clone();
    let options: Vec<&str> = message.split(", ").map(|it| it.trim_matches('`')).collect();
    let mut named: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    named.sort_unstable();
    let mut options = options;
    options.sort_unstable();
    assert_eq!(options, named);
}

#[test]
fn definitions_come_in_pages() {
    let first = Mock::definitions(None).unwrap();
    let second = Mock::definitions(first.next.as_deref()).unwrap();
    assert_eq!((first.entries[0].name.as_str(), second.entries[0].name.as_str()), ("quick", "slow"));
    assert_eq!(second.next, None);
    assert!(Mock::definitions(Some("third")).is_err());
}

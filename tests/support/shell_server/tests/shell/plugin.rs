//! The plugin against the server, native, with requests that go to it and connections that break.

use std::time::Duration;

use serde_json::{Value, json};
use windlass_plugin::testing::{self, Log, Reply};
use windlass_plugin::{Error, Executor, Observation, Outcome, Phase, Run};
use windlass_plugin_shell::{Known, Shell};

use crate::stage::{Client, Stage, within};

/// Has the endpoint of the plugin lead to the server.
fn connect(client: &Client) {
    let client = client.clone();
    testing::endpoint("jobs").otherwise(move |asked| {
        let query: Vec<String> = asked.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let target = format!("{}?{}", asked.path, query.join("&"));
        match client.ask(&asked.method, &target, &asked.body) {
            Ok(answer) => {
                let ended = answer.log_ended.map(|it| it.to_string()).unwrap_or_default();
                Reply::bytes(answer.status, answer.body).header("log-ended", &ended)
            }
            Err(error) => Reply::failure(Error::unavailable(error.to_string())),
        }
    });
}

fn options(script: &str) -> Value {
    json!({ "command": ["sh", "-c", script] })
}

fn submit(options: &Value) -> Result<Known, Error> {
    Shell::submit(&testing::task(options).unwrap())
}

fn observe(run: &Run<Known>, wait: Duration) -> Observation<Known> {
    Shell::observe(std::slice::from_ref(run), wait).unwrap().remove(0)
}

/// Follows a run to its end.
fn end(run: &Run<Known>) -> Outcome {
    within(|| match observe(run, Duration::from_secs(10)) {
        Observation::Known(status) => match status.phase {
            Phase::Ended(outcome) => Some(outcome),
            _ => None,
        },
        other => panic!("{other:?}"),
    })
}

fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_job_takes_its_work_there_and_brings_its_output_back() {
    let stage = Stage::new(&[]);
    connect(&stage.client());
    testing::packed(archive(&[("input.txt", "content")]));
    Shell::check().unwrap();
    let options = options("cat input.txt; echo warn >&2; cp input.txt output/copy; exit 4");
    let run = testing::run(Some(submit(&options).unwrap()));
    assert_eq!(testing::checkpoints::<Known>().unwrap().len(), 1);
    assert_eq!(end(&run), Outcome::Exited(4));
    let mut log = Log::default();
    assert!(log.take(|to| Shell::logs(&run, None, Duration::from_secs(10), to)).unwrap());
    assert_eq!(log.to_string().len(), "content".len() + "warn\n".len());
    let cursor = log.pieces[0].cursor.clone();
    let mut rest = Log::default();
    assert!(rest.take(|to| Shell::logs(&run, Some(&cursor), Duration::ZERO, to)).unwrap());
    assert_eq!(rest.pieces, log.pieces[1..]);
    Shell::collect(&run).unwrap();
    let unpacked = testing::unpacked();
    let mut output = tar::Archive::new(unpacked.as_slice());
    let names: Vec<_> = output.entries().unwrap().map(|it| it.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, [std::path::PathBuf::from("copy")]);
    let owned = Shell::owned(None).unwrap();
    assert_eq!((owned.entries[0].attempt.clone(), owned.next), (run.attempt.clone(), None));
    Shell::remove(&run).unwrap();
    Shell::remove(&run).unwrap();
    assert_eq!(observe(&run, Duration::ZERO), Observation::Gone);
    assert!(Shell::owned(None).unwrap().entries.is_empty());
}

/// The requests of one submission: find or make, work, start.
#[test]
fn a_submission_that_is_cut_anywhere_and_made_again_starts_one_run() {
    for when in ["before", "after"] {
        for request in 1..=3 {
            let stage = Stage::new(&["--cut", &format!("{when}:{request}")]);
            testing::reset();
            connect(&stage.client());
            testing::packed(archive(&[]));
            let counter = stage.directory.path().join("counter");
            let options = options(&format!("echo started >> {}", counter.display()));
            assert_eq!(submit(&options).unwrap_err().retry, windlass_plugin::Retry::Backoff, "{when} {request}");
            // The engine may look before it submits again, without a handle.
            let early = observe(&testing::run(None), Duration::ZERO);
            assert_eq!(early == Observation::Gone, (when, request) == ("before", 1), "{when} {request}: {early:?}");
            let run = testing::run(Some(submit(&options).unwrap()));
            assert_eq!(end(&run), Outcome::Succeeded, "{when} {request}");
            assert_eq!(std::fs::read_to_string(counter).unwrap(), "started\n", "{when} {request}");
        }
    }
}

#[test]
fn a_refused_checkpoint_starts_nothing() {
    let stage = Stage::new(&[]);
    connect(&stage.client());
    testing::refuse_checkpoints(Error::internal("the disk is full"));
    assert_eq!(submit(&options("true")).unwrap_err().message, "the disk is full");
    let Observation::Known(status) = observe(&testing::run(None), Duration::ZERO) else { panic!() };
    assert_eq!(status.phase, Phase::Pending(Some("created".to_owned())));
}

#[test]
fn a_job_is_stopped_with_and_without_its_handle() {
    let stage = Stage::new(&[]);
    connect(&stage.client());
    let known = submit(&json!({ "command": ["sleep", "1000"], "work": false })).unwrap();
    let without = testing::run(None);
    assert_eq!(Shell::stop(&without, Duration::from_secs(60)).unwrap(), None);
    assert_eq!(end(&testing::run(Some(known))), Outcome::Stopped);
    Shell::stop(&without, Duration::ZERO).unwrap();
    Shell::remove(&without).unwrap();
    Shell::stop(&without, Duration::ZERO).unwrap();
}

#[test]
fn what_is_told_once_is_waited_upon() {
    let stage = Stage::new(&[]);
    connect(&stage.client());
    let made = submit(&json!({ "command": ["sleep", "1000"], "work": false })).unwrap();
    let Observation::Known(first) = observe(&testing::run(Some(made)), Duration::from_secs(60)) else { panic!() };
    assert_eq!(first.phase, Phase::Running);
    let told = testing::run(first.handle);
    let Observation::Known(second) = observe(&told, Duration::from_millis(50)) else { panic!() };
    assert_eq!((second.phase, second.handle), (Phase::Running, None), "nothing is new");
    Shell::stop(&told, Duration::ZERO).unwrap();
    assert_eq!(end(&told), Outcome::Stopped);
}

#[test]
fn commands_are_checked_before_they_are_taken() {
    let problems = |options: Value| match testing::task::<windlass_plugin_shell::Options>(&options) {
        Ok(task) => Shell::validate(&task.options),
        Err(problems) => problems,
    };
    assert!(problems(options("true")).is_empty());
    for wrong in [json!({}), json!({ "command": [] }), json!({ "command": [""] }), json!({ "command": "true" })] {
        assert_eq!(problems(wrong.clone())[0].field, "command", "{wrong}");
    }
}

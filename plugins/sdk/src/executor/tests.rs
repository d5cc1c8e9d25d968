//! An executor as the engine calls it.

use serde::{Deserialize, Serialize};

use super::*;
use crate::bindings::exports_of_executor::{self as wire, Guest};
use crate::bindings::types;
use crate::error::ErrorKind;
use crate::testing;

struct Plugin;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    size: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    id: String,
}

impl Handle for Made {}

impl Executor for Plugin {
    type Options = Options;
    type Handle = Made;

    fn describe() -> Descriptor {
        Descriptor::new("plugin", "1.0.0", "A plugin")
    }

    fn validate(options: &Options) -> Vec<Problem> {
        let is_odd = options.size % 2 == 1;
        let problem = || Problem { field: "size".into(), problem: "it is odd".into(), allowed: "even".into() };
        is_odd.then(problem).into_iter().collect()
    }

    fn submit(task: &Task<Options>) -> Result<Made> {
        Ok(Made { id: "x".repeat(task.options.size) })
    }

    fn observe_one(run: &Run<Made>) -> Result<Observation<Made>> {
        match &run.handle {
            None => Ok(Observation::Gone),
            Some(made) if made.id == "bad" => Err(Error::unavailable("not now")),
            Some(made) => Ok(Observation::pending("busy").with_handle(made.clone()).ask_after(Duration::from_secs(2))),
        }
    }

    fn stop(run: &Run<Made>, _: Duration) -> Result<Option<Made>> {
        Ok(run.handle.clone())
    }

    fn remove(_: &Run<Made>) -> Result<()> {
        Ok(())
    }
}

type Called = Export<Plugin>;

fn task(options: &str) -> wire::Task {
    let variable = wire::Variable { name: "A".into(), value: "hidden".into(), secret: true };
    wire::Task {
        attempt: testing::attempt(1),
        name: None,
        chain: None,
        options: options.to_owned(),
        environment: vec![variable],
        grace: 1500,
        deadline_at: Some(u64::MAX),
    }
}

fn run(handle: Option<&str>) -> wire::Run {
    let handle = handle.map(|data| types::Handle { schema: 1, data: data.as_bytes().to_vec() });
    wire::Run { attempt: testing::attempt(1), handle }
}

#[test]
fn options_are_checked_by_their_type_and_by_the_plugin() {
    assert_eq!(Called::validate(r#"{"size": 2}"#.into()), []);
    assert_eq!(Called::validate(r#"{"size": 3}"#.into())[0].problem, "it is odd");
    let fields: Vec<String> =
        Called::validate(r#"{"colour": 1, "flavour": 2}"#.into()).into_iter().map(|it| it.field).collect();
    assert_eq!(fields, ["colour", "flavour", "size"]);
}

#[test]
fn a_submitted_task_becomes_a_handle() {
    let handle = Called::submit(task(r#"{"size": 2}"#)).unwrap();
    assert_eq!((handle.schema, handle.data), (1, br#"{"id":"xx"}"#.to_vec()));
    assert_eq!(Called::submit(task(r#"{"size": "two"}"#)).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(Called::submit(task(r#"{"size": 9000}"#)).unwrap_err().kind, ErrorKind::Internal);
}

#[test]
fn each_run_gets_its_own_answer() {
    let runs = vec![run(None), run(Some("{")), run(Some(r#"{"id":"bad"}"#)), run(Some(r#"{"id":"a"}"#))];
    let answers = Called::observe(runs, 0).unwrap();
    assert_eq!(answers[0], wire::Observation::Gone);
    let wire::Observation::Unknown(error) = &answers[1] else { panic!("{answers:?}") };
    assert_eq!(error.kind, ErrorKind::Internal);
    let wire::Observation::Unknown(error) = &answers[2] else { panic!("{answers:?}") };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let wire::Observation::Known(status) = &answers[3] else { panic!("{answers:?}") };
    assert_eq!(status.phase, wire::Phase::Pending(Some("busy".into())));
    assert_eq!(status.ask_after, Some(2000));
    assert_eq!(status.handle.as_ref().unwrap().data, br#"{"id":"a"}"#);
    assert_eq!(answers.len(), 4);
}

#[test]
fn what_a_plugin_does_not_have_is_nothing() {
    assert_eq!(Called::check(), Ok(()));
    assert_eq!(Called::collect(run(None)), Ok(()));
    assert_eq!(Called::owned(None).unwrap().runs, []);
    assert!(Called::definitions(None).unwrap().definitions.is_empty());
    assert_eq!(Called::stop(run(Some(r#"{"id":"a"}"#)), 0).unwrap().unwrap().data, br#"{"id":"a"}"#);
    assert_eq!(Called::remove(run(Some("spoilt"))).unwrap_err().kind, ErrorKind::Internal);
}

#[test]
fn secrets_are_not_shown() {
    let variable = Variable { name: "A".into(), value: "hidden".into(), secret: false };
    assert_eq!(format!("{variable:?}"), "A=…");
}

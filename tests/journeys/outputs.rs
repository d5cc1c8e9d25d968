//! Output records and their types, through a whole engine.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use windlass::job::{Backoff, JobFact, OutputLimits, RetryPolicy};
use windlass::testing::TestEngine;
use windlass::{
    Clock, DocumentKind, Engine, EngineConfig, Error, FunctionContext, FunctionError, JobId, JobSpec, OutputId,
    OutputType, OutputView, Plan, Prune, Retention, State, Supervisor,
};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(40);
const PROJECT: &str = "default";

fn rows() -> OutputType {
    let schema = json!({
        "type": "object",
        "properties": {"rows": {"type": "integer"}, "id": {"type": "string", "format": "uuid"}},
        "additionalProperties": false,
    });
    OutputType::new(PROJECT, "rows", schema)
}

async fn open(dir: &tempfile::TempDir, config: EngineConfig) -> Engine {
    let builder = Engine::builder(dir.path()).config(config);
    let engine = builder.process(Supervisor::new(env!("CARGO_BIN_EXE_windlass"))).open().await.unwrap();
    engine.apply_output_types(vec![rows(), OutputType::any(PROJECT, "any")], false).await.unwrap();
    engine
}

fn sh(script: &str) -> JobSpec {
    JobSpec::process("/bin/sh", ["-c", script])
}

fn held(spec: JobSpec) -> JobSpec {
    JobSpec { hold: true, ..spec }
}

async fn over(engine: &Engine, id: JobId) -> State {
    tokio::time::timeout(PATIENCE, engine.wait(id)).await.expect("it hangs").unwrap().state()
}

fn outputs(engine: &Engine, id: JobId) -> Vec<OutputView> {
    engine.outputs(id, None, 1_000).unwrap().outputs
}

fn values(engine: &Engine, id: JobId) -> Vec<String> {
    outputs(engine, id).into_iter().map(|it| String::from_utf8(it.value).unwrap()).collect()
}

fn refused(engine: &Engine, id: JobId) -> Vec<(String, String)> {
    let events = engine.events(id).unwrap().into_iter();
    let told = events.filter_map(|event| match event.fact {
        JobFact::OutputRefused { file, why } => Some((file, why)),
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_become_records_and_those_that_are_refused_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(&dir, EngineConfig::default()).await;
    let script = r#"cd output
        echo '{"rows": 7}' > rows.output.json
        echo '[1, null, {"any": "thing"}]' > any.output.json
        echo '{"a": 1}' > gone.output.json
        mkdir deeper; echo 1 > deeper/any.output.json
        ln -s any.output.json link.output.json
    "#;
    let id = engine.submit(sh(script)).await.unwrap();
    assert_eq!(over(&engine, id).await, State::Succeeded);
    let kept = outputs(&engine, id);
    let told: Vec<_> = kept.iter().map(|it| (it.id.number, it.of.as_deref(), it.revision)).collect();
    assert_eq!(told, [(0, Some("any"), Some(1)), (1, Some("rows"), Some(1))]);
    assert_eq!(values(&engine, id), [r#"[1,null,{"any":"thing"}]"#, r#"{"rows":7}"#]);
    let told = refused(&engine, id);
    let files: Vec<&str> = told.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["gone.output.json", "link.output.json"]);
    assert_eq!(told[0].1, "there is no output type \"gone\"");

    let script = r#"cd output
        echo '{"rows": "hunter2", "id": "hunter2", "more": 1}' > rows.output.json
        echo '{"password": hunter2' > any.output.json
    "#;
    let id = engine.submit(sh(script)).await.unwrap();
    assert_eq!(over(&engine, id).await, State::Succeeded, "its work is done");
    assert_eq!(outputs(&engine, id), []);
    let told = refused(&engine, id);
    assert!(told[0].1.contains("is no JSON"), "{told:?}");
    assert!(told[1].1.contains("value/rows: ") && told[1].1.contains("value/id: "), "{told:?}");
    assert!(told[1].1.contains("output type \"rows\" says, revision 1"), "{told:?}");
    assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_have_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let output_limits = OutputLimits { record_bytes: 100, records: 2, together_bytes: 150, ..OutputLimits::default() };
    let engine = open(&dir, EngineConfig { output_limits, ..EngineConfig::default() }).await;
    let types = ["a", "b", "c", "d"].map(|name| OutputType::any(PROJECT, name)).to_vec();
    engine.apply_output_types(types, false).await.unwrap();
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let script = format!("cd output; printf '%s' '{}' > a.output.json; echo 1 > b.output.json", text(101));
    let id = engine.submit(sh(&script)).await.unwrap();
    assert_eq!(over(&engine, id).await, State::Succeeded);
    assert_eq!(values(&engine, id), ["1"]);
    assert!(refused(&engine, id)[0].1.contains("at most 100"), "{:?}", refused(&engine, id));
    engine.create_output(id, None, b"2").await.unwrap();
    let full = engine.create_output(id, None, b"3").await;
    assert!(matches!(full, Err(Error::Full { limit: 2, .. })), "{full:?}");

    let script = format!("cd output; for x in a b; do printf '%s' '{}' > $x.output.json; done", text(90));
    let id = engine.submit(sh(&script)).await.unwrap();
    over(&engine, id).await;
    assert_eq!(outputs(&engine, id).len(), 1);
    assert!(refused(&engine, id)[0].1.contains("at most 150"), "{:?}", refused(&engine, id));

    // One was there before the end.
    let id = engine.submit(held(sh("cd output; for x in a b c d; do echo 1 > $x.output.json; done"))).await.unwrap();
    engine.create_output(id, Some("a"), b"0").await.unwrap();
    engine.release(id).await.unwrap();
    over(&engine, id).await;
    assert_eq!(values(&engine, id), ["0", "1"]);
    let told = refused(&engine, id);
    let files: Vec<&str> = told.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["b.output.json", "c.output.json and all after it"], "{told:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_attempt_that_succeeds_leaves_records() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(&dir, EngineConfig::default()).await;
    let script = r#"echo "{\"rows\": $WINDLASS_ATTEMPT}" > output/rows.output.json; [ "$WINDLASS_ATTEMPT" = 3 ]"#;
    let mut spec = sh(script);
    let backoff = Backoff { initial_ms: 1, ..Backoff::default() };
    spec.retry = RetryPolicy { max_attempts: 3, backoff, ..RetryPolicy::default() };
    let id = engine.submit(spec).await.unwrap();
    assert_eq!(over(&engine, id).await, State::Succeeded);
    assert_eq!(values(&engine, id), [r#"{"rows":3}"#]);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_end_is_stored_leaves_each_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(&dir, EngineConfig::default()).await;
    let go = dir.path().join("go");
    let script = format!(
        "while ! [ -e {} ]; do sleep 0.01; done; echo '{{\"rows\": 1}}' > output/rows.output.json",
        go.display()
    );
    let id = engine.submit(sh(&script)).await.unwrap();
    let runs = async {
        while engine.get(id).unwrap().state() != State::Running {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, runs).await.expect("it hangs");
    // Dropped, it ends as a crash would.
    drop(engine);
    std::fs::write(go, "").unwrap();
    let engine = open(&dir, EngineConfig::default()).await;
    assert_eq!(over(&engine, id).await, State::Succeeded);
    assert_eq!(values(&engine, id), [r#"{"rows":1}"#]);
    engine.shutdown().await;
}

/// Leaves records, and says then whether it fails.
async fn leaves(context: FunctionContext, fails: bool) -> Result<(), FunctionError> {
    context.output(Some("rows"), &json!({"rows": context.attempt().attempt})).await?;
    let refused = context.output(Some("rows"), &json!({"rows": "none"})).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert!(matches!(context.output(Some("gone"), &1).await, Err(Error::Unknown { .. })));
    context.output(None, "untyped").await?;
    context.sleep(1_000).await;
    if fails && context.attempt().attempt == 1 { Err(FunctionError::new("not yet")) } else { Ok(()) }
}

#[tokio::test(flavor = "current_thread")]
async fn a_function_leaves_records_with_its_success() {
    let mut engine = TestEngine::open(|builder| builder.function("leaves", leaves)).await.unwrap();
    engine.apply_output_types(vec![rows()], false).await.unwrap();
    let mut spec = JobSpec::function("leaves", "true");
    spec.retry = RetryPolicy {
        max_attempts: 2,
        backoff: Backoff { initial_ms: 1, ..Backoff::default() },
        ..RetryPolicy::default()
    };
    let id = engine.submit(spec).await.unwrap();
    let crashed = engine.submit(JobSpec::function("leaves", "false")).await.unwrap();
    let begun = async {
        while engine.get(crashed).unwrap().state() != State::Running {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it hangs");
    engine.crash_and_recover().await.unwrap();
    assert_eq!((outputs(&engine, id), outputs(&engine, crashed)), (vec![], vec![]));
    for _ in 0..200 {
        engine.advance(1_000).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        if [id, crashed].iter().all(|id| engine.get(*id).unwrap().state().is_final()) {
            break;
        }
    }
    for id in [id, crashed] {
        assert_eq!(engine.get(id).unwrap().state(), State::Succeeded);
        assert_eq!(outputs(&engine, id).len(), 2, "{:?}", values(&engine, id));
        assert_eq!(values(&engine, id)[1], r#""untyped""#);
    }
}

#[tokio::test]
async fn types_have_revisions_and_records_say_which_has_accepted_them() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(&dir, EngineConfig::default()).await;
    let id = engine.submit(held(sh("true"))).await.unwrap();
    engine.create_output(id, Some("rows"), br#"{"rows": 1}"#).await.unwrap();
    let stricter = OutputType::new(PROJECT, "rows", json!({"maxProperties": 0}));
    let applied = engine.apply_output_types(vec![stricter.clone()], false).await.unwrap();
    assert_eq!((applied[0].revision, applied[0].change.word()), (2, "changed"));
    assert_eq!(engine.apply_output_types(vec![stricter], true).await.unwrap()[0].change.word(), "unchanged");
    assert!(engine.create_output(id, Some("rows"), br#"{"rows": 1}"#).await.is_err());
    let second = engine.create_output(id, Some("rows"), b"{}").await.unwrap();
    assert_eq!(outputs(&engine, id).iter().map(|it| it.revision).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(engine.output_record(second).unwrap().value, b"{}");
    let gone = OutputId { number: 9, ..second };
    assert!(matches!(engine.output_record(gone), Err(Error::Unknown { .. })));
    assert_eq!(engine.output_type(PROJECT, "rows", Some(1)).unwrap().of, rows());
    let names: Vec<String> = engine.output_types(PROJECT, None, 10).unwrap().into_iter().map(|it| it.of.name).collect();
    assert_eq!(names, ["any", "rows"]);
    // Where the type is gone its records stay.
    engine.delete_output_type(PROJECT, "rows").await.unwrap();
    assert!(engine.create_output(id, Some("rows"), b"{}").await.is_err());
    assert_eq!(engine.outputs_of_type(PROJECT, "rows", None, 10).unwrap().outputs.len(), 2);
    let prune = Prune { project: PROJECT.into(), kinds: vec![DocumentKind::OutputType] };
    let applied = engine.apply_plan(Plan { prune: Some(prune), ..Plan::default() }, false).await.unwrap();
    assert_eq!(applied.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["any"]);
    let wrong = OutputType::new(PROJECT, "bad", json!({"properties": {"a": {"type": 5}}}));
    let told =
        engine.apply_output_types(vec![wrong, OutputType::any(PROJECT, "a/b")], false).await.unwrap_err().to_string();
    assert!(told.contains("\"bad\".schema/properties/a/type") && told.contains("\"a/b\".name"), "{told}");
    engine.shutdown().await;
}

#[tokio::test]
async fn records_of_a_type_are_listed_newest_first_and_forgotten_with_their_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(windlass::testing::START);
    let hour = 3_600_000;
    let retention = Retention { max_jobs: Some(1), interval_ms: hour, ..Retention::default() };
    let builder = Engine::builder(dir.path()).clock(clock.clone());
    let config = EngineConfig { retention, ..EngineConfig::default() };
    let engine =
        builder.config(config).function("f", |_, (): ()| async { Ok::<_, FunctionError>(()) }).open().await.unwrap();
    let types = vec![OutputType::any(PROJECT, "any"), OutputType::any("lab", "any")];
    engine.apply_output_types(types, false).await.unwrap();
    let (first, second) = (done(&engine, PROJECT).await, done(&engine, PROJECT).await);
    let other = done(&engine, "lab").await;
    for (number, id) in [first, second, first, other].into_iter().enumerate() {
        clock.advance_to(clock.now().plus_millis(1));
        engine.create_output(id, Some("any"), number.to_string().as_bytes()).await.unwrap();
    }
    engine.create_output(first, None, b"4").await.unwrap();
    let of_type = |project: &str, cursor, limit| {
        let page = engine.outputs_of_type(project, "any", cursor, limit).unwrap();
        let values: Vec<Value> = page.outputs.iter().map(|it| serde_json::from_slice(&it.value).unwrap()).collect();
        (values, page.next)
    };
    let (values, next) = of_type(PROJECT, None, 2);
    assert_eq!(values, [json!(2), json!(1)]);
    engine.create_output(second, Some("any"), b"5").await.unwrap();
    assert_eq!(of_type(PROJECT, next, 2), (vec![json!(0)], None));
    assert_eq!(of_type("lab", None, 1), (vec![json!(3)], None));
    let page = engine.outputs(first, None, 2).unwrap();
    assert_eq!(engine.outputs(first, page.next, 2).unwrap().outputs[0].value, b"4");
    clock.advance_to(clock.now().plus_millis(hour));
    let begun = std::time::Instant::now();
    while !of_type(PROJECT, None, 10).0.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "they stay");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(of_type("lab", None, 10).0, [json!(3)], "the newest job is kept");
    assert!(matches!(engine.create_output(first, None, b"1").await, Err(Error::NotFound(_))));
    engine.shutdown().await;
}

async fn done(engine: &Engine, project: &str) -> JobId {
    let spec = JobSpec { project: project.to_owned(), ..JobSpec::function("f", "null") };
    let id = engine.submit(spec).await.unwrap();
    engine.wait(id).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_at_once_get_numbers_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(open(&dir, EngineConfig::default()).await);
    let id = engine.submit(held(sh("true"))).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.create_output(id, Some("rows"), br#"{"rows": 1}"#).await.unwrap().number })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<u32>>());
    engine.shutdown().await;
}

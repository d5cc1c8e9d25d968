//! Runs of pipelines: what runs, what is skipped, what nodes are told, what runs again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass::job::{
    CalendarSpec, ChainState, End, JobConfig, NodeState, On, Pipeline, PipelineLimits, PipelineSpec, Reason,
    ScheduleLimits, ScheduleSpec, Target,
};
use windlass::testing::TestEngine;
use windlass::{Error, FunctionContext, FunctionError, JobId, JobSpec, Problem, RunOptions, RunView};

use NodeState::{Cancelled, Failed, Running, Skipped, Succeeded, Waiting};

const PROJECT: &str = "default";

/// `step` fails when it is told to and `mended` is not set, hangs when it is told to, and says what `SAY` is.
async fn engine_that(mended: &Arc<AtomicBool>) -> TestEngine {
    let mended = mended.clone();
    let engine = TestEngine::open(move |builder| {
        let mended = mended.clone();
        builder
            .function("step", move |context: FunctionContext, (): ()| {
                let mended = mended.clone();
                async move {
                    match context.option("DO") {
                        Some("fail") if !mended.load(Ordering::SeqCst) => Err(FunctionError::new("told to")),
                        Some("hang") => {
                            context.cancelled().await;
                            Err(FunctionError::new("stopped"))
                        }
                        _ => Ok(context.option("SAY").map(str::to_owned)),
                    }
                }
            })
            .function("show", |context: FunctionContext, names: Vec<String>| async move {
                let of = |name: &String| format!("{name}={}", context.option(name).unwrap_or("-"));
                Ok::<_, FunctionError>(names.iter().map(of).collect::<Vec<_>>().join(","))
            })
    });
    engine.await.unwrap()
}

async fn engine() -> TestEngine {
    engine_that(&Arc::default()).await
}

fn pipeline(text: &str) -> PipelineSpec {
    match Pipeline::parse(text.as_bytes(), &PipelineLimits::default(), &ScheduleLimits::default()) {
        Ok(pipeline) => pipeline.spec().clone(),
        Err(mistakes) => panic!("{mistakes:?}"),
    }
}

/// Stores config `step` and the pipeline `p`.
async fn store(engine: &TestEngine, text: &str) {
    let step = JobConfig::new(JobSpec::function("step", "null"));
    engine.apply_configs(vec![("step".into(), step)], false).await.unwrap();
    engine.apply_pipelines(vec![(PROJECT.into(), "p".into(), pipeline(text))], false).await.unwrap();
}

async fn begin(engine: &TestEngine, parameters: &[(&str, &str)]) -> JobId {
    engine.run_pipeline(PROJECT, "p", parameters.iter().copied().collect(), None).await.unwrap()
}

fn problems<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid(problems)) => problems.iter().map(Problem::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn text(engine: &TestEngine, id: JobId) -> String {
    serde_json::from_slice(&engine.output(id).unwrap().unwrap()).unwrap()
}

fn attempts(run: &RunView) -> Vec<u32> {
    run.nodes.iter().map(|node| node.attempts).collect()
}

const BRANCHES: &str = r#"
processNodes:
  load: {processor: step}
  left: {processor: step, after: load, options: {DO: fail}}
  right: {processor: step, after: load}
  join: {processor: step, after: [left, right]}
  alarm: {processor: step, after: {node: left, on: failure}}
  praise: {processor: step, after: {node: right, on: failure}}
  tidy: {processor: step, after: [{node: join, on: always}, {node: alarm, on: always}]}
"#;

#[tokio::test]
async fn a_failure_skips_what_needs_its_success_and_nothing_else() {
    let engine = engine().await;
    store(&engine, BRANCHES).await;
    let id = begin(&engine, &[]).await;
    let run = engine.wait_run(id).await.unwrap();
    assert_eq!(run.states(), [Succeeded, Failed, Succeeded, Skipped, Succeeded, Skipped, Succeeded]);
    assert_eq!(attempts(&run), [1, 1, 1, 0, 1, 0, 1]);
    let (left, right) = (run.nodes[1].job, run.nodes[2].job);
    assert_eq!(run.nodes[3].reason, Some(Reason::Skipped { job: left, on: On::Success, end: End::Failed }));
    assert_eq!(run.nodes[5].reason, Some(Reason::Skipped { job: right, on: On::Failure, end: End::Succeeded }));
    assert_eq!(
        (run.summary.state, run.summary.to_string().as_str()),
        (ChainState::Failed, "4 succeeded, 1 failed, 2 skipped")
    );
    let chain = engine.chain(id).unwrap().summary;
    assert_eq!((chain.state, chain.skipped), (ChainState::Failed, 2));
    assert_eq!((run.pipeline.as_str(), run.revision, run.again_of), ("p", 1, None));
}

#[tokio::test]
async fn a_run_whose_only_blemish_is_a_skipped_node_has_succeeded() {
    let engine = engine().await;
    store(&engine, "processNodes: {a: {processor: step}, b: {processor: step, after: {node: a, on: failure}}}").await;
    let id = begin(&engine, &[]).await;
    let run = engine.wait_run(id).await.unwrap();
    assert_eq!((run.states(), run.summary.state), (vec![Succeeded, Skipped], ChainState::Succeeded));
    assert_eq!(engine.chain(id).unwrap().summary.state, ChainState::Succeeded);
}

#[tokio::test]
async fn nodes_are_told_parameters_and_what_others_have_said() {
    let mut engine = engine().await;
    let names = serde_json::to_vec(&["A", "B", "OWN", "WINDLASS_REQUIREMENTS"]).unwrap();
    let show =
        JobConfig::new(JobSpec::function("show", names).option("OWN", "${parameters.day}").option("A", "hidden"));
    engine.apply_configs(vec![("show".into(), show)], false).await.unwrap();
    store(
        &engine,
        r#"
parameters: {day: monday, end: "$"}
requirement: [{name: pandas, version: 1.10}, {name: numpy}]
processNodes:
  count: {processor: step, options: {SAY: "4${parameters.end}"}, requirement: []}
  show: {processor: show, options: {A: "${parameters.end}${nodes.count.output} on ${parameters.day}", B: "$${x}"}}
  again: {processor: show, requirement: [], options: {A: "<${nodes.show.output}>"}}
"#,
    )
    .await;
    let id = begin(&engine, &[("day", "friday")]).await;
    engine.crash_and_recover().await.unwrap();
    let run = engine.wait_run(id).await.unwrap();
    let said = text(&engine, run.nodes[1].job);
    assert_eq!(said, "A=$4$ on friday,B=${x},OWN=${parameters.day},WINDLASS_REQUIREMENTS=pandas==1.10\nnumpy");
    let again = text(&engine, run.nodes[2].job);
    assert_eq!(again, format!("A=<{said}>,B=-,OWN=${{parameters.day}},WINDLASS_REQUIREMENTS="));
    assert!(engine.rotate_key().await.unwrap().resealed >= 4);

    let told = problems(engine.run_pipeline(PROJECT, "p", [("dya", "x")].into_iter().collect(), None).await);
    assert_eq!(told, ["parameters.dya: the pipeline has no such parameter; allowed: day, end"]);
}

#[tokio::test]
async fn a_node_that_said_nothing_fails_the_one_that_asks_for_good() {
    let engine = engine().await;
    let text = r#"
processNodes:
  mute: {processor: step}
  asks: {processor: step, retry: 3, options: {SAY: "${nodes.mute.output}"}}
"#;
    store(&engine, text).await;
    let run = engine.wait_run(begin(&engine, &[]).await).await.unwrap();
    assert_eq!((run.states(), attempts(&run)), (vec![Succeeded, Failed], vec![1, 1]));
    let reason = run.nodes[1].reason.clone().unwrap().to_string();
    assert!(reason.contains("options.SAY: there is no output value of node \"mute\""), "{reason}");
}

#[tokio::test]
async fn what_failed_runs_again_and_what_succeeded_is_kept() {
    let mended = Arc::default();
    let engine = engine_that(&mended).await;
    let text = r#"
parameters: {day: monday}
processNodes:
  load: {processor: step, options: {SAY: "rows of ${parameters.day}"}}
  check: {processor: step, after: load, options: {DO: fail}}
  other: {processor: step, after: load}
  join: {processor: step, after: [check, other], options: {SAY: "joined ${nodes.load.output}"}}
  alarm: {processor: step, after: {node: check, on: failure}}
"#;
    store(&engine, text).await;
    let secret: RunOptions = {
        let mut secret = RunOptions::new();
        secret.set_secret("day", "friday");
        secret
    };
    let first = engine.run_pipeline(PROJECT, "p", secret, None).await.unwrap();
    assert!(matches!(engine.rerun(first, &[]).await, Err(Error::Conflict(why)) if why.contains("not over")));
    let before = engine.wait_run(first).await.unwrap();
    assert_eq!(before.states(), [Succeeded, Failed, Succeeded, Skipped, Succeeded]);

    // A newer revision does not change what runs again.
    mended.store(true, Ordering::SeqCst);
    engine
        .apply_pipelines(vec![(PROJECT.into(), "p".into(), pipeline("processNodes: {x: {processor: step}}"))], false)
        .await
        .unwrap();
    let second = engine.rerun(first, &[]).await.unwrap();
    let after = engine.wait_run(second).await.unwrap();
    assert_eq!(after.states(), [Succeeded, Succeeded, Succeeded, Succeeded, Skipped]);
    assert_eq!(attempts(&after), [0, 1, 0, 1, 0]);
    let kept: Vec<bool> = after.nodes.iter().map(|node| node.kept).collect();
    assert_eq!(kept, [true, false, true, false, false]);
    assert_eq!((after.nodes[0].job, after.nodes[2].job), (before.nodes[0].job, before.nodes[2].job));
    assert_eq!((after.again_of, after.revision), (Some(first), 1));
    assert_eq!(text_of(&engine, &after, 3), "joined rows of friday", "parameters and outputs are those of the run");
    let join = engine.get(after.nodes[3].job).unwrap();
    assert!(join.job.spec.options.is_empty(), "never shown");

    // A node that succeeded runs again when it is named, and a run of what ran again too.
    let third = engine.rerun(second, &["other".to_owned()]).await.unwrap();
    let third = engine.wait_run(third).await.unwrap();
    assert_eq!((attempts(&third), third.summary.state), (vec![0, 0, 1, 1, 0], ChainState::Succeeded));
    let refused = engine.rerun(second, &["alarm".to_owned()]).await.unwrap_err().to_string();
    assert!(
        refused
            .contains("node \"alarm\" would be skipped: it comes after the failure of \"check\", which was a success"),
        "{refused}"
    );
    let refused = engine.rerun(second, &[]).await.unwrap_err().to_string();
    assert!(refused.contains("nothing failed or was cancelled"), "{refused}");
    assert!(matches!(engine.rerun(second, &["nope".to_owned()]).await, Err(Error::Unknown { .. })));
    let listed = engine.runs(PROJECT, "p", None, 10).unwrap().runs;
    assert_eq!(listed.iter().map(|run| run.id).collect::<Vec<_>>(), [third.id, second, first]);
}

fn text_of(engine: &TestEngine, run: &RunView, node: usize) -> String {
    text(engine, run.nodes[node].job)
}

#[tokio::test]
async fn a_node_that_follows_a_kept_one_that_does_not_fit_is_skipped_when_the_others_are_over() {
    let mended = Arc::default();
    let engine = engine_that(&mended).await;
    let text = r#"
processNodes:
  a: {processor: step}
  b: {processor: step, options: {DO: fail}}
  both: {processor: step, after: [{node: a, on: failure}, b]}
"#;
    store(&engine, text).await;
    let first = engine.wait_run(begin(&engine, &[]).await).await.unwrap();
    let unmet = Some(Reason::Skipped { job: first.nodes[0].job, on: On::Failure, end: End::Succeeded });
    assert_eq!((first.states(), first.nodes[2].reason.clone()), (vec![Succeeded, Failed, Skipped], unmet.clone()));
    mended.store(true, Ordering::SeqCst);
    let again = engine.rerun(first.id, &[]).await.unwrap();
    let again = engine.wait_run(again).await.unwrap();
    assert_eq!((again.states(), again.nodes[2].reason.clone()), (vec![Succeeded, Succeeded, Skipped], unmet));
}

#[tokio::test]
async fn a_cancelled_run_ends_whole() {
    let engine = engine().await;
    let text = r#"
processNodes:
  hangs: {processor: step, options: {DO: hang}}
  next: {processor: step, after: hangs}
  always: {processor: step, after: {node: hangs, on: always}}
"#;
    store(&engine, text).await;
    let id = begin(&engine, &[]).await;
    engine.settle().await;
    assert_eq!(engine.run(id).unwrap().states(), [Running, Waiting, Waiting]);
    assert_eq!(engine.cancel_chain(id, "me").await.unwrap(), 3);
    let run = engine.wait_run(id).await.unwrap();
    assert_eq!((run.states(), run.summary.state), (vec![Cancelled; 3], ChainState::Cancelled));
    assert_eq!(engine.cancel_chain(id, "me").await.unwrap(), 0);
    let again = engine.rerun(id, &[]).await.unwrap();
    engine.settle().await;
    // One job alone: what needs its success is skipped, what follows any end runs.
    engine.cancel(engine.run(again).unwrap().nodes[0].job, "me").await.unwrap();
    assert_eq!(engine.wait_run(again).await.unwrap().states(), [Cancelled, Skipped, Succeeded]);
}

#[tokio::test]
async fn a_key_stands_for_one_run() {
    let mut engine = engine().await;
    store(&engine, "parameters: {day: monday}\nprocessNodes: {a: {processor: step}, b: {processor: step, after: a}}")
        .await;
    let run = async |engine: &TestEngine, day: &str| {
        let told = [("day", day)].into_iter().collect();
        engine.run_pipeline(PROJECT, "p", told, Some("once".into())).await
    };
    let first = run(&engine, "monday").await.unwrap();
    engine.crash_and_recover().await.unwrap();
    assert_eq!(run(&engine, "monday").await.unwrap(), first);
    assert!(
        matches!(run(&engine, "friday").await, Err(Error::Conflict(_))),
        "parameters are part of what was asked for"
    );
    assert_eq!(engine.runs(PROJECT, "p", None, 10).unwrap().runs.len(), 1);
}

#[tokio::test]
async fn a_schedule_runs_a_pipeline() {
    let engine = engine().await;
    let names = serde_json::to_vec(&["DAY", "WINDLASS_NOMINAL_TIME"]).unwrap();
    let show = JobConfig::new(JobSpec::function("show", names));
    engine.apply_configs(vec![("show".into(), show)], false).await.unwrap();
    let text = r#"
parameters: {day: }
processNodes: {a: {processor: show, options: {DAY: "${parameters.day}"}}, b: {processor: show, after: a}}
"#;
    engine.apply_pipelines(vec![(PROJECT.into(), "p".into(), pipeline(text))], false).await.unwrap();
    let mut schedule = ScheduleSpec::new(CalendarSpec::cron("0 * * * *"), Target::Pipeline("p".into()));
    schedule.options.set("day", "friday");
    engine.apply_schedules(PROJECT, vec![("hourly".into(), schedule)], false).await.unwrap();
    engine.advance(2 * 3_600_000).await;
    engine.settle().await;
    let runs = engine.runs(PROJECT, "p", None, 10).unwrap().runs;
    assert_eq!(runs.len(), 2);
    let said = text_of(&engine, &runs[0], 0);
    assert!(said.starts_with("DAY=friday,WINDLASS_NOMINAL_TIME=") && said != text_of(&engine, &runs[1], 0), "{said}");
    assert!(runs.iter().all(|run| run.summary.state == ChainState::Succeeded));
}

#[tokio::test]
async fn a_run_by_its_own_schedule_does_not_begin_while_the_one_before_goes_on() {
    let engine = engine().await;
    let text = r#"
schedule: {schedule_interval: "0 * * * *"}
processNodes: {hangs: {processor: step, options: {DO: hang}}, next: {processor: step, after: hangs}}
"#;
    store(&engine, text).await;
    engine.advance(3 * 3_600_000).await;
    engine.settle().await;
    let runs = engine.runs(PROJECT, "p", None, 10).unwrap().runs;
    assert_eq!(runs.len(), 1);
    let status = engine.schedule(PROJECT, "p").unwrap().status;
    assert_eq!((status.fired, status.skipped), (1, 2));
    engine.cancel_chain(runs[0].id, "me").await.unwrap();
    engine.settle().await;
    engine.advance(3_600_000).await;
    engine.settle().await;
    assert_eq!(engine.runs(PROJECT, "p", None, 10).unwrap().runs.len(), 2);
}

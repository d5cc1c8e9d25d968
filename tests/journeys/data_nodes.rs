//! Data nodes: files of the project between the nodes of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass::job::{ChainState, JobConfig, NodeState, Pipeline, PipelineLimits, ScheduleLimits};
use windlass::testing::TestEngine;
use windlass::{Error, FunctionContext, FunctionError, JobSpec, RunOptions, RunView};

use NodeState::{Failed, Skipped, Succeeded};

const PROJECT: &str = "default";

/// `upper` reads its one input and writes it in capitals to its one output; it fails when it is told to.
async fn upper(context: FunctionContext, broken: Arc<AtomicBool>) -> Result<Option<String>, FunctionError> {
    let path = |name: &str| context.option(name).map(str::to_owned).ok_or_else(|| FunctionError::permanent(name));
    let (from, to) = (path("WINDLASS_INPUTS")?, path("WINDLASS_OUTPUTS")?);
    let text = std::fs::read_to_string(&from).map_err(FunctionError::new)?;
    let half = broken.load(Ordering::SeqCst) && context.option("BREAKS").is_some();
    let kept = if half { text.len() / 2 } else { text.len() };
    std::fs::create_dir_all(std::path::Path::new(&to).parent().unwrap()).map_err(FunctionError::new)?;
    std::fs::write(&to, text[..kept].to_uppercase()).map_err(FunctionError::new)?;
    assert!(std::path::Path::new(&to).starts_with(context.work().unwrap()));
    if half { Err(FunctionError::new("half way")) } else { Ok(context.option("SAY").map(str::to_owned)) }
}

async fn engine(broken: &Arc<AtomicBool>, text: &str) -> TestEngine {
    let broken = broken.clone();
    let engine = TestEngine::open(move |builder| {
        let broken = broken.clone();
        builder
            .function("upper", move |context: FunctionContext, (): ()| upper(context, broken.clone()))
            .function("none", |_, (): ()| async { Ok::<_, FunctionError>(()) })
    });
    let engine = engine.await.unwrap();
    let config = |name: &str| (name.to_owned(), JobConfig::new(JobSpec::function(name, "null")));
    engine.apply_configs(vec![config("upper"), config("none")], false).await.unwrap();
    let pipeline = Pipeline::parse(text.as_bytes(), &PipelineLimits::default(), &ScheduleLimits::default());
    let spec = pipeline.unwrap_or_else(|mistakes| panic!("{mistakes:?}")).spec().clone();
    engine.apply_pipelines(vec![(PROJECT.into(), "p".into(), spec)], false).await.unwrap();
    engine
}

async fn run(engine: &TestEngine) -> RunView {
    let id = engine.run_pipeline(PROJECT, "p", RunOptions::new(), None).await.unwrap();
    engine.wait_run(id).await.unwrap()
}

async fn read(engine: &TestEngine, path: &str) -> Option<String> {
    match engine.read_file(PROJECT, path, 0, 1_000).await {
        Ok(bytes) => Some(String::from_utf8(bytes).unwrap()),
        Err(Error::Unknown { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

const LINE: &str = r#"
dataNodes:
  raw: {source: in/raw.txt}
  clean: {source: work/clean.txt}
  report: {source: out/report.txt}
processNodes:
  print: {input: clean, output: report, processor: upper, options: {BREAKS: "yes"}}
  wash: {input: raw, output: clean, processor: upper}
"#;

#[tokio::test]
async fn what_a_node_writes_another_reads() {
    let engine = engine(&Arc::default(), LINE).await;
    engine.put_file(PROJECT, "in/raw.txt", &b"some rows"[..]).await.unwrap();
    let run = run(&engine).await;
    assert_eq!((run.states(), run.summary.state), (vec![Succeeded, Succeeded], ChainState::Succeeded));
    assert_eq!(read(&engine, "work/clean.txt").await.as_deref(), Some("SOME ROWS"));
    assert_eq!(read(&engine, "out/report.txt").await.as_deref(), Some("SOME ROWS"));
}

#[tokio::test]
async fn an_output_appears_whole_or_not_at_all_and_what_was_made_is_read_again() {
    let broken = Arc::new(AtomicBool::new(true));
    let mut engine = engine(&broken, LINE).await;
    engine.put_file(PROJECT, "in/raw.txt", &b"some rows"[..]).await.unwrap();
    engine.put_file(PROJECT, "out/report.txt", &b"the old report"[..]).await.unwrap();
    let first = run(&engine).await;
    assert_eq!(first.states(), [Failed, Succeeded]);
    assert_eq!(read(&engine, "out/report.txt").await.as_deref(), Some("the old report"));
    // What was kept is what the node that runs again finds, also when its own source has changed since.
    engine.put_file(PROJECT, "in/raw.txt", &b"other rows"[..]).await.unwrap();
    broken.store(false, Ordering::SeqCst);
    engine.crash_and_recover().await.unwrap();
    let again = engine.rerun(first.id, &[]).await.unwrap();
    let again = engine.wait_run(again).await.unwrap();
    assert_eq!((again.states(), again.nodes[1].kept), (vec![Succeeded, Succeeded], true));
    assert_eq!(read(&engine, "out/report.txt").await.as_deref(), Some("SOME ROWS"));
}

#[tokio::test]
async fn a_source_that_is_not_there_fails_its_reader_for_good_and_by_name() {
    let engine = engine(&Arc::default(), LINE).await;
    let run = run(&engine).await;
    assert_eq!(run.states(), [Skipped, Failed]);
    let reason = run.nodes[1].reason.clone().unwrap().to_string();
    assert!(reason.contains("in/raw.txt"), "{reason}");
}

#[tokio::test]
async fn a_node_that_does_not_make_what_it_is_to_make_has_failed() {
    let text = "dataNodes: {out: {source: out.txt}}\nprocessNodes: {lazy: {processor: none, output: out}}\n";
    let engine = engine(&Arc::default(), text).await;
    let run = run(&engine).await;
    assert_eq!(run.states(), [Failed]);
    let reason = run.nodes[0].reason.clone().unwrap().to_string();
    assert!(reason.contains("\"out.txt\" is to be written, and is not in the output of the job"), "{reason}");
}

#[tokio::test]
async fn what_a_job_cannot_be_is_told_of_its_node() {
    let text = r#"
dataNodes: {all: {source: out}, one: {source: out/one.txt}}
processNodes: {fine: {processor: none}, both: {processor: none, output: [all, one], after: fine}}
"#;
    let engine = engine(&Arc::default(), text).await;
    let refused = engine.run_pipeline(PROJECT, "p", RunOptions::new(), None).await.unwrap_err().to_string();
    assert!(refused.contains("processNodes.\"both\".writes: a directory of \"out/one.txt\" is a file"), "{refused}");
}

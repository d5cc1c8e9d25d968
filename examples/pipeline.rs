//! A pipeline inside a program: steps, the file that goes between them, and running again what failed.
//!
//! `cargo run --example pipeline`

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windlass::job::{JobConfig, NodeState, Pipeline, PipelineLimits, ScheduleLimits};
use windlass::{Engine, FunctionContext, FunctionError, JobSpec};

const DAILY: &str = r#"
parameters: {day: monday}
dataNodes:
  raw: {source: in/words.txt}
  clean: {source: work/words.txt}
processNodes:
  wash: {input: raw, output: clean, processor: upper}
  count: {input: clean, processor: count, options: {TITLE: "words of ${parameters.day}"}}
  alarm: {processor: alarm, after: {node: count, on: failure}}
"#;

fn path(context: &FunctionContext, name: &str) -> Result<String, FunctionError> {
    context.option(name).map(str::to_owned).ok_or_else(|| FunctionError::permanent(name))
}

async fn upper(context: FunctionContext, (): ()) -> Result<(), FunctionError> {
    let text = std::fs::read_to_string(path(&context, "WINDLASS_INPUTS")?).map_err(FunctionError::new)?;
    std::fs::write(path(&context, "WINDLASS_OUTPUTS")?, text.to_uppercase()).map_err(FunctionError::new)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let count = move |context: FunctionContext, (): ()| {
        let is_broken = is_broken.load(Ordering::SeqCst);
        async move {
            if is_broken {
                return Err(FunctionError::new("out of order"));
            }
            let input = path(&context, "WINDLASS_INPUTS")?;
            let text = std::fs::read_to_string(Path::new(&input)).map_err(FunctionError::new)?;
            Ok(format!("{}: {}", path(&context, "TITLE")?, text.split_whitespace().count()))
        }
    };
    let alarm = |_: FunctionContext, (): ()| async { Ok::<_, FunctionError>("told somebody") };
    let builder = Engine::builder(dir.path()).function("upper", upper).function("count", count);
    let engine = builder.function("alarm", alarm).open().await?;
    let config = |name: &str| (name.to_owned(), JobConfig::new(JobSpec::function(name, "null")));
    engine.apply_configs(vec![config("upper"), config("count"), config("alarm")], false).await?;
    let pipeline = Pipeline::parse(DAILY.as_bytes(), &PipelineLimits::default(), &ScheduleLimits::default());
    let pipeline = pipeline.map_err(|mistakes| format!("{mistakes:?}"))?;
    engine.apply_pipelines(vec![("default".into(), "daily".into(), pipeline.spec().clone())], false).await?;
    engine.put_file("default", "in/words.txt", &b"to whom the words belong"[..]).await?;

    let run = engine.run_pipeline("default", "daily", [("day", "friday")].into_iter().collect(), None).await?;
    let run = engine.wait_run(run).await?;
    assert_eq!(run.states(), [NodeState::Succeeded, NodeState::Failed, NodeState::Succeeded]);

    broken.store(false, Ordering::SeqCst);
    let again = engine.rerun(run.id, &[]).await?;
    let again = engine.wait_run(again).await?;
    assert_eq!(again.states(), [NodeState::Succeeded, NodeState::Succeeded, NodeState::Skipped]);
    assert!(again.node("wash").is_some_and(|node| node.kept));
    let count = again.node("count").ok_or("the node is there")?.job;
    assert_eq!(engine.output(count)?.as_deref(), Some(br#""words of friday: 5""#.as_slice()));
    engine.shutdown().await;
    Ok(())
}

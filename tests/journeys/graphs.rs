//! Random pipelines through the engine, with failures, cancellations and crashes: every node runs at most once per attempt and
//! only after its inputs, and the run ends as the pure fold says; then what failed runs again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use windlass::job::pipeline::{After, Decision, Graph, ProcessNode, Progress, rerun_failed};
use windlass::job::{
    ChainState, JobConfig, NodeState, On, Pipeline, PipelineLimits, PipelineSpec, RetryPolicy, ScheduleLimits,
};
use windlass::testing::TestEngine;
use windlass::{FunctionContext, FunctionError, JobSpec, RunOptions, RunView};

const PROJECT: &str = "default";

/// What becomes of a node that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Fails,
    /// Its first attempt fails, its second does not.
    FailsOnce,
    /// It runs until somebody cancels it.
    IsCancelled,
}

impl Fate {
    fn end(self) -> NodeState {
        match self {
            Fate::Succeeds | Fate::FailsOnce => NodeState::Succeeded,
            Fate::Fails => NodeState::Failed,
            Fate::IsCancelled => NodeState::Cancelled,
        }
    }
}

#[derive(Clone, Debug)]
struct Story {
    spec: PipelineSpec,
    fates: Vec<Fate>,
    /// Whether the power fails in each round.
    crashes: Vec<bool>,
}

fn stories() -> impl Strategy<Value = Story> {
    let tie = prop_oneof![
        6 => Just(None),
        2 => Just(Some(On::Success)),
        1 => Just(Some(On::Failure)),
        1 => Just(Some(On::Always)),
    ];
    let fate = prop_oneof![
        6 => Just(Fate::Succeeds),
        2 => Just(Fate::Fails),
        1 => Just(Fate::FailsOnce),
        1 => Just(Fate::IsCancelled),
    ];
    let node = (proptest::collection::vec(tie, 12), fate);
    let nodes = proptest::collection::vec(node, 1..12);
    (nodes, proptest::collection::vec(proptest::bool::weighted(0.2), 8)).prop_map(|(nodes, crashes)| {
        let fates = nodes.iter().map(|(_, fate)| *fate).collect();
        let process_node = |(at, (ties, _)): (usize, &(Vec<Option<On>>, Fate))| {
            let after = ties.iter().take(at).enumerate().filter_map(|(before, tie)| {
                let node = format!("n{before}");
                tie.map(|on| After { node, on })
            });
            ProcessNode { after: after.collect(), max_attempts: Some(2), ..ProcessNode::new(format!("n{at}"), "step") }
        };
        let process_nodes = nodes.iter().enumerate().map(process_node).collect();
        Story { spec: PipelineSpec { process_nodes, ..PipelineSpec::default() }, fates, crashes }
    })
}

/// What nodes do, and what they have done.
#[derive(Default)]
struct Stage {
    fates: BTreeMap<String, Fate>,
    /// Starts and ends in their order: the node, and the attempt that started.
    log: Vec<(String, Option<u32>)>,
}

async fn engine_on(stage: &Arc<Mutex<Stage>>) -> TestEngine {
    let stage = stage.clone();
    let engine = TestEngine::open(move |builder| {
        let stage = stage.clone();
        builder.function("step", move |context: FunctionContext, (): ()| step(stage.clone(), context))
    });
    engine.await.unwrap()
}

async fn step(stage: Arc<Mutex<Stage>>, context: FunctionContext) -> Result<(), FunctionError> {
    let name = context.option("NODE").unwrap().to_owned();
    let attempt = context.attempt().attempt;
    let fate = {
        let mut stage = stage.lock().unwrap();
        stage.log.push((name.clone(), Some(attempt)));
        stage.fates[&name]
    };
    if fate == Fate::IsCancelled {
        context.cancelled().await;
    }
    let mut stage = stage.lock().unwrap();
    stage.log.push((name.clone(), None));
    // An attempt that a crash took with it does not count.
    let failed = stage.log.iter().filter(|(of, started)| *of == name && started.is_none()).count();
    match fate {
        Fate::Fails => Err(FunctionError::new("its fate")),
        Fate::FailsOnce if failed == 1 => Err(FunctionError::new("its first fate")),
        _ => Ok(()),
    }
}

/// What the pure decisions make of a run from these states on.
fn expected(graph: &Graph, states: Vec<NodeState>, fates: &[Fate]) -> (Vec<NodeState>, ChainState) {
    let mut progress = Progress::new(graph, states);
    let mut ready = progress.due();
    while let Some((node, decision)) = ready.pop() {
        if decision == Decision::Ready && progress.start(node) {
            ready.extend(progress.end(node, fates[node].end()));
        }
    }
    (progress.states().to_vec(), progress.summary().state)
}

/// Lets a run end: what is to be cancelled is, and the power fails where the story says so.
async fn live(engine: &mut TestEngine, run: windlass::JobId, fates: &[Fate], crashes: &[bool]) -> RunView {
    let mut crashes = crashes.iter();
    for _ in 0..1_000 {
        engine.settle().await;
        let view = engine.run(run).unwrap();
        if view.nodes.iter().all(|node| node.state.is_over()) {
            return view;
        }
        if crashes.next() == Some(&true) {
            engine.crash_and_recover().await.unwrap();
            continue;
        }
        for (node, fate) in view.nodes.iter().zip(fates) {
            if *fate == Fate::IsCancelled && node.state == NodeState::Running {
                engine.cancel(node.job, "the story").await.unwrap();
            }
        }
        engine.advance(60_000).await;
    }
    panic!("no end: {:?}", engine.run(run).unwrap());
}

fn check(stage: &Mutex<Stage>, pipeline: &Pipeline, view: &RunView) {
    let log = std::mem::take(&mut stage.lock().unwrap().log);
    let starts: Vec<&(String, Option<u32>)> = log.iter().filter(|(_, attempt)| attempt.is_some()).collect();
    for (at, start) in starts.iter().enumerate() {
        assert!(!starts[..at].contains(start), "{start:?} began twice: {log:?}");
    }
    for (at, (name, attempt)) in log.iter().enumerate() {
        if attempt.is_none() {
            continue;
        }
        let node = pipeline.position_of(name).unwrap();
        for edge in pipeline.graph().before(node) {
            let before = &view.nodes[edge.from];
            let ended =
                || log[..at].iter().rev().find(|(of, _)| *of == before.name).is_some_and(|(_, it)| it.is_none());
            let was_over = before.kept || before.state == NodeState::Skipped || ended();
            assert!(was_over, "{name} began before {} was over: {log:?}", before.name);
        }
    }
    for node in view.nodes.iter().filter(|node| node.state == NodeState::Skipped) {
        assert!(starts.iter().all(|(name, _)| *name != node.name), "{} was skipped and ran", node.name);
    }
}

async fn tell(story: Story) {
    let stage = Arc::new(Mutex::new(Stage::default()));
    let mut engine = engine_on(&stage).await;
    let mut spec = story.spec.clone();
    for node in &mut spec.process_nodes {
        let name = node.name.clone();
        node.options.set("NODE", name);
    }
    let retry = RetryPolicy { max_interruptions: 100, ..RetryPolicy::default() };
    let step = JobConfig::new(JobSpec { retry, ..JobSpec::function("step", "null") });
    engine.apply_configs(vec![("step".into(), step)], false).await.unwrap();
    engine.apply_pipelines(vec![(PROJECT.into(), "p".into(), spec.clone())], false).await.unwrap();
    let pipeline = Pipeline::new(spec, &PipelineLimits::default(), &ScheduleLimits::default()).unwrap();
    let name = |node: usize| pipeline.name_of(node).to_owned();
    stage.lock().unwrap().fates = story.fates.iter().enumerate().map(|(at, fate)| (name(at), *fate)).collect();

    let id = engine.run_pipeline(PROJECT, "p", RunOptions::new(), None).await.unwrap();
    let view = live(&mut engine, id, &story.fates, &story.crashes).await;
    let (states, word) = expected(pipeline.graph(), Vec::new(), &story.fates);
    assert_eq!((view.states(), view.summary.state), (states.clone(), word));
    check(&stage, &pipeline, &view);

    let Ok(rerun) = rerun_failed(pipeline.graph(), &states) else {
        assert_eq!(word, ChainState::Succeeded);
        return;
    };
    stage.lock().unwrap().fates.values_mut().for_each(|fate| *fate = Fate::Succeeds);
    let id = engine.rerun(id, &[]).await.unwrap();
    let all = vec![Fate::Succeeds; states.len()];
    let view = live(&mut engine, id, &all, &story.crashes).await;
    let (states, word) = expected(pipeline.graph(), rerun.states, &all);
    assert_eq!((view.states(), view.summary.state), (states, word));
    assert_eq!(word, ChainState::Succeeded);
    check(&stage, &pipeline, &view);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_graph_runs_as_the_fold_says(story in stories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tell(story));
    }
}

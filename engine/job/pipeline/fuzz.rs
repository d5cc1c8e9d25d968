//! What the fuzz target may do with pipelines.

use std::collections::BTreeMap;

use super::{Drawing, NodeState, Pipeline, Progress, Values, rerun_failed, resolve};
use crate::job::limits::{PipelineLimits, ScheduleLimits};
use crate::job::options::RunOptions;

/// Any bytes as the text of a pipeline: refused with what is allowed, or one that is read again as it was, drawn, and
/// run to its end in some way.
pub(crate) fn fuzz_pipeline(text: &[u8], way: u64) {
    let (limits, schedules) = (PipelineLimits::default(), ScheduleLimits::default());
    let pipeline = match Pipeline::parse(text, &limits, &schedules) {
        Ok(pipeline) => pipeline,
        Err(mistakes) => {
            assert!(!mistakes.is_empty() && mistakes.iter().all(|it| !it.problem.allowed.is_empty()));
            return;
        }
    };
    let spec = pipeline.spec();
    let printed = spec.to_yaml();
    match Pipeline::parse(printed.as_bytes(), &limits, &schedules) {
        Ok(again) => assert!(again.spec() == spec && again.graph() == pipeline.graph(), "{printed}"),
        // Quotes and blanks may take a text over its limit.
        Err(_) => assert!(printed.len() > limits.text_bytes, "{printed}"),
    }
    assert!(Pipeline::new(spec.clone(), &limits, &schedules).is_ok_and(|again| again.spec() == spec));
    for node in &spec.process_nodes {
        let values = Values { parameters: &RunOptions::new(), outputs: &BTreeMap::new(), later: &BTreeMap::new() };
        if let Err(problems) = resolve(&node.options, values, &limits) {
            assert!(!problems.is_empty());
        }
    }
    let states = run(&pipeline, way);
    assert!(Drawing::default().lines(&pipeline, Some(&states)).len() <= 21 * 100 + 1);
    if let Ok(rerun) = rerun_failed(pipeline.graph(), &states) {
        assert!(rerun.kept.iter().all(|node| states.get(*node) == Some(&NodeState::Succeeded)));
        assert!(!rerun.again.is_empty());
    }
}

/// Runs all nodes, one after the other; `way` says how each ends.
fn run(pipeline: &Pipeline, way: u64) -> Vec<NodeState> {
    let mut progress = Progress::new(pipeline.graph(), Vec::new());
    let mut due = progress.due();
    while let Some((node, decision)) = due.pop() {
        if decision != super::Decision::Ready {
            continue;
        }
        assert!(progress.start(node), "it is told once that a node is ready");
        let end = match (way >> (node % 61)) & 7 {
            0 => NodeState::Failed,
            1 => NodeState::Cancelled,
            _ => NodeState::Succeeded,
        };
        due.extend(progress.end(node, end));
    }
    assert!(progress.states().iter().all(|state| state.is_over()));
    progress.states().to_vec()
}

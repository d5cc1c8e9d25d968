//! The laws of pipelines, held against random ones.

use proptest::prelude::*;

use super::bad::told;
use super::examples::good;
use super::fuzz::fuzz_pipeline;
use super::random::{ends, pipelines, specs};
use super::{Decision, Graph, NodeState, On, Progress, decide, rerun_failed, rerun_from, summarize};
use crate::job::chain::ChainState;

/// What a whole run comes to, said in one go: nothing of how it went.
fn outcome(graph: &Graph, ends: &[NodeState]) -> Vec<NodeState> {
    let mut states = vec![NodeState::Waiting; graph.len()];
    for node in graph.order() {
        let runs = graph.before(*node).iter().all(|edge| states[edge.from].end().is_some_and(|end| edge.on.holds(end)));
        states[*node] = if runs { ends[*node] } else { NodeState::Skipped };
    }
    states
}

/// Whether one node comes after another, directly or not; by looking at all paths.
fn comes_after(graph: &Graph, node: usize, other: usize) -> bool {
    graph.before(node).iter().any(|edge| edge.from == other || comes_after(graph, edge.from, other))
}

/// Runs from `states` to the end, taking what is ready in the order that `turns` says. Each node that ran.
fn run(graph: &Graph, states: Vec<NodeState>, ends: &[NodeState], turns: &[usize]) -> (Vec<NodeState>, Vec<usize>) {
    let mut progress = Progress::new(graph, states);
    let mut ready = Vec::new();
    let mut running = Vec::new();
    let mut ran = Vec::new();
    let mut due = progress.due();
    let mut turns = turns.iter().cycle();
    loop {
        for (node, decision) in due.drain(..) {
            match decision {
                Decision::Ready => ready.push(node),
                Decision::Skip { because } => {
                    assert!(!because.on.holds(because.was) && Some(because.was) == progress.state(because.node).end());
                    assert_eq!(progress.state(node), NodeState::Skipped);
                }
                Decision::Wait => panic!("nobody is told to wait"),
            }
        }
        let turn = turns.next().unwrap();
        if !ready.is_empty() && (turn.is_multiple_of(2) || running.is_empty()) {
            let node = ready.swap_remove(turn % ready.len());
            assert!(progress.start(node) && !progress.start(node));
            assert!(
                graph
                    .before(node)
                    .iter()
                    .all(|edge| progress.state(edge.from).end().is_some_and(|end| edge.on.holds(end)))
            );
            ran.push(node);
            running.push(node);
            continue;
        }
        if running.is_empty() {
            return (progress.states().to_vec(), ran);
        }
        let node = running.swap_remove(turn % running.len());
        due = progress.end(node, ends[node]);
        assert!(progress.end(node, NodeState::Failed).is_empty(), "final is final");
        // What was found step by step is what looking at everything finds.
        for node in 0..graph.len() {
            let state = progress.state(node);
            let found = due.iter().any(|(due, _)| *due == node) || ready.contains(&node);
            if state == NodeState::Waiting {
                assert_eq!(decide(graph, node, progress.states()) != Decision::Wait, found);
            }
        }
    }
}

fn turns() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..1_000_usize, 1..30)
}

proptest! {
    #[test]
    fn the_order_respects_edges_and_is_the_first_in_declaration(pipeline in pipelines()) {
        let graph = pipeline.graph();
        let mut left: Vec<usize> = (0..graph.len()).collect();
        for node in graph.order() {
            let free = |node: &&usize| graph.before(**node).iter().all(|edge| !left.contains(&edge.from));
            prop_assert_eq!(left.iter().find(free), Some(node));
            left.retain(|other| other != node);
            let level = graph.before(*node).iter().map(|edge| graph.level(edge.from) + 1).max();
            prop_assert_eq!(graph.level(*node), level.unwrap_or(0));
        }
        prop_assert!(left.is_empty());
    }

    #[test]
    fn a_run_ends_and_ends_the_same_in_every_order(pipeline in pipelines(), ends in ends(), turns in turns()) {
        let graph = pipeline.graph();
        let (states, ran) = run(graph, Vec::new(), &ends, &turns);
        prop_assert_eq!(&states, &outcome(graph, &ends));
        for (place, node) in ran.iter().enumerate() {
            prop_assert!(!ran[..place].contains(node), "each node once");
        }
        let skipped = states.iter().filter(|state| **state == NodeState::Skipped).count();
        prop_assert_eq!(ran.len() + skipped, graph.len());
        let whole = summarize(&states).state;
        let has = |state| states.contains(&state);
        let expected = match () {
            () if has(NodeState::Failed) => ChainState::Failed,
            () if has(NodeState::Cancelled) => ChainState::Cancelled,
            () => ChainState::Succeeded,
        };
        prop_assert_eq!(whole, expected);
    }

    #[test]
    fn only_what_comes_after_is_skipped(pipeline in pipelines(), ends in ends(), turns in turns()) {
        let graph = pipeline.graph();
        let (states, _) = run(graph, Vec::new(), &ends, &turns);
        for node in (0..graph.len()).filter(|node| states[*node] == NodeState::Skipped) {
            let others: Vec<usize> = (0..graph.len()).filter(|other| comes_after(graph, node, *other)).collect();
            let bad = |other: &usize| matches!(states[*other], NodeState::Failed | NodeState::Cancelled);
            let handles = |of: usize| graph.before(of).iter().any(|edge| edge.on == On::Failure);
            prop_assert!(others.iter().any(bad) || handles(node) || others.into_iter().any(handles));
        }
    }

    #[test]
    fn a_run_that_is_taken_up_again_goes_on_as_it_would(
        pipeline in pipelines(),
        ends in ends(),
        turns in turns(),
        gone in 0..1_024_usize,
    ) {
        // What was over stays over; the rest, skipped ones included, is decided again.
        let graph = pipeline.graph();
        let whole = outcome(graph, &ends);
        let mut states = vec![NodeState::Waiting; graph.len()];
        for node in graph.order() {
            let before = graph.before(*node).iter().all(|edge| states[edge.from].is_over());
            if before && gone & (1 << *node) != 0 {
                states[*node] = whole[*node];
            }
        }
        let (states, _) = run(graph, states, &ends, &turns);
        prop_assert_eq!(states, whole);
    }

    #[test]
    fn running_again_keeps_only_what_may_be_kept(
        pipeline in pipelines(),
        ends in ends(),
        again in ends(),
        turns in turns(),
    ) {
        let graph = pipeline.graph();
        let states = outcome(graph, &ends);
        let failed = |node: usize| matches!(states[node], NodeState::Failed | NodeState::Cancelled);
        let Ok(rerun) = rerun_failed(graph, &states) else {
            prop_assert!(!(0..graph.len()).any(failed));
            return Ok(());
        };
        for (node, state) in states.iter().copied().enumerate() {
            let runs = failed(node) || (0..graph.len()).any(|other| failed(other) && comes_after(graph, node, other));
            prop_assert_eq!(rerun.again.contains(&node), runs);
            prop_assert_eq!(rerun.kept.contains(&node), !runs && state == NodeState::Succeeded);
            prop_assert_eq!(rerun.states[node], if runs { NodeState::Waiting } else { state });
        }
        let (after, ran) = run(graph, rerun.states.clone(), &again, &turns);
        prop_assert!(ran.iter().all(|node| rerun.again.contains(node)));
        // As if the first run had gone so at once.
        let at_once: Vec<NodeState> =
            (0..graph.len()).map(|node| if rerun.again.contains(&node) { again[node] } else { ends[node] }).collect();
        prop_assert_eq!(after, outcome(graph, &at_once));
    }

    #[test]
    fn running_again_from_a_node_runs_it(pipeline in pipelines(), ends in ends(), node in 0..9_usize) {
        let graph = pipeline.graph();
        let states = outcome(graph, &ends);
        match rerun_from(graph, &states, &[node]) {
            Ok(rerun) => {
                let due = Progress::new(graph, rerun.states).due();
                prop_assert_eq!(due, [(node, Decision::Ready)]);
                prop_assert!(rerun.again.iter().all(|other| *other == node || comes_after(graph, *other, node)));
            }
            Err(_) => prop_assert!(node >= graph.len() || states[node] == NodeState::Skipped),
        }
    }

    #[test]
    fn what_is_printed_is_read_as_it_was(spec in specs()) {
        let printed = spec.to_yaml();
        let said = told(&printed);
        prop_assert!(said.lines().all(|line| line.starts_with("fine")), "{said}\n{printed}");
        let again = good(&printed);
        prop_assert_eq!(again.spec(), &spec);
        let plain: super::PipelineSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        prop_assert_eq!(plain, spec);
    }

    #[test]
    fn any_text_is_refused_or_read(text in "\\PC{0,60}", way in any::<u64>()) {
        fuzz_pipeline(text.as_bytes(), way);
    }

    #[test]
    fn a_pipeline_with_a_piece_changed_is_refused_or_read(
        pipeline in pipelines(),
        at in any::<proptest::sample::Index>(),
        piece in proptest::sample::select(vec!["", " ", "\n", "\t", "-", ": ", "n1", "d0", "*a", "&a ", "!t ", "[", "}", "\"", "~", "${"]),
        way in any::<u64>(),
    ) {
        let mut text = pipeline.spec().to_yaml();
        let at = at.index(text.len());
        text.replace_range(at..at + 1, piece);
        fuzz_pipeline(text.as_bytes(), way);
    }
}

//! Runs of small pipelines, told step by step.

use std::collections::BTreeMap;

use super::examples::good;
use super::{Because, Decision, Drawing, NodeState, On, Pipeline, Progress, RerunError, Values};
use super::{put_together, rerun_failed, rerun_from, resolve, summarize};
use crate::job::chain::ChainState;
use crate::job::limits::PipelineLimits;
use crate::job::options::RunOptions;

use NodeState::{Cancelled, Failed, Running, Skipped, Succeeded, Waiting};

/// `load`, then `left` and `right`, then `join`; `alarm` when `left` fails, `last` whatever becomes of `join`.
fn diamond() -> Pipeline {
    good(
        "\
processNodes:
  load: {processor: m}
  left: {processor: m, after: load}
  right: {processor: m, after: load}
  join: {processor: m, after: [left, right]}
  alarm: {processor: m, after: {node: left, on: failure}}
  last: {processor: m, after: [{node: join, on: always}]}
",
    )
}

fn names(pipeline: &Pipeline, due: Vec<(usize, Decision)>) -> Vec<String> {
    let told = due.into_iter().map(|(node, decision)| match decision {
        Decision::Skip { because } => {
            format!("{} skipped: {}", pipeline.name_of(node), because.text(pipeline.name_of(because.node)))
        }
        _ => pipeline.name_of(node).to_owned(),
    });
    told.collect()
}

#[test]
fn a_diamond_runs_each_once_and_skips_what_comes_after_a_failure() {
    let pipeline = diamond();
    let mut progress = Progress::new(pipeline.graph(), Vec::new());
    assert_eq!(progress.summary().state, ChainState::Pending);
    assert_eq!(names(&pipeline, progress.due()), ["load"]);
    assert!(progress.start(0));
    assert_eq!(progress.summary().state, ChainState::Running);
    assert_eq!(names(&pipeline, progress.end(0, Succeeded)), ["left", "right"]);
    assert_eq!(names(&pipeline, progress.end(1, Failed)), ["alarm"]);
    // `join` cannot run any more, and is not over before `right` is.
    assert_eq!(progress.state(3), Waiting);
    let after = names(&pipeline, progress.end(2, Succeeded));
    assert_eq!(after, ["join skipped: it comes after the success of left, which was a failure", "last"]);
    assert_eq!(names(&pipeline, progress.end(4, Succeeded)), [""; 0]);
    assert_eq!(names(&pipeline, progress.end(5, Succeeded)), [""; 0]);
    assert_eq!(progress.summary().state, ChainState::Failed);
    assert_eq!(progress.summary().to_string(), "4 succeeded, 1 failed, 1 skipped");
}

#[test]
fn a_condition_holds_for_these_ends() {
    let holding = |on: On| {
        NodeState::ALL.into_iter().filter(|state| state.end().is_some_and(|end| on.holds(end))).collect::<Vec<_>>()
    };
    assert_eq!(holding(On::Success), [Succeeded]);
    assert_eq!(holding(On::Failure), [Failed]);
    assert_eq!(holding(On::Always), [Succeeded, Failed, Cancelled, Skipped]);
}

#[test]
fn the_fold() {
    let state = |states: &[NodeState]| summarize(states).state;
    assert_eq!(state(&[Waiting, Waiting]), ChainState::Pending);
    assert_eq!(state(&[Waiting, Skipped]), ChainState::Running);
    assert_eq!(state(&[Succeeded, Running]), ChainState::Running);
    assert_eq!(state(&[Succeeded, Skipped]), ChainState::Succeeded);
    assert_eq!(state(&[Succeeded, Cancelled]), ChainState::Cancelled);
    assert_eq!(state(&[Cancelled, Failed, Succeeded]), ChainState::Failed);
}

#[test]
fn from_the_failed_node_again() {
    let pipeline = diamond();
    let graph = pipeline.graph();
    let states = [Succeeded, Failed, Succeeded, Skipped, Succeeded, Succeeded];
    let rerun = rerun_failed(graph, &states).unwrap();
    assert_eq!(rerun.states, [Succeeded, Waiting, Succeeded, Waiting, Waiting, Waiting]);
    assert_eq!((rerun.kept, rerun.again), (vec![0, 2], vec![1, 3, 4, 5]));
    // A handler that was not needed is not asked again.
    let rerun = rerun_failed(graph, &[Succeeded, Succeeded, Cancelled, Skipped, Skipped, Failed]).unwrap();
    assert_eq!(rerun.states, [Succeeded, Succeeded, Waiting, Waiting, Skipped, Waiting]);
    assert_eq!(rerun.kept, [0, 1]);

    let right = rerun_from(graph, &states, &[2]).unwrap();
    assert_eq!(right.states, [Succeeded, Failed, Waiting, Waiting, Succeeded, Waiting]);
    let because = Because { node: 1, on: On::Success, was: crate::job::End::Failed };
    let refused = rerun_from(graph, &states, &[3]).unwrap_err();
    assert_eq!(refused, RerunError::WouldBeSkipped { node: 3, because });
    assert_eq!(
        refused.to_string(),
        "node 3 would be skipped: it comes after the success of node 1, which was a failure"
    );
    assert!(rerun_from(graph, &states, &[3, 1]).is_ok());
    assert_eq!(rerun_from(graph, &states, &[6]), Err(RerunError::Unknown { node: 6 }));
    assert_eq!(rerun_failed(graph, &[Succeeded; 6]), Err(RerunError::NothingFailed));
    assert_eq!(rerun_failed(graph, &states[..5]), Err(RerunError::NotOver { node: 5 }));
}

#[test]
fn a_diamond_as_text() {
    let pipeline = diamond();
    let states = [Succeeded, Failed, Running, Waiting, Waiting, Waiting];
    let lines = Drawing::default().lines(&pipeline, Some(&states));
    let expected = [
        "1 ─ load   succeeded",
        "2 ┌ left   failed     ← load",
        "  └ right  running    ← load",
        "3 ┌ join   waiting    ← left, right",
        "  └ alarm  waiting    ← left (failure)",
        "4 ─ last   waiting    ← join (always)",
    ];
    assert_eq!(lines, expected);
    let ascii = Drawing { ascii: true, ..Drawing::default() }.lines(&pipeline, None);
    let expected = ["1 - load", "2 + left   <- load", "  ` right  <- load", "3 + join   <- left, right"];
    assert_eq!(ascii[..4], expected);
    assert!(ascii.iter().all(|line| line.is_ascii()));
}

#[test]
fn a_wide_fan_is_drawn_within_bounds() {
    let mut text = "processNodes:\n  root: {processor: m}\n".to_owned();
    let names: Vec<String> =
        (0..400).map(|node| format!("a_name_that_is_longer_than_forty_characters_{node}")).collect();
    for name in &names {
        text.push_str(&format!("  {name}: {{processor: m, after: root}}\n"));
    }
    text.push_str(&format!("  end: {{processor: m, after: [{}]}}\n", names.join(", ")));
    let pipeline = good(&text);
    let mut states = vec![Waiting; 402];
    states[0] = Succeeded;
    states[399] = Failed;
    let lines = Drawing { per_level: 2, ascii: true, ..Drawing::default() }.lines(&pipeline, Some(&states));
    let expected = [
        &format!("1 - root{}  succeeded", " ".repeat(39)),
        "2 + a_name_that_is_longer_than_forty_charact...  waiting    <- root",
        "  | a_name_that_is_longer_than_forty_charact...  waiting    <- root",
        "  ` ... 398 nodes: 397 waiting, 1 failed",
    ];
    assert_eq!(lines[..4], expected.map(str::to_owned));
    assert!(
        lines[4].starts_with("3 - end   ")
            && lines[4].contains("  waiting    <- a_name_")
            && lines[4].ends_with(", ... 396 more")
    );
}

const OUTPUTS: [(&str, &str); 2] = [("count", "42"), ("tricky", "${parameters.day}")];

fn resolved(options: &[(&str, &str)]) -> Result<RunOptions, Vec<String>> {
    let mut parameters: RunOptions = [("day", "monday")].into_iter().collect();
    parameters.set_secret("token", "hidden");
    let outputs: BTreeMap<String, String> =
        OUTPUTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let values = Values { parameters: &parameters, outputs: &outputs, later: &BTreeMap::new() };
    let options = options.iter().copied().collect();
    let resolved = resolve(&options, values, &PipelineLimits::default());
    match resolved {
        Ok(resolved) => {
            assert!(resolved.late.is_empty());
            Ok(resolved.options)
        }
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn what_is_not_known_yet_is_put_in_later() {
    let parameters: RunOptions = [("dollar", "x$")].into_iter().collect();
    let later: BTreeMap<String, u32> = [("count".to_owned(), 3)].into_iter().collect();
    let values = Values { parameters: &parameters, outputs: &BTreeMap::new(), later: &later };
    let options = [("A", "${parameters.dollar}${nodes.count.output} rows"), ("B", "now")].into_iter().collect();
    let resolved = resolve(&options, values, &PipelineLimits::default()).unwrap();
    assert_eq!(resolved.late, ["A"]);
    let value = &resolved.options.get("A").unwrap().value;
    let whole = put_together(value, 100, |place| Ok::<_, String>(format!("<{place}>")));
    assert_eq!(whole.unwrap(), "x$<3> rows");
    assert_eq!(resolved.options.get("B").unwrap().value, "now");
}

#[test]
fn values_are_put_into_options() {
    let options = resolved(&[
        ("A", "${parameters.day}: ${nodes.count.output} rows"),
        ("B", "$${parameters.day} costs $5"),
        ("C", "Bearer ${parameters.token}"),
        ("D", "${nodes.tricky.output}"),
    ]);
    let options = options.unwrap();
    let get = |name| options.get(name).map(|value| (value.value.as_str(), value.secret));
    assert_eq!(get("A"), Some(("monday: 42 rows", false)));
    assert_eq!(get("B"), Some(("${parameters.day} costs $5", false)));
    assert_eq!(get("C"), Some(("Bearer hidden", true)));
    assert_eq!(get("D"), Some(("${parameters.day}", false)), "what is put in is not looked at again");
}

#[test]
fn what_cannot_be_put_in_is_told() {
    let said = resolved(&[("A", "${parameters.nope} ${nodes.nope.output}"), ("B", "${"), ("C", "${x}")]).unwrap_err();
    let expected = [
        "options.A: there is no parameter \"nope\"; allowed: names of parameters of the run",
        "options.A: process node \"nope\" has no output value; allowed: nodes that ended with an output value",
        "options.B: a ${ is not closed; allowed: ${parameters.NAME}, ${nodes.NAME.output}, or $${ for the two characters ${",
        "options.C: ${x} is not known; allowed: ${parameters.NAME}, ${nodes.NAME.output}, or $${ for the two characters ${",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_is_put_in_is_bounded_before_it_is_copied() {
    let parameters: RunOptions = [("big", "x".repeat(60_000)), ("nul", "\0".to_owned())].into_iter().collect();
    let outputs = BTreeMap::new();
    let values = Values { parameters: &parameters, outputs: &outputs, later: &BTreeMap::new() };
    let told = |options: &[(&str, String)]| {
        let options = options.iter().cloned().collect();
        resolve(&options, values, &PipelineLimits::default()).unwrap_err()[0].to_string()
    };
    let many = "${parameters.big}".repeat(3_000);
    assert_eq!(
        told(&[("A", many)]),
        "options.A: the value has 180000000 bytes after values are put in; allowed: at most 65536 bytes"
    );
    let five: Vec<(&str, String)> = ["A", "B", "C", "D", "E"].map(|name| (name, "${parameters.big}".to_owned())).into();
    assert!(told(&five).starts_with("options: there are 300005 bytes after values are put in"));
    assert!(told(&[("A", "${parameters.nul}".to_owned())]).contains("the value holds NUL"));
}

#[test]
fn the_parameters_of_a_run() {
    let pipeline = good("parameters: {day: today, region: }\nprocessNodes: {a: {processor: m}}\n");
    let given: RunOptions = [("region", "north")].into_iter().collect();
    let expected: RunOptions = [("day", "today"), ("region", "north")].into_iter().collect();
    assert_eq!(pipeline.spec().parameters_of_run(&given), Ok(expected));
    let wrong: RunOptions = [("regoin", "north")].into_iter().collect();
    let problems = pipeline.spec().parameters_of_run(&wrong).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "parameters.regoin: the pipeline has no such parameter; allowed: day, region",
        "parameters.region: there is no value; allowed: a value for each parameter without a default",
    ];
    assert_eq!(said, expected);
}

//! Texts that are made to cost more than they are worth, and pipelines that are just large. What is asserted is counted,
//! not timed.

use super::bad::told;
use super::examples::good;
use super::order;
use super::{Decision, Drawing, Edge, Graph, NodeState, On, Progress};

#[test]
fn bombs_do_not_go_off() {
    let mut billion = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (this, last) in ('b'..='i').zip('a'..='h') {
        billion.push_str(&format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(",")));
    }
    let said = told(&billion);
    assert!(said.starts_with("1:1: a: anchors (&) are not supported"), "{said}");
    assert!(said.contains("9:1: i: anchors (&) are not supported"), "{said}");
    assert_eq!(told("[".repeat(1 << 20)).lines().count(), 1);
    let nested = told("[".repeat(1 << 20));
    assert!(nested.contains("it is nested too deeply; allowed: 16 lists and maps"), "{nested}");
    let nested = told("{a: ".repeat(1 << 20));
    assert!(nested.contains("it is nested too deeply"), "{nested}");
    assert!(told("- ".repeat(1 << 20)).contains("it is nested too deeply"));
    let many = told(format!("processNodes: [{}]", "x,".repeat(600_000)));
    assert!(many.contains("there are too many values; allowed: 500000 texts, lists and maps"), "{many}");
}

#[test]
fn long_texts_are_cut_in_messages() {
    let long = "q".repeat(1 << 20);
    for text in [
        format!("{long}: x"),
        format!("processNodes: {{{long}: {{processor: m, {long}: x}}}}"),
        format!("processNodes: {{a: {{processor: {long}, input: {long}, after: {long}, retry: {long}}}}}"),
        format!("processNodes: {{a: {{processor: m, options: {{{long}: x, V: {long}, W: '${{{long}}}'}}}}}}"),
        format!("dataNodes: {{d: {{source: {long}}}}}\nschedule: {{schedule_interval: {long}, timezone: {long}}}"),
        format!("requirement: [{{name: {long}, version: {long}}}]\nparameters: {{{long}: x}}"),
    ] {
        let said = told(&text);
        assert!(!said.is_empty() && !said.contains("fine"), "{said}");
        assert!(said.lines().all(|line| line.len() < 500), "{said}");
    }
}

#[test]
fn limits_on_counts_are_told() {
    let list = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
    let nodes = list(10_001, &|at| format!("n{at}: {{processor: m}}"));
    let said = told(format!("processNodes: {{{nodes}}}"));
    assert_eq!(said, "1:1: processNodes: there are 10001; allowed: at most 10000 process nodes");
    let data = list(20_001, &|at| format!("d{at}: {{source: s{at}}}"));
    let said = told(format!("processNodes: {{n: {{processor: m}}}}\ndataNodes: {{{data}}}"));
    assert_eq!(said, "2:1: dataNodes: there are 20001; allowed: at most 20000 data nodes");
    let nodes = list(1_002, &|at| format!("n{at}: {{processor: m, output: d{at}}}"));
    let data = list(1_002, &|at| format!("d{at}: {{source: s{at}}}"));
    let input = list(1_002, &|at| format!("d{at}"));
    let said =
        told(format!("dataNodes: {{{data}}}\nprocessNodes: {{{nodes}, last: {{processor: m, input: [{input}]}}}}"));
    assert!(said.contains("processNodes.last.input[1000]: there are 1002; allowed: at most 1000 inputs"), "{said}");
    assert!(said.contains("processNodes.last: it comes after 1002 nodes; allowed: at most 1000 nodes"), "{said}");
    let options = list(257, &|at| format!("O{at}: x"));
    let said = told(format!("processNodes: {{n: {{processor: m, options: {{{options}}}}}}}"));
    assert!(said.contains("processNodes.n.options: there are 257; allowed: at most 256 options"), "{said}");
    let options = list(5, &|at| format!("O{at}: {}", "x".repeat(60_000)));
    let said = told(format!("processNodes: {{n: {{processor: m, options: {{{options}}}}}}}"));
    assert!(said.contains("there are 300010 bytes; allowed: at most 262144 bytes"), "{said}");
}

const NODES: usize = 10_000;

fn success(from: usize) -> Edge {
    Edge { from, on: On::Success }
}

/// A line, a wide fan, and layers of which each node comes after all ten of the one before.
fn large() -> Vec<(&'static str, Vec<Vec<Edge>>)> {
    let line = (0..NODES).map(|node: usize| node.checked_sub(1).map(success).into_iter().collect());
    let fan = (0..NODES).map(|node| match node {
        0 => Vec::new(),
        _ if node + 1 == NODES => (1..node).map(success).collect(),
        _ => vec![success(0)],
    });
    let layers = (0..NODES).map(|node| match node / 10 {
        0 => Vec::new(),
        layer => (0..10).map(|at| success((layer - 1) * 10 + at)).collect(),
    });
    vec![("line", line.collect()), ("fan", fan.collect()), ("layers", layers.collect())]
}

fn followers_of(before: &[Vec<Edge>]) -> Vec<Vec<usize>> {
    let mut followers = vec![Vec::new(); before.len()];
    for (node, edges) in before.iter().enumerate() {
        for edge in edges {
            followers[edge.from].push(node);
        }
    }
    followers
}

#[test]
fn ten_thousand_nodes_take_as_many_steps_as_there_are_nodes_and_edges() {
    for (name, before) in large() {
        let edges: usize = before.iter().map(Vec::len).sum();
        let sorted = order::sort(&before, &followers_of(&before));
        assert_eq!((sorted.order.len(), sorted.steps), (NODES, NODES + edges), "{name}");

        let graph = Graph::new(before).unwrap();
        let mut progress = Progress::new(&graph, Vec::new());
        let mut due = progress.due();
        let mut ran = 0;
        while let Some((node, decision)) = due.pop() {
            assert_eq!(decision, Decision::Ready);
            assert!(progress.start(node));
            due.extend(progress.end(node, NodeState::Succeeded));
            ran += 1;
        }
        assert_eq!((ran, progress.steps), (NODES, NODES + 2 * edges), "{name}");
    }
}

#[test]
fn one_failure_skips_ten_thousand_in_one_go() {
    for (name, before) in large() {
        let edges: usize = before.iter().map(Vec::len).sum();
        let graph = Graph::new(before).unwrap();
        let mut progress = Progress::new(&graph, Vec::new());
        let roots = progress.due();
        let mut skipped = 0;
        for (node, _) in &roots {
            skipped += progress.end(*node, NodeState::Failed).len();
        }
        assert_eq!(roots.len() + skipped, NODES, "{name}");
        assert!(progress.steps <= NODES + 2 * edges, "{name}");
    }
}

#[test]
fn circles_of_ten_thousand_are_found() {
    let circle: Vec<Vec<Edge>> = (0..NODES).map(|node| vec![success((node + NODES - 1) % NODES)]).collect();
    let sorted = order::sort(&circle, &followers_of(&circle));
    assert_eq!(sorted.circles.len(), 1);
    assert_eq!(sorted.circles[0], (0..NODES).collect::<Vec<_>>());
    assert!(sorted.steps <= 4 * NODES, "{}", sorted.steps);
    // As many as are told, then no more.
    let pairs: Vec<Vec<Edge>> = (0..NODES).map(|node| vec![success(node ^ 1)]).collect();
    assert_eq!(order::sort(&pairs, &followers_of(&pairs)).circles.len(), 100);
    let mut text = "processNodes:\n".to_owned();
    for node in 0..NODES {
        text.push_str(&format!("  n{node}: {{processor: m, after: n{}}}\n", (node + 1) % NODES));
    }
    let said = told(text);
    assert!(
        said.starts_with("2:29: processNodes.n0.after[0]: process nodes wait for each other: n0 -> n9999 -> n9998")
    );
    assert!(said.contains("-> … 9988 more … -> n0;") && said.len() < 300, "{said}");
}

#[test]
fn a_text_with_ten_thousand_nodes_is_read() {
    let mut text = "dataNodes:\n".to_owned();
    for node in 0..=NODES {
        text.push_str(&format!("  data_{node}:\n    source: dataset/{node}.csv\n"));
    }
    text.push_str("processNodes:\n");
    for node in 0..NODES {
        text.push_str(&format!(
            "  node_{node}:\n    input:\n    - data_{node}\n    output:\n    - data_{}\n    processor: my_module\n",
            node + 1
        ));
    }
    let pipeline = good(&text);
    assert_eq!(pipeline.graph().depth(), NODES);
    assert_eq!(pipeline.needed_sources(), ["dataset/0.csv"]);
    assert_eq!(pipeline.needed_processors(), ["my_module"]);
    let lines = Drawing::default().lines(&pipeline, None);
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[100], "… 9900 more levels with 9900 nodes");
    assert_eq!(good(&pipeline.spec().to_yaml()).spec(), pipeline.spec());
}

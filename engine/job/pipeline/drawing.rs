//! The graph of a pipeline as lines of text: level by level, each node once.

use super::decide::{NodeState, summarize};
use super::graph::Edge;
use super::spec::On;
use super::{Graph, Pipeline};

/// How a graph is drawn. Whatever it says, the text is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// Without signs beyond ASCII.
    pub ascii: bool,
    /// Nodes of one level that are shown.
    pub per_level: usize,
    /// Levels that are shown.
    pub levels: usize,
    /// Nodes before a node that are named.
    pub before: usize,
    /// Characters of a name.
    pub name_chars: usize,
}

impl Default for Drawing {
    fn default() -> Self {
        Drawing { ascii: false, per_level: 20, levels: 100, before: 4, name_chars: 40 }
    }
}

/// The signs of a drawing.
struct Signs {
    alone: &'static str,
    first: &'static str,
    middle: &'static str,
    last: &'static str,
    after: &'static str,
    more: &'static str,
}

const ASCII: Signs = Signs { alone: "-", first: "+", middle: "|", last: "`", after: "<-", more: "..." };
const WIDE: Signs = Signs { alone: "─", first: "┌", middle: "├", last: "└", after: "←", more: "…" };

impl Drawing {
    /// The lines. A level is what can run at once when all before it is done; every node says what it comes
    /// after, and its state where there are `states`.
    pub fn lines(&self, pipeline: &Pipeline, states: Option<&[NodeState]>) -> Vec<String> {
        let graph = pipeline.graph();
        let mut levels: Vec<Vec<usize>> = vec![Vec::new(); graph.depth()];
        for node in 0..graph.len() {
            if let Some(level) = levels.get_mut(graph.level(node)) {
                level.push(node);
            }
        }
        let signs = if self.ascii { &ASCII } else { &WIDE };
        let mut pen = Pen { drawing: self, pipeline, graph, states, signs, width: 0 };
        let shown = levels.iter().take(self.levels).flat_map(|level| level.iter().take(self.per_level));
        pen.width = shown.map(|node| pen.name(*node).chars().count()).max().unwrap_or(0);
        let digits = levels.len().to_string().len();
        let mut lines = Vec::new();
        for (number, level) in levels.iter().enumerate().take(self.levels) {
            pen.level(number + 1, digits, level, &mut lines);
        }
        if levels.len() > self.levels {
            let rest: Vec<usize> = levels.iter().skip(self.levels).flatten().copied().collect();
            let (more, count) = (pen.signs.more, levels.len() - self.levels);
            lines.push(format!("{more} {count} more levels with {}", pen.counted(&rest)));
        }
        lines
    }
}

struct Pen<'p> {
    drawing: &'p Drawing,
    pipeline: &'p Pipeline,
    graph: &'p Graph,
    states: Option<&'p [NodeState]>,
    signs: &'p Signs,
    /// Characters of the longest name that is shown.
    width: usize,
}

impl Pen<'_> {
    fn level(&self, number: usize, digits: usize, nodes: &[usize], lines: &mut Vec<String>) {
        let shown: Vec<usize> = nodes.iter().copied().take(self.drawing.per_level).collect();
        let names: Vec<String> = shown.iter().map(|node| self.name(*node)).collect();
        let width = self.width;
        let rest = nodes.get(shown.len()..).unwrap_or_default();
        let count = shown.len() + usize::from(!rest.is_empty());
        let sign = |at: usize| match at {
            _ if count == 1 => self.signs.alone,
            0 => self.signs.first,
            _ if at + 1 == count => self.signs.last,
            _ => self.signs.middle,
        };
        let label = |at: usize| if at == 0 { number.to_string() } else { String::new() };
        for (at, (node, name)) in shown.iter().zip(&names).enumerate() {
            let state = self.state(*node).map_or(String::new(), |state| format!("  {:<9}", state.word()));
            let line = format!("{:>digits$} {} {name:<width$}{state}{}", label(at), sign(at), self.before(*node));
            lines.push(line.trim_end().to_owned());
        }
        if !rest.is_empty() {
            let (at, more) = (shown.len(), self.signs.more);
            lines.push(format!("{:>digits$} {} {more} {}", label(at), sign(at), self.counted(rest)));
        }
    }

    fn state(&self, node: usize) -> Option<NodeState> {
        self.states.map(|states| states.get(node).copied().unwrap_or_default())
    }

    fn name(&self, node: usize) -> String {
        let name = self.pipeline.name_of(node);
        if name.chars().count() <= self.drawing.name_chars {
            return name.to_owned();
        }
        let cut: String = name.chars().take(self.drawing.name_chars).collect();
        format!("{cut}{}", self.signs.more)
    }

    fn before(&self, node: usize) -> String {
        let edges = self.graph.before(node);
        if edges.is_empty() {
            return String::new();
        }
        let named = |edge: &Edge| match edge.on {
            On::Success => self.name(edge.from),
            on => format!("{} ({})", self.name(edge.from), on.word()),
        };
        let mut names: Vec<String> = edges.iter().take(self.drawing.before).map(named).collect();
        if edges.len() > names.len() {
            names.push(format!("{} {} more", self.signs.more, edges.len() - names.len()));
        }
        format!("  {} {}", self.signs.after, names.join(", "))
    }

    /// As `380 more nodes: 300 succeeded, 80 waiting`.
    fn counted(&self, nodes: &[usize]) -> String {
        let count = nodes.len();
        let nouns = if count == 1 { "node" } else { "nodes" };
        let states: Option<Vec<NodeState>> = nodes.iter().map(|node| self.state(*node)).collect();
        match states {
            Some(states) => format!("{count} {nouns}: {}", summarize(&states)),
            None => format!("{count} {nouns}"),
        }
    }
}

//! A run as it goes: what is ready, and what follows when a node ends, each edge looked at once.

use std::collections::VecDeque;

use super::decide::{Decision, NodeState, Summary, decide, summarize};
use super::graph::Graph;

/// The states of a run. It decides what [`decide`] decides, without looking at everything again for each end.
#[derive(Clone, Debug)]
pub struct Progress<'g> {
    graph: &'g Graph,
    states: Vec<NodeState>,
    /// For each node, how many that it comes after are not over.
    open: Vec<usize>,
    #[cfg(test)]
    pub(super) steps: usize,
}

impl<'g> Progress<'g> {
    /// A run with these states; nodes without one wait. For a new run there are none.
    pub fn new(graph: &'g Graph, mut states: Vec<NodeState>) -> Self {
        states.resize(graph.len(), NodeState::Waiting);
        let is_open = |node: usize| !states.get(node).copied().unwrap_or_default().is_over();
        let open = (0..graph.len()).map(|node| graph.before(node).iter().filter(|edge| is_open(edge.from)).count());
        let open = open.collect();
        Progress {
            graph,
            states,
            open,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// The states, by node.
    pub fn states(&self) -> &[NodeState] {
        &self.states
    }

    /// The state of one node.
    pub fn state(&self, node: usize) -> NodeState {
        self.states.get(node).copied().unwrap_or_default()
    }

    /// The condition of the run.
    pub fn summary(&self) -> Summary {
        summarize(&self.states)
    }

    /// Every node that waits and need not: those that are ready, and those that are skipped now. To be asked at the
    /// start of a run and when it is taken up again; it may be asked at any time.
    pub fn due(&mut self) -> Vec<(usize, Decision)> {
        let mut due = Vec::new();
        let graph = self.graph;
        // In this order nothing that is skipped here comes before what it follows from.
        for node in graph.order() {
            self.look(*node, &mut due, &mut VecDeque::new());
        }
        due
    }

    /// Notes that the job of a node is there. `false` when the node did not wait.
    pub fn start(&mut self, node: usize) -> bool {
        match self.states.get_mut(node) {
            Some(state @ NodeState::Waiting) => {
                *state = NodeState::Running;
                true
            }
            _ => false,
        }
    }

    /// Notes the end of a node: which others are ready or skipped by it, in that order of things. Nothing when the
    /// node was over or `end` is no end.
    pub fn end(&mut self, node: usize, end: NodeState) -> Vec<(usize, Decision)> {
        let mut due = Vec::new();
        if self.state(node).is_over() || !end.is_over() || node >= self.graph.len() {
            return due;
        }
        let mut ended = VecDeque::new();
        self.close(node, end, &mut ended);
        while let Some(node) = ended.pop_front() {
            self.look(node, &mut due, &mut ended);
        }
        due
    }

    /// Looks at a node for which nothing may be open any more.
    fn look(&mut self, node: usize, due: &mut Vec<(usize, Decision)>, next: &mut VecDeque<usize>) {
        if self.state(node) != NodeState::Waiting || self.open.get(node) != Some(&0) {
            return;
        }
        #[cfg(test)]
        {
            self.steps += 1 + self.graph.before(node).len();
        }
        let decision = decide(self.graph, node, &self.states);
        due.push((node, decision));
        if let Decision::Skip { .. } = decision {
            self.close(node, NodeState::Skipped, next);
        }
    }

    /// Puts down an end; followers for which nothing is open any more are `next`.
    fn close(&mut self, node: usize, end: NodeState, next: &mut VecDeque<usize>) {
        if let Some(state) = self.states.get_mut(node) {
            *state = end;
        }
        for follower in self.graph.followers(node) {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            let Some(open) = self.open.get_mut(*follower) else { continue };
            *open = open.saturating_sub(1);
            if *open == 0 {
                next.push_back(*follower);
            }
        }
    }
}

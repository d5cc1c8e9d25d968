//! The graph of a pipeline: which node comes after which, and in which order they can run.

use super::order::{self, Sorted};
use super::spec::On;

/// That a node comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The position of the other.
    pub from: usize,
    /// How the other must end.
    pub on: On,
}

/// Process nodes, by their positions in the order of declaration, and the edges between them: at most one from
/// one node to another, and no circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    before: Vec<Vec<Edge>>,
    followers: Vec<Vec<usize>>,
    order: Vec<usize>,
    levels: Vec<usize>,
}

impl Graph {
    /// The graph of these edges: for each node those that lead to it, from each other node at most one.
    ///
    /// # Errors
    /// Circles that have no node in common, in running order.
    pub(super) fn new(before: Vec<Vec<Edge>>) -> Result<Graph, Vec<Vec<usize>>> {
        let mut followers = vec![Vec::new(); before.len()];
        for (node, edges) in before.iter().enumerate() {
            for edge in edges {
                if let Some(followers) = followers.get_mut(edge.from) {
                    followers.push(node);
                }
            }
        }
        let Sorted { order, levels, circles, .. } = order::sort(&before, &followers);
        if circles.is_empty() { Ok(Graph { before, followers, order, levels }) } else { Err(circles) }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.before.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// The edges that lead to a node, in the order in which they were declared.
    pub fn before(&self, node: usize) -> &[Edge] {
        self.before.get(node).map_or(&[], Vec::as_slice)
    }

    /// The nodes that come directly after a node, in the order of declaration.
    pub fn followers(&self, node: usize) -> &[usize] {
        self.followers.get(node).map_or(&[], Vec::as_slice)
    }

    /// All nodes, each after all that it comes after; of those that could be next always the one that was
    /// declared first.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The nodes that come after none, in the order of declaration.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|node| self.before(*node).is_empty())
    }

    /// How many nodes the longest path to a node has before it; 0 for a root.
    pub fn level(&self, node: usize) -> usize {
        self.levels.get(node).copied().unwrap_or(0)
    }

    /// How many nodes the longest path has.
    pub fn depth(&self) -> usize {
        self.levels.iter().max().map_or(0, |level| level + 1)
    }

    /// Which nodes are among `from` or come after one of them, directly or not.
    pub(super) fn reached(&self, from: impl IntoIterator<Item = usize>) -> Vec<bool> {
        let mut reached = vec![false; self.len()];
        let mut open: Vec<usize> = from.into_iter().collect();
        while let Some(node) = open.pop() {
            let Some(reached) = reached.get_mut(node).filter(|reached| !**reached) else { continue };
            *reached = true;
            open.extend(self.followers(node));
        }
        reached
    }
}

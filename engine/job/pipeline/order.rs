//! The order of a graph, or the circles in it. Nothing here calls itself, however long a path is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::Edge;

/// Circles that are told at most.
const MOST_CIRCLES: usize = 100;

/// What sorting finds.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Each node after all that it comes after; of those that could be next, the one that was declared first.
    pub(super) order: Vec<usize>,
    /// For each node, how many nodes the longest path to it has before it.
    pub(super) levels: Vec<usize>,
    /// Circles that have no node in common, in running order, each from its node that was declared first.
    pub(super) circles: Vec<Vec<usize>>,
    /// Nodes and edges that were looked at.
    #[cfg(test)]
    pub(super) steps: usize,
}

/// Sorts nodes by what they come after.
pub(super) fn sort(before: &[Vec<Edge>], followers: &[Vec<usize>]) -> Sorted {
    let mut sorting = Sorting {
        before,
        followers,
        open: before.iter().map(Vec::len).collect(),
        taken: vec![false; before.len()],
        free: BinaryHeap::new(),
        sorted: Sorted { levels: vec![0; before.len()], ..Sorted::default() },
    };
    let roots = (0..before.len()).filter(|node| before.get(*node).is_some_and(Vec::is_empty));
    sorting.free = roots.map(Reverse).collect();
    sorting.take_free();
    sorting.find_circles();
    sorting.sorted
}

struct Sorting<'g> {
    before: &'g [Vec<Edge>],
    followers: &'g [Vec<usize>],
    /// How many that a node comes after are not taken.
    open: Vec<usize>,
    taken: Vec<bool>,
    free: BinaryHeap<Reverse<usize>>,
    sorted: Sorted,
}

impl Sorting<'_> {
    fn count(&mut self) {
        #[cfg(test)]
        {
            self.sorted.steps += 1;
        }
    }

    fn take_free(&mut self) {
        while let Some(Reverse(node)) = self.free.pop() {
            self.sorted.order.push(node);
            self.take(node);
        }
    }

    fn take(&mut self, node: usize) {
        self.count();
        if let Some(taken) = self.taken.get_mut(node) {
            *taken = true;
        }
        let level = self.sorted.levels.get(node).copied().unwrap_or(0) + 1;
        for follower in self.followers.get(node).into_iter().flatten().copied() {
            self.count();
            if let Some(known) = self.sorted.levels.get_mut(follower) {
                *known = level.max(*known);
            }
            let Some(open) = self.open.get_mut(follower) else { continue };
            *open = open.saturating_sub(1);
            if *open == 0 && !self.is_taken(follower) {
                self.free.push(Reverse(follower));
            }
        }
    }

    fn is_taken(&self, node: usize) -> bool {
        self.taken.get(node).copied().unwrap_or(true)
    }

    /// What is not taken comes after something that is not taken either, so a walk back ends in a circle.
    fn find_circles(&mut self) {
        let mut walked = vec![0_usize; self.before.len()];
        for start in 0..self.before.len() {
            if self.sorted.circles.len() == MOST_CIRCLES {
                return;
            }
            while !self.is_taken(start) && self.sorted.circles.len() < MOST_CIRCLES {
                let circle = self.walk_back(start, &mut walked);
                if circle.is_empty() {
                    return;
                }
                for node in &circle {
                    if let Some(taken) = self.taken.get_mut(*node) {
                        *taken = true;
                    }
                }
                for node in &circle {
                    self.take(*node);
                }
                self.sorted.circles.push(circle);
                self.take_free();
            }
        }
    }

    /// The circle that a walk back from `start` ends in. `walked` tells at which step of which walk a node was met.
    fn walk_back(&mut self, start: usize, walked: &mut [usize]) -> Vec<usize> {
        let mut path = Vec::new();
        let mut at = start;
        let from = loop {
            self.count();
            let Some(met) = walked.get_mut(at) else { return Vec::new() };
            if *met > 0 {
                break *met - 1;
            }
            path.push(at);
            *met = path.len();
            let edges = self.before.get(at).into_iter().flatten();
            let Some(edge) = edges.into_iter().find(|edge| !self.is_taken(edge.from)) else { return Vec::new() };
            at = edge.from;
        };
        for node in &path {
            if let Some(met) = walked.get_mut(*node) {
                *met = 0;
            }
        }
        let mut circle = path.split_off(from.min(path.len()));
        circle.reverse();
        let first = circle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(place, _)| place);
        circle.rotate_left(first);
        circle
    }
}

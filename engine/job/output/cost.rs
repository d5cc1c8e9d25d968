//! How many steps a check takes, counted before it begins.

use std::collections::HashMap;

use serde_json::Value;

use super::graph::{Goes, Graph, Part};

/// Counts that are remembered: some tens of megabytes.
const MOST_KNOWN: usize = 1 << 20;

/// Whether a check takes at most so many steps. It does not remember what it has found, so what it takes is added up along
/// every way; this does remember, so it is fast.
pub(super) fn is_within(graph: &Graph, value: &Value, most: u64) -> bool {
    let mut count = Count { graph, most, known: HashMap::new() };
    count.steps(0, value).is_some()
}

struct Count<'a> {
    graph: &'a Graph,
    most: u64,
    /// By the number of a part and by where a value is in memory.
    known: HashMap<(usize, usize), u64>,
}

impl Count<'_> {
    /// `None` when they are too many. The stack is as deep as that of the check: neither is deeper than what was refused
    /// before allows.
    fn steps(&mut self, part: usize, value: &Value) -> Option<u64> {
        let key = (part, std::ptr::from_ref(value).addr());
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        let graph = self.graph;
        let here = graph.parts.get(part)?;
        let mut steps = 1_u64.saturating_add(held_against_patterns(here, value));
        let mut of_same = 0_u64;
        for next in &here.same {
            of_same = of_same.saturating_add(self.steps(*next, value)?);
            if of_same > self.most {
                return None;
            }
        }
        let times = if here.looks_back { 1 + size(value) } else { 1 };
        steps = steps.saturating_add(of_same.saturating_mul(times));
        for (goes, next) in &here.inside {
            match (goes, value) {
                (Goes::Named(name), Value::Object(map)) => {
                    if let Some(value) = map.get(name) {
                        steps = steps.saturating_add(self.steps(*next, value)?);
                    }
                }
                (Goes::Everywhere, Value::Object(map)) => {
                    for value in map.values() {
                        steps = steps.saturating_add(self.steps(*next, value)?);
                    }
                }
                (Goes::Everywhere, Value::Array(list)) => {
                    for value in list {
                        steps = steps.saturating_add(self.steps(*next, value)?);
                    }
                }
                _ => {}
            }
            if steps > self.most {
                return None;
            }
        }
        // Without an entry the steps are counted again, one by one, which ends as soon as they are too many.
        let is_worth_it = steps > 1 && self.known.len() < MOST_KNOWN;
        if is_worth_it {
            self.known.insert(key, steps);
        }
        (steps <= self.most).then_some(steps)
    }
}

/// A pattern takes a step for every byte.
fn held_against_patterns(part: &Part, value: &Value) -> u64 {
    let bytes = match value {
        Value::String(text) => text.len() as u64,
        Value::Object(map) => map.keys().map(|name| name.len() as u64).sum(),
        _ => 0,
    };
    part.patterns.saturating_mul(bytes)
}

fn size(value: &Value) -> u64 {
    match value {
        Value::Array(list) => list.len() as u64,
        Value::Object(map) => map.len() as u64,
        _ => 0,
    }
}

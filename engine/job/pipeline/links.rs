//! From the names in a pipeline to the edges of its graph.

use std::collections::{HashMap, HashSet};

use super::check::Check;
use super::graph::{Edge, Graph};
use super::spec::{On, PipelineSpec, ProcessNode};
use super::spot::Spot;
use super::template::{Fault, Piece, REFERENCES, pieces};
use super::tree::shown_key;
use crate::job::spelling::closest;
use crate::job::validate::shown;

/// What the names of a pipeline come down to.
pub(super) struct Links {
    pub(super) graph: Graph,
    /// For each data node, the process node that makes it.
    pub(super) makers: Vec<Option<usize>>,
    /// For each data node, whether a process node reads it.
    pub(super) read: Vec<bool>,
}

/// Joins what the names join. `None` without a graph; why is told.
pub(super) fn link(check: &mut Check<'_>) -> Option<Links> {
    let spec = check.spec;
    let data = spec.data_nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
    let nodes = spec.process_nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
    let parameters = spec.parameters.iter().enumerate().map(|(at, it)| (it.name.as_str(), at)).collect();
    let mut linking = Linking {
        check,
        data,
        nodes,
        parameters,
        makers: vec![None; spec.data_nodes.len()],
        read: vec![false; spec.data_nodes.len()],
        used: vec![false; spec.parameters.len()],
    };
    linking.find_makers(spec);
    let mut before = Vec::with_capacity(spec.process_nodes.len());
    let mut causes = Vec::with_capacity(spec.process_nodes.len());
    for (at, node) in spec.process_nodes.iter().enumerate() {
        let edges = linking.edges_of(at, node);
        before.push(edges.list);
        causes.push(edges.causes);
    }
    linking.remark_unused();
    let Linking { makers, read, .. } = linking;
    match Graph::new(before.clone()) {
        Ok(graph) => Some(Links { graph, makers, read }),
        Err(circles) => {
            for circle in circles {
                tell_circle(check, &circle, &before, &causes);
            }
            None
        }
    }
}

/// Edges to one node, from each other node one.
#[derive(Default)]
struct Edges {
    list: Vec<Edge>,
    causes: Vec<Spot>,
    places: HashMap<usize, usize>,
}

impl Edges {
    /// Adds one, or narrows the one that is there. `false` where the two cannot both hold.
    fn add(&mut self, from: usize, on: On, cause: Spot) -> bool {
        let Some(edge) = self.places.get(&from).and_then(|place| self.list.get_mut(*place)) else {
            self.places.insert(from, self.list.len());
            self.list.push(Edge { from, on });
            self.causes.push(cause);
            return true;
        };
        let both = edge.on.and(on);
        edge.on = both.unwrap_or(edge.on);
        both.is_some()
    }
}

struct Linking<'l, 'c, 's> {
    check: &'l mut Check<'c>,
    data: HashMap<&'s str, usize>,
    nodes: HashMap<&'s str, usize>,
    parameters: HashMap<&'s str, usize>,
    makers: Vec<Option<usize>>,
    read: Vec<bool>,
    used: Vec<bool>,
}

impl Linking<'_, '_, '_> {
    fn find_makers(&mut self, spec: &PipelineSpec) {
        for (at, node) in spec.process_nodes.iter().enumerate() {
            for (place, name) in node.output.iter().enumerate() {
                let spot = Spot::Output(at, place);
                let Some(data) = self.data_named(name, spot) else { continue };
                let Some(maker) = self.makers.get_mut(data) else { continue };
                let Some(first) = *maker else {
                    *maker = Some(at);
                    continue;
                };
                let first = spec.process_nodes.get(first).map_or("", |node| &node.name);
                let problem = format!("data node {} is made by process node {} already", shown(name), shown(first));
                self.check.fail(spot, problem, "one process node that makes each data node, once");
            }
        }
    }

    fn data_named(&mut self, name: &str, spot: Spot) -> Option<usize> {
        let found = self.data.get(name).copied();
        if found.is_none() {
            let problem = not_there("data node", name, &self.data);
            self.check.fail_given(Spot::DataNodes, spot, problem, "names of data nodes of this pipeline");
        }
        found
    }

    fn node_named(&mut self, name: &str, spot: Spot) -> Option<usize> {
        let found = self.nodes.get(name).copied();
        if found.is_none() {
            let problem = not_there("process node", name, &self.nodes);
            self.check.fail_given(Spot::ProcessNodes, spot, problem, "names of process nodes of this pipeline");
        }
        found
    }

    fn edges_of(&mut self, at: usize, node: &ProcessNode) -> Edges {
        let mut edges = Edges::default();
        let mut seen = HashSet::new();
        for (place, name) in node.input.iter().enumerate() {
            let spot = Spot::Input(at, place);
            let Some(data) = self.data_named(name, spot) else { continue };
            if !seen.insert(name) {
                self.check.fail(spot, format!("data node {} is there already", shown(name)), "each input once");
            }
            if let Some(read) = self.read.get_mut(data) {
                *read = true;
            }
            if let Some(maker) = self.makers.get(data).copied().flatten() {
                edges.add(maker, On::Success, spot);
            }
        }
        seen.clear();
        for (place, after) in node.after.iter().enumerate() {
            let spot = Spot::After(at, place);
            let Some(from) = self.node_named(&after.node, spot) else { continue };
            if !seen.insert(&after.node) {
                let problem = format!("process node {} is there already", shown(&after.node));
                self.check.fail(spot, problem, "each node once");
            } else if !edges.add(from, after.on, spot) {
                self.never_runs(spot, &after.node);
            }
        }
        self.references(at, node, &mut edges);
        if edges.list.len() > self.check.limits.entries {
            let allowed = format!("at most {} nodes", self.check.limits.entries);
            let problem = format!("it comes after {} nodes", edges.list.len());
            self.check.fail(Spot::ProcessNode(at), problem, allowed);
        }
        edges
    }

    fn references(&mut self, at: usize, node: &ProcessNode, edges: &mut Edges) {
        for (place, (_, value)) in node.options.iter().enumerate() {
            let spot = Spot::Option(at, place);
            for piece in pieces(&value.value) {
                match piece {
                    Ok(Piece::Text(_)) => {}
                    Ok(Piece::Parameter(name)) => self.use_parameter(name, spot),
                    Ok(Piece::Output(name)) => {
                        let Some(from) = self.node_named(name, spot) else { continue };
                        if !edges.add(from, On::Success, spot) {
                            self.never_runs(spot, name);
                        }
                    }
                    Err(fault) => self.bad_reference(spot, fault),
                }
            }
        }
    }

    fn bad_reference(&mut self, spot: Spot, fault: Fault<'_>) {
        self.check.fail(spot, fault.problem(), REFERENCES);
    }

    fn use_parameter(&mut self, name: &str, spot: Spot) {
        let Some(at) = self.parameters.get(name).copied() else {
            let problem = not_there("parameter", name, &self.parameters);
            self.check.fail_given(Spot::Parameters, spot, problem, "names of parameters of this pipeline");
            return;
        };
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
    }

    fn never_runs(&mut self, spot: Spot, name: &str) {
        let problem = format!("it can never run: process node {} would have to succeed and to fail", shown(name));
        let allowed = "on: success or always for a node whose data or output it needs";
        self.check.fail(spot, problem, allowed);
    }

    fn remark_unused(&mut self) {
        for (at, (maker, read)) in self.makers.iter().zip(&self.read).enumerate() {
            if maker.is_none() && !read {
                (self.check.remark)(Spot::DataNode(at), "no process node reads or writes it");
            }
        }
        for (at, used) in self.used.iter().enumerate() {
            if !used {
                (self.check.remark)(Spot::Parameter(at), "no option uses it");
            }
        }
    }
}

/// More names than these are not compared with one that is not there.
const COMPARED: usize = 200;

fn not_there(kind: &str, name: &str, known: &HashMap<&str, usize>) -> String {
    let mut problem = format!("there is no {kind} {}", shown(name));
    if known.len() <= COMPARED {
        let mut known: Vec<&str> = known.keys().copied().collect();
        known.sort_unstable();
        if let Some(meant) = closest(name, &known) {
            problem.push_str(&format!(", did you mean {}?", shown(meant)));
        }
    }
    problem
}

/// Nodes of a circle that are named.
const NAMED: usize = 12;

/// Tells a circle at the edge that leads back to its first node.
fn tell_circle(check: &mut Check<'_>, circle: &[usize], before: &[Vec<Edge>], causes: &[Vec<Spot>]) {
    let (Some(first), Some(last)) = (circle.first().copied(), circle.last().copied()) else { return };
    let place = before.get(first).and_then(|edges| edges.iter().position(|edge| edge.from == last));
    let cause = place.and_then(|place| causes.get(first)?.get(place)).copied();
    let name = |node: &usize| check.spec.process_nodes.get(*node).map_or_else(String::new, |it| shown_key(&it.name));
    let mut path: Vec<String> = circle.iter().take(NAMED).map(name).collect();
    if circle.len() > NAMED {
        path.push(format!("… {} more …", circle.len() - NAMED));
    }
    path.push(name(&first));
    let problem = match circle {
        [_] => format!("it waits for itself: {}", path.join(" -> ")),
        _ => format!("process nodes wait for each other: {}", path.join(" -> ")),
    };
    check.fail(cause.unwrap_or(Spot::ProcessNode(first)), problem, "edges without a circle");
}

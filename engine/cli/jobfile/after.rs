//! What a job comes after.

use super::fields::{Field, Fields, shown};
use super::mistake::Mistakes;
use super::node::Value;
use crate::job::{After, On};

const ALLOWED: &str = "the name of a job, {job: NAME, on: success|failure|always}, or a list of these";

/// Reads a name, a name with a condition, or a list of these.
pub(super) fn read_after(field: &Field<'_>, mistakes: &mut Mistakes) -> Vec<After> {
    let Value::List(nodes) = &field.node.value else {
        return read_edge(field, ALLOWED, mistakes).into_iter().collect();
    };
    let mut edges = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let element = Field { node, path: format!("{}[{index}]", field.path) };
        edges.extend(read_edge(&element, "the name of a job, or {job: NAME, on: success|failure|always}", mistakes));
    }
    edges
}

fn read_edge(field: &Field<'_>, allowed: &str, mistakes: &mut Mistakes) -> Option<After> {
    let Value::Map(_) = &field.node.value else {
        return field.text(mistakes, allowed).map(After::from);
    };
    let fields = Fields::of(field.node, &field.path, &["job", "on"], mistakes)?;
    let Some(job) = fields.get("job") else {
        fields.fail("job", "is missing", "the name of a job", mistakes);
        return None;
    };
    let job = job.text(mistakes, "the name of a job")?.to_owned();
    let Some(on) = fields.get("on") else { return Some(After { job, on: None }) };
    let words = On::ALL.map(On::word).join(", ");
    let word = on.text(mistakes, &words)?;
    match On::ALL.into_iter().find(|on| on.word() == word) {
        Some(known) => Some(After::on(job, known)),
        None => {
            on.fail(mistakes, format!("{} is not known", shown(word)), words);
            None
        }
    }
}

//! What a job fetches and delivers: `fetch` and `deliver`.

use crate::job::{Delivery, Fetch, Told};

use super::fields::{Field, Fields, Places};
use super::json::to_json;
use super::mistake::Mistakes;
use super::node::{Key, Node, Scalar, Value};
use super::options::{Source, read_options, read_special};

const FETCH_FIELDS: [&str; 4] = ["from", "with", "keys", "to"];
const DELIVERY_FIELDS: [&str; 5] = ["to", "with", "keys", "from", "log"];
const WITH_ALLOWED: &str = "a map, whose meaning the fetcher or sink knows";

/// What values stand in other places, as [`read_special`] reads them.
const SPECIAL: [&str; 3] = ["secret", "env", "secret_env"];

/// Reads a list of what is fetched; `checked_as` is what its checks call it.
pub(super) fn read_fetches(
    field: &Field<'_>,
    checked_as: &str,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Vec<Fetch> {
    let mut fetches = Vec::new();
    for (position, node) in elements(field, mistakes) {
        let (path, checked) = (format!("{}[{position}]", field.path), format!("{checked_as}[{position}]"));
        let Some(fields) = Fields::of(node, &path, &FETCH_FIELDS, mistakes) else { continue };
        let told = read_told(&fields, &checked, source, places, mistakes);
        let from = needed(&fields, "from", "the name of a fetcher", &checked, places, mistakes);
        let to = text(&fields, "to", "a directory in the work tree", &checked, places, mistakes);
        let (Some(from), Some(told)) = (from, told) else { continue };
        let fetch = Fetch { told, ..Fetch::new(from, "") };
        fetches.push(match to {
            Some(to) => fetch.to(to),
            None => fetch,
        });
    }
    fetches
}

/// Reads a list of what is delivered.
pub(super) fn read_deliveries(
    field: &Field<'_>,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (position, node) in elements(field, mistakes) {
        let (path, checked) = (format!("{}[{position}]", field.path), format!("deliver[{position}]"));
        let Some(fields) = Fields::of(node, &path, &DELIVERY_FIELDS, mistakes) else { continue };
        let told = read_told(&fields, &checked, source, places, mistakes);
        let to = needed(&fields, "to", "the name of a sink", &checked, places, mistakes);
        let from = text(&fields, "from", "a path in the work tree", &checked, places, mistakes);
        let log = fields.get("log").and_then(|field| field.truth(mistakes)).unwrap_or_default();
        let (Some(to), Some(told)) = (to, told) else { continue };
        let delivery = Delivery { told, log, ..Delivery::new(to, "") };
        deliveries.push(match from {
            Some(from) => delivery.from(from),
            None => delivery,
        });
    }
    deliveries
}

fn elements<'n>(field: &Field<'n>, mistakes: &mut Mistakes) -> impl Iterator<Item = (usize, &'n Node)> + use<'n> {
    let nodes = match &field.node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => {
            field.fail(mistakes, format!("is {}", field.node.describe()), "a list of maps");
            &[]
        }
    };
    nodes.iter().enumerate()
}

fn text(
    fields: &Fields<'_>,
    name: &str,
    allowed: &str,
    checked: &str,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Option<String> {
    let field = fields.get_as(name, &format!("{checked}.{name}"), places)?;
    field.text(mistakes, allowed).map(str::to_owned)
}

fn needed(
    fields: &Fields<'_>,
    name: &str,
    allowed: &str,
    checked: &str,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Option<String> {
    if fields.get(name).is_none() {
        fields.fail(name, "it is not there", allowed, mistakes);
    }
    text(fields, name, allowed, checked, places, mistakes)
}

/// `with` and `keys`; nothing is the same as an empty map.
fn read_told(
    fields: &Fields<'_>,
    checked: &str,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> Option<Told> {
    let options = match fields.get_as("with", &format!("{checked}.with"), places) {
        None => "{}".to_owned(),
        Some(with) if matches!(with.node.value, Value::Map(_)) => {
            let node = plain(with.node, &with.path, source, mistakes)?;
            to_json(&Field { node: &node, path: with.path }, mistakes)?
        }
        Some(with) => {
            with.fail(mistakes, format!("is {}", with.node.describe()), WITH_ALLOWED);
            return None;
        }
    };
    let mut told = Told::new(options);
    if let Some(keys) = fields.get_as("keys", &format!("{checked}.keys"), places) {
        told.keys = read_options(&keys, source, places, mistakes);
    }
    Some(told)
}

/// The same node with texts in the place of `{env: NAME}` and its like, as options have them.
fn plain(node: &Node, path: &str, source: &Source<'_>, mistakes: &mut Mistakes) -> Option<Node> {
    let value = match &node.value {
        Value::Map(pairs) if is_special(pairs) => {
            let (text, _) = read_special(&Field { node, path: path.to_owned() }, source, mistakes)?;
            Value::Scalar(Scalar { text, plain: false })
        }
        Value::Map(pairs) => {
            let pair = |(key, node): &(Key, Node)| Some((key.clone(), plain(node, path, source, mistakes)?));
            Value::Map(pairs.iter().map(pair).collect::<Option<Vec<_>>>()?)
        }
        Value::List(nodes) => {
            let nodes = nodes.iter().map(|node| plain(node, path, source, mistakes));
            Value::List(nodes.collect::<Option<Vec<_>>>()?)
        }
        Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
    };
    Some(Node { at: node.at, value })
}

fn is_special(pairs: &[(Key, Node)]) -> bool {
    matches!(pairs, [(key, node)] if SPECIAL.contains(&key.text.as_str()) && matches!(node.value, Value::Scalar(_)))
}

//! The items of a job: `items`.

use crate::job::{Item, Items};

use super::fields::{Field, Fields, Places, join};
use super::inputs::read_inputs;
use super::load::shown_key;
use super::mistake::Mistakes;
use super::node::Value;
use super::options::Source;
use super::transfers::read_fetches;

const FIELDS: [&str; 5] = ["given", "listed", "rows", "parallel", "tolerate"];
const ITEM_FIELDS: [&str; 2] = ["inputs", "fetch"];

/// An input file of an item that is to be read from elsewhere: which item, which input, and where it is.
pub(super) type ItemFile = (usize, usize, String);

/// Reads the items of a job, and the input files among theirs that are to be read.
pub(super) fn read_items(
    field: &Field<'_>,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> (Option<Items>, Vec<ItemFile>) {
    let Some(fields) = Fields::of(field.node, &field.path, &FIELDS, mistakes) else { return (None, Vec::new()) };
    let (mut items, mut files) = (Items::default(), Vec::new());
    if let Some(given) = fields.get_as("given", "items", places) {
        (items.given, files) = read_given(&given, source, places, mistakes);
    }
    if let Some(listed) = fields.get_as("listed", "items.listed", places) {
        items.listed = read_fetches(&listed, "items.listed", source, places, mistakes);
    }
    if let Some(rows) = fields.get_as("rows", "items.rows", places) {
        items.rows = read_fetches(&rows, "items.rows", source, places, mistakes);
    }
    if let Some(parallel) = fields.get_as("parallel", "items.parallel", places) {
        items.parallel = parallel.whole(mistakes, 1, u64::from(u32::MAX)).map(|number| number as u32);
    }
    if let Some(tolerate) = fields.get("tolerate") {
        items.tolerated = match tolerate.text(mistakes, "all, or how many items may fail") {
            Some("all") => None,
            _ => tolerate.whole(mistakes, 0, u64::from(u32::MAX)).map(|number| number as u32),
        };
    }
    (Some(items), files)
}

/// A map from names to items, or a list of names.
fn read_given(
    field: &Field<'_>,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> (Vec<Item>, Vec<ItemFile>) {
    let (mut items, mut files) = (Vec::new(), Vec::new());
    if let Value::List(_) = &field.node.value {
        let names = field.texts(mistakes, "a list of names").unwrap_or_default();
        return (names.into_iter().map(Item::new).collect(), files);
    }
    let Value::Map(pairs) = &field.node.value else {
        field.fail(mistakes, format!("is {}", field.node.describe()), "a map of names and items, or a list of names");
        return (items, files);
    };
    for (position, (key, node)) in pairs.iter().enumerate() {
        let path = join(&field.path, &shown_key(&key.text));
        places.note(&format!("items[{position}]"), node.at, &path);
        places.note(&format!("items[{position}].name"), key.at, &path);
        let mut item = Item::new(key.text.as_str());
        if let Some(inner) = Fields::of(node, &path, &ITEM_FIELDS, mistakes) {
            if let Some(inputs) = inner.get_as("inputs", &format!("items[{position}].inputs"), places) {
                let (inputs, of_item) = read_inputs(&inputs, places, mistakes);
                item.inputs = inputs;
                files.extend(of_item.into_iter().map(|(input, file)| (position, input, file)));
            }
            if let Some(fetch) = inner.get_as("fetch", &format!("items[{position}].fetch"), places) {
                item.fetches = read_fetches(&fetch, &format!("items[{position}].fetch"), source, places, mistakes);
            }
        }
        items.push(item);
    }
    (items, files)
}

//! The input files of a job.

use super::fields::{Field, Fields, Places, join};
use super::load::shown_key;
use super::mistake::Mistakes;
use super::node::Value;
use crate::job::InputFile;

const ALLOWED: &str = "{text: \"…\"}, or {file: PATH} with a path that is relative to this file";

/// Reads a map from the paths of input files to what they hold. Those that are to be read from elsewhere come back empty,
/// with their positions and where they are.
pub(super) fn read_inputs(
    field: &Field<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> (Vec<InputFile>, Vec<(usize, String)>) {
    let (mut inputs, mut files) = (Vec::new(), Vec::new());
    let Value::Map(pairs) = &field.node.value else {
        field.fail(mistakes, format!("is {}", field.node.describe()), format!("a map of paths and {ALLOWED}"));
        return (inputs, files);
    };
    for (key, node) in pairs {
        let path = join(&field.path, &shown_key(&key.text));
        places.note(&format!("inputs.{}", key.text), node.at, &path);
        let Some(inner) = Fields::of(node, &path, &["text", "file"], mistakes) else { continue };
        let content = match (inner.get("text"), inner.get("file")) {
            (Some(text), None) => text.text(mistakes, "a text").map(|text| text.as_bytes().to_vec()),
            (None, Some(file)) => {
                let file = file.text(mistakes, "a path");
                files.extend(file.map(|file| (inputs.len(), file.to_owned())));
                Some(Vec::new())
            }
            _ => {
                inner.fail("file", "there has to be one of the two", ALLOWED, mistakes);
                None
            }
        };
        inputs.extend(content.map(|content| InputFile { path: key.text.clone(), content }));
    }
    (inputs, files)
}

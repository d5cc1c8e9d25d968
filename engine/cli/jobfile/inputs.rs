//! The input files of a job.

use super::fields::{Field, Fields, Places, join};
use super::load::shown_key;
use super::mistake::Mistakes;
use super::node::Value;
use crate::job::InputFile;
use crate::job::embedded::{decode_base64, decode_data_uri};

const ALLOWED: &str =
    "{text: \"…\"}, {base64: \"…\"}, {data: \"data:…\"}, or {file: PATH} with a path that is relative to this file";
const FIELDS: [&str; 4] = ["text", "base64", "data", "file"];

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
        let Some(inner) = Fields::of(node, &path, &FIELDS, mistakes) else { continue };
        let given: Vec<&str> = FIELDS.into_iter().filter(|name| inner.get(name).is_some()).collect();
        let content = match (given.as_slice(), given.first().and_then(|name| inner.get(name))) {
            (["file"], Some(file)) => {
                let file = file.text(mistakes, "a path");
                files.extend(file.map(|file| (inputs.len(), file.to_owned())));
                Some(Vec::new())
            }
            ([kind], Some(text)) => read_content(kind, &text, mistakes),
            _ => {
                inner.fail("file", "there has to be one of the fields", ALLOWED, mistakes);
                None
            }
        };
        inputs.extend(content.map(|content| InputFile { path: key.text.clone(), content }));
    }
    (inputs, files)
}

fn read_content(kind: &str, field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Vec<u8>> {
    let text = field.text(mistakes, "a text")?;
    let decoded = match kind {
        "base64" => decode_base64(text),
        "data" => decode_data_uri(text),
        _ => Ok(text.as_bytes().to_vec()),
    };
    if let Err(error) = decoded {
        let told = error.to_string();
        let (problem, allowed) =
            told.split_once("; allowed: ").unwrap_or((&told, "two hexadecimal digits after each '%'"));
        field.fail(mistakes, problem, allowed);
    }
    decoded.ok()
}

//! Values of options that are put together when an attempt begins: of texts, and of what other jobs of the run have said by
//! then. They are kept as JSON, so no text is mistaken for a reference.

use serde::{Deserialize, Serialize};

/// A part of such a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// As it stands.
    Text(String),
    /// The output value of a job, by its place in the chain.
    Output(u32),
}

/// Why a value cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum LateError<E> {
    /// It is no such value.
    #[error("its value is damaged")]
    Damaged,
    /// It gets too long.
    #[error("its value has {bytes} bytes after values are put in; allowed: at most {most}")]
    TooLong {
        /// How long.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// It would hold NUL.
    #[error("its value holds NUL after values are put in; allowed: any text without NUL")]
    Nul,
    /// A part of it is not there.
    #[error("{0}")]
    Missing(E),
}

/// The parts as one text.
pub(super) fn write(parts: &[Part]) -> String {
    serde_json::to_string(parts).unwrap_or_default()
}

/// Puts a value together. `output` says the output value of the job at a place in the chain.
///
/// # Errors
/// [`LateError`].
pub fn put_together<E>(
    value: &str,
    most: usize,
    mut output: impl FnMut(u32) -> Result<String, E>,
) -> Result<String, LateError<E>> {
    let parts: Vec<Part> = serde_json::from_str(value).map_err(|_| LateError::Damaged)?;
    let mut whole = String::new();
    for part in parts {
        let text = match part {
            Part::Text(text) => text,
            Part::Output(place) => output(place).map_err(LateError::Missing)?,
        };
        let bytes = whole.len() + text.len();
        if bytes > most {
            return Err(LateError::TooLong { bytes, most });
        }
        whole.push_str(&text);
    }
    if whole.contains('\0') { Err(LateError::Nul) } else { Ok(whole) }
}

/// The output value of a job as it is put into a text: of a JSON text what it says, of anything else its JSON.
pub fn output_text(json: &[u8]) -> Option<String> {
    match serde_json::from_slice(json).ok()? {
        serde_json::Value::String(text) => Some(text),
        _ => String::from_utf8(json.to_vec()).ok(),
    }
}

#[test]
fn a_value_is_what_its_parts_say() {
    let parts = [Part::Text("$${nodes.a.output}$".into()), Part::Output(3), Part::Text("\"".into())];
    let value = write(&parts);
    let whole = put_together(&value, 100, |place| Ok::<_, String>(format!("<{place}>"))).unwrap();
    assert_eq!(whole, "$${nodes.a.output}$<3>\"");
    let told = |most, output: &dyn Fn(u32) -> Result<String, String>| put_together(&value, most, output).unwrap_err();
    let long = told(20, &|_| Ok("xyz".into())).to_string();
    assert_eq!(long, "its value has 22 bytes after values are put in; allowed: at most 20");
    assert_eq!(told(100, &|_| Err("node a said nothing".into())).to_string(), "node a said nothing");
    assert!(matches!(told(100, &|_| Ok("\0".into())), LateError::Nul));
    assert!(matches!(put_together("plain", 9, |_| Err(())), Err(LateError::Damaged)));
}

#[test]
fn outputs_are_texts() {
    let cases = [("\"a b\"", "a b"), ("42", "42"), ("{\"a\":[1]}", "{\"a\":[1]}"), ("null", "null"), ("\"\"", "")];
    for (json, text) in cases {
        assert_eq!(output_text(json.as_bytes()).as_deref(), Some(text));
    }
    assert_eq!(output_text(b"not json"), None);
}

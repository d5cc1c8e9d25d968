//! Reads what a user wrote, and says all that is wrong with it.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::error::{Error, Problem, Result};

/// The most mistakes that are told at once.
const MOST_PROBLEMS: usize = 32;

/// Reads a JSON text, or says what is wrong with it and where.
///
/// After a mistake the field it is in is left out and the rest is read again, so that several are found; a field that is
/// missing ends that.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    let mut value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Err(vec![problem(String::new(), &error.to_string())]),
    };
    // A list would be taken for the fields of a structure in their order.
    if !value.is_object() {
        let allowed = "an object".to_owned();
        return Err(vec![Problem { field: String::new(), problem: "it is no object".to_owned(), allowed }]);
    }
    let mut problems = Vec::new();
    loop {
        match serde_path_to_error::deserialize(&value) {
            Ok(_) if !problems.is_empty() => return Err(problems),
            Ok(options) => return Ok(options),
            Err(error) => {
                let left_out = leave_out(&mut value, error.path());
                let message = error.inner().to_string();
                let field = shown(error.path(), &message);
                let is_told = problems.iter().any(|earlier: &Problem| earlier.field == field);
                if !is_told {
                    problems.push(problem(field, &message));
                }
                if !left_out || problems.len() >= MOST_PROBLEMS {
                    return Err(problems);
                }
            }
        }
    }
}

/// Reads what `validate` has found good, for the calls after it.
pub(crate) fn read_again<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    read(text).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(|it| format!("{}: {}", it.field, it.problem)).collect();
        Error::invalid(format!("{what}: {}", told.join("; ")))
    })
}

/// Takes the last field on this path out of its object; false where there is none.
fn leave_out(value: &mut Value, path: &Path) -> bool {
    let mut segments: Vec<&Segment> = path.iter().filter(|it| !matches!(it, Segment::Enum { .. })).collect();
    let last = loop {
        match segments.pop() {
            Some(Segment::Map { key }) => break key,
            Some(_) => continue,
            None => return false,
        }
    };
    let mut at = value;
    for segment in segments {
        let next = match segment {
            Segment::Map { key } => at.get_mut(key),
            Segment::Seq { index } => at.get_mut(index),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    at.as_object_mut().is_some_and(|object| object.remove(last).is_some())
}

/// The path as a user reads it; what is missing belongs to it.
fn shown(path: &Path, message: &str) -> String {
    let mut field = if path.iter().len() == 0 { String::new() } else { path.to_string() };
    if let Some(missing) = message.strip_prefix("missing field `").and_then(|it| it.split('`').next()) {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(missing);
    }
    field
}

/// `invalid type: string "x", expected u64` in its two parts.
fn problem(field: String, message: &str) -> Problem {
    let (problem, allowed) = match message.split_once(", expected ") {
        Some((problem, allowed)) => (problem, allowed.trim_start_matches("one of ")),
        None if message.starts_with("missing field") => ("it is missing", "it is needed"),
        None => (message, "see the schema of the options"),
    };
    Problem { field, problem: problem.to_owned(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Options {
        image: String,
        #[serde(default)]
        ports: Vec<Port>,
        #[serde(default)]
        cpus: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Port {
        number: u16,
    }

    fn told(text: &str) -> Vec<(String, String, String)> {
        let problems = read::<Options>(text).unwrap_err();
        problems.into_iter().map(|it| (it.field, it.problem, it.allowed)).collect()
    }

    fn is(field: &str, problem: &str, allowed: &str) -> (String, String, String) {
        (field.to_owned(), problem.to_owned(), allowed.to_owned())
    }

    #[test]
    fn good_options_are_read() {
        assert_eq!(read::<Options>(r#"{"image": "a", "ports": [{"number": 80}]}"#).unwrap().image, "a");
    }

    #[test]
    fn every_mistake_is_told_with_its_path() {
        let found = told(r#"{"image": "a", "ports": [{"number": 1}, {"number": "x"}], "cpus": 300, "colour": 1}"#);
        let expected = [
            is("colour", "unknown field `colour`", "`image`, `ports`, `cpus`"),
            is("cpus", "invalid value: integer `300`", "u8"),
            is("ports[1].number", "invalid type: string \"x\"", "u16"),
        ];
        for one in &expected {
            assert!(found.contains(one), "{one:?} is not in {found:?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}");
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(told("{}"), [is("image", "it is missing", "it is needed")]);
        assert_eq!(told(r#"{"image": 1}"#), [is("image", "invalid type: integer `1`", "a string")]);
        for no_object in ["[]", "[\"a\"]", "\"a\"", "null"] {
            assert_eq!(told(no_object), [is("", "it is no object", "an object")]);
        }
        assert_eq!(told("{").len(), 1);
    }
}

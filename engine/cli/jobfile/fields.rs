//! Typed access to the fields of a map: what is unknown or has the wrong type becomes a mistake.

use std::collections::HashMap;

use super::load::shown_key;
use super::mistake::Mistakes;
use super::node::{Key, Kind, Node, Position, Value};
use crate::config::quantity::{DURATION_ALLOWED, SIZE_ALLOWED, parse_duration_ms, parse_size_bytes};
use crate::job::spelling::closest;
pub(super) use crate::job::validate::shown;

/// Where the fields of a job are and what the file calls them, by the path that
/// [`check_submission`](crate::job::validate::check_submission) uses.
#[derive(Default)]
pub(super) struct Places(HashMap<String, (Position, String)>);

impl Places {
    /// Notes where a field is.
    pub(super) fn note(&mut self, checked_as: &str, at: Position, called: &str) {
        self.0.insert(checked_as.to_owned(), (at, called.to_owned()));
    }

    /// The place of a field.
    pub(super) fn exact(&self, path: &str) -> Option<&(Position, String)> {
        self.0.get(path)
    }

    /// The place of a field, or of the nearest one around it.
    pub(super) fn nearest(&self, path: &str) -> Option<&(Position, String)> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(place);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// The entries of one map.
pub(super) struct Fields<'n> {
    pairs: &'n [(Key, Node)],
    path: String,
    at: Position,
}

/// One entry.
pub(super) struct Field<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

/// `parent.name`, or just the name at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

impl<'n> Fields<'n> {
    /// The fields of a node that must be a map and have no fields but `known`.
    pub(super) fn of(node: &'n Node, path: &str, known: &[&str], mistakes: &mut Mistakes) -> Option<Fields<'n>> {
        let Value::Map(pairs) = &node.value else {
            let problem = format!("is {}", node.describe());
            let allowed = format!("a map with the fields {}", known.join(", "));
            mistakes.add(node.at, path, problem, allowed);
            return None;
        };
        for (key, _) in pairs {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let mut problem = "unknown field".to_owned();
            if let Some(meant) = closest(&key.text, known) {
                problem.push_str(&format!(", did you mean \"{meant}\"?"));
            }
            let field = join(path, &shown_key(&key.text));
            mistakes.add(key.at, &field, problem, known.join(", "));
        }
        Some(Fields { pairs, path: path.to_owned(), at: node.at })
    }

    /// Tells that a field is missing.
    pub(super) fn fail(&self, name: &str, problem: &str, allowed: &str, mistakes: &mut Mistakes) {
        mistakes.add(self.at, &join(&self.path, name), problem, allowed);
    }

    /// One field, when it is there; its place is noted under `checked_as`.
    pub(super) fn get_as(&self, name: &str, checked_as: &str, places: &mut Places) -> Option<Field<'n>> {
        let field = self.get(name)?;
        places.note(checked_as, field.node.at, &field.path);
        Some(field)
    }

    /// One field, when it is there.
    pub(super) fn get(&self, name: &str) -> Option<Field<'n>> {
        let (_, node) = self.pairs.iter().find(|(key, _)| key.text == name)?;
        let path = join(&self.path, name);
        Some(Field { node, path })
    }

    /// Where the key of a field is.
    pub(super) fn key_at(&self, name: &str) -> Option<Position> {
        let (key, _) = self.pairs.iter().find(|(key, _)| key.text == name)?;
        Some(key.at)
    }
}

impl<'n> Field<'n> {
    /// Tells that the field is wrong.
    pub(super) fn fail(&self, mistakes: &mut Mistakes, problem: impl Into<String>, allowed: impl Into<String>) {
        mistakes.add(self.node.at, &self.path, problem, allowed);
    }

    fn wrong_type<T>(&self, mistakes: &mut Mistakes, allowed: &str) -> Option<T> {
        self.fail(mistakes, format!("is {}", self.node.describe()), allowed);
        None
    }

    /// The text of a scalar, exactly as it is written.
    pub(super) fn text(&self, mistakes: &mut Mistakes, allowed: &str) -> Option<&'n str> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.kind() != Kind::Null => Some(&scalar.text),
            _ => self.wrong_type(mistakes, allowed),
        }
    }

    /// A list of texts, or a single one.
    pub(super) fn texts(&self, mistakes: &mut Mistakes, allowed: &str) -> Option<Vec<&'n str>> {
        let Value::List(nodes) = &self.node.value else {
            return self.text(mistakes, allowed).map(|text| vec![text]);
        };
        let mut texts = Some(Vec::with_capacity(nodes.len()));
        for (index, node) in nodes.iter().enumerate() {
            let path = format!("{}[{index}]", self.path);
            let element = Field { node, path };
            match (element.text(mistakes, "a text"), &mut texts) {
                (Some(text), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
        }
        texts
    }

    /// `true` or `false`.
    pub(super) fn truth(&self, mistakes: &mut Mistakes) -> Option<bool> {
        match &self.node.value {
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Bool(truth) => Some(truth),
                _ => self.wrong_type(mistakes, "true or false"),
            },
            _ => self.wrong_type(mistakes, "true or false"),
        }
    }

    /// A whole number from `least` to `most`.
    pub(super) fn whole(&self, mistakes: &mut Mistakes, least: u64, most: u64) -> Option<u64> {
        let allowed = format!("a whole number from {least} to {most}");
        let text = self.text(mistakes, &allowed)?;
        let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = number.filter(|text| !text.is_empty()) else {
            let problem = format!("{} is not a whole number", shown(text));
            self.fail(mistakes, problem, allowed);
            return None;
        };
        match number.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let problem = format!("{} is out of range", shown(text));
                self.fail(mistakes, problem, allowed);
                None
            }
        }
    }

    /// A duration in milliseconds that is `least_ms` or more.
    pub(super) fn duration_ms(&self, mistakes: &mut Mistakes, least_ms: u64) -> Option<u64> {
        let text = self.text(mistakes, DURATION_ALLOWED)?;
        let problem = match parse_duration_ms(text) {
            Ok(ms) if ms >= least_ms => return Some(ms),
            Ok(_) => format!("is shorter than {}", shown_ms(least_ms)),
            Err(problem) => problem,
        };
        let problem = format!("{} {problem}", shown(text));
        self.fail(mistakes, problem, DURATION_ALLOWED);
        None
    }

    /// A size in bytes.
    pub(super) fn size_bytes(&self, mistakes: &mut Mistakes) -> Option<u64> {
        let text = self.text(mistakes, SIZE_ALLOWED)?;
        match parse_size_bytes(text) {
            Ok(bytes) => Some(bytes),
            Err(problem) => {
                let problem = format!("{} {problem}", shown(text));
                self.fail(mistakes, problem, SIZE_ALLOWED);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, mistakes: &mut Mistakes, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let allowed = words.join(", ");
        let text = self.text(mistakes, &allowed)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let mut problem = format!("{} is not known", shown(text));
            if let Some(meant) = closest(text, &words) {
                problem.push_str(&format!(", did you mean \"{meant}\"?"));
            }
            self.fail(mistakes, problem, allowed);
        }
        found.map(|(_, choice)| *choice)
    }
}

fn shown_ms(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{}s", ms / 1_000) } else { format!("{ms}ms") }
}

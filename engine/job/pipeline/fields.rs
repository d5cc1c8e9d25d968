//! Typed access to the entries of a map: what is unknown or has the wrong type becomes a mistake.

use super::mistake::Mistakes;
use super::position::Position;
use super::tree::{Key, Node, Value, join, shown_key};
use crate::job::spelling::closest;

/// The entries of one map.
pub(super) struct Fields<'n> {
    pairs: &'n [(Key, Node)],
    path: String,
    /// Known keys that others were probably meant to be.
    meant: Vec<String>,
}

/// One entry, or one element of a list.
pub(super) struct Field<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

impl<'n> Fields<'n> {
    /// The fields of a node that must be a map and have no fields but `known`. Nothing is a map without fields.
    pub(super) fn of(field: &Field<'n>, known: &[&str], mistakes: &mut Mistakes) -> Option<Fields<'n>> {
        let pairs = field.map(mistakes, || format!("a map with {}", known.join(", ")))?;
        let mut fields = Fields { pairs, path: field.path.clone(), meant: Vec::new() };
        for (key, _) in pairs {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let mut problem = "unknown key".to_owned();
            if let Some(meant) = closest(&key.text, known) {
                problem.push_str(&format!(", did you mean \"{meant}\"?"));
                fields.meant.push(meant.to_owned());
            }
            let path = join(&field.path, &shown_key(&key.text));
            mistakes.add(key.at, &path, problem, known.join(", "));
        }
        Some(fields)
    }

    /// One field, when something is there.
    pub(super) fn get(&self, name: &str) -> Option<Field<'n>> {
        let (_, node) = self.pairs.iter().find(|(key, _)| key.text == name)?;
        (!node.is_nothing()).then(|| Field { node, path: join(&self.path, name) })
    }

    /// Whether a field is there under a misspelt name, which was told.
    pub(super) fn is_misspelt(&self, name: &str) -> bool {
        self.meant.iter().any(|meant| meant == name)
    }

    /// Where the key of a field is.
    pub(super) fn key_at(&self, name: &str) -> Option<Position> {
        let (key, _) = self.pairs.iter().find(|(key, _)| key.text == name)?;
        Some(key.at)
    }
}

impl<'n> Field<'n> {
    /// Tells that it is wrong, unless that was told.
    pub(super) fn wrong<T>(&self, mistakes: &mut Mistakes, allowed: impl Into<String>) -> Option<T> {
        if !matches!(self.node.value, Value::Broken) {
            mistakes.add(self.node.at, &self.path, format!("is {}", self.node.describe()), allowed);
        }
        None
    }

    /// The entries of a map; none where there is nothing.
    pub(super) fn map(&self, mistakes: &mut Mistakes, allowed: impl FnOnce() -> String) -> Option<&'n [(Key, Node)]> {
        match &self.node.value {
            Value::Map(pairs) => Some(pairs),
            Value::Scalar(scalar) if scalar.is_nothing() => Some(&[]),
            _ => self.wrong(mistakes, allowed()),
        }
    }

    /// A text, exactly as it is written.
    pub(super) fn text(&self, mistakes: &mut Mistakes, allowed: &str) -> Option<&'n str> {
        match &self.node.value {
            Value::Scalar(scalar) if !scalar.is_nothing() => Some(&scalar.text),
            _ => self.wrong(mistakes, allowed),
        }
    }

    /// The elements of a list; whatever else it is is the only one.
    pub(super) fn elements(&self) -> Vec<Field<'n>> {
        let Value::List(nodes) = &self.node.value else {
            return vec![Field { node: self.node, path: self.path.clone() }];
        };
        let named = nodes.iter().enumerate();
        named.map(|(index, node)| Field { node, path: format!("{}[{index}]", self.path) }).collect()
    }
}

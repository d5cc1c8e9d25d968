//! The tree that a text is read into: texts, lists and maps, each with its place.

use super::position::Position;

/// One node. It is never shown by `Debug`: a text may be the value of an option.
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// What a node is.
pub(super) enum Value {
    /// Something that is refused and was told.
    Broken,
    /// One text, or nothing.
    Scalar(Scalar),
    /// `[…]`, or lines with `- `.
    List(Vec<Node>),
    /// `{…}`, or lines with `key: `; in the order of the text, without repeated keys.
    Map(Vec<(Key, Node)>),
}

/// The key of an entry.
pub(super) struct Key {
    pub(super) at: Position,
    pub(super) text: String,
}

/// One text, exactly as it is written: what other readers take for numbers, dates or truth values is text here.
pub(super) struct Scalar {
    pub(super) text: String,
    /// Not quoted, so that `~` is nothing.
    pub(super) plain: bool,
}

impl Scalar {
    /// Whether it stands for nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_nothing())
    }

    /// What it is, in words that fit "is …".
    pub(super) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Broken => "not understood",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(scalar) if scalar.is_nothing() => "empty",
            Value::Scalar(_) => "a text",
        }
    }
}

/// A key as a path shows it: escaped, and cut when it is long.
pub(super) fn shown_key(key: &str) -> String {
    let mut shown: String = key.escape_debug().take(40).collect();
    if key.escape_debug().count() > 40 {
        shown.push('…');
    }
    shown
}

/// `parent.name`, or just the name at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

//! The tree that a job file is read into: scalars, lists and maps, each with its place in the file.

use std::fmt;

/// A place in a file, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Position {
    /// The very beginning.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One node. It is never shown by `Debug` in an error: a scalar may be a secret.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) at: Position,
    /// What it is.
    pub(super) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// One text.
    Scalar(Scalar),
    /// `[…]`, or lines with `- `.
    List(Vec<Node>),
    /// `{…}`, or lines with `key: `; in the order of the file, without repeated keys.
    Map(Vec<(Key, Node)>),
}

/// The key of a map entry.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Where it begins.
    pub(super) at: Position,
    /// Its text.
    pub(super) text: String,
}

/// One text, exactly as it is written in the file.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// The text.
    pub(super) text: String,
    /// Not quoted, so that `3`, `true` and `~` are a number, a truth value and nothing.
    pub(super) plain: bool,
}

/// What a scalar is by the core schema of YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int,
    /// Another number.
    Float,
    /// Any other text.
    Text,
}

impl Scalar {
    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        if !self.plain {
            return Kind::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            text if is_int(text) => Kind::Int,
            text if is_float(text) => Kind::Float,
            _ => Kind::Text,
        }
    }
}

impl Node {
    /// What it is, in words that fit "is …".
    pub(super) fn describe(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Null => "empty",
                Kind::Bool(_) => "a truth value",
                Kind::Int | Kind::Float => "a number",
                Kind::Text => "a text",
            },
        }
    }
}

fn is_int(text: &str) -> bool {
    let all = |digits: &str, base: u32| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
    if let Some(octal) = text.strip_prefix("0o") {
        all(octal, 8)
    } else if let Some(hex) = text.strip_prefix("0x") {
        all(hex, 16)
    } else {
        all(text.strip_prefix(['-', '+']).unwrap_or(text), 10)
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && unsigned.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema() {
        let kind = |text: &str| {
            let text = text.to_owned();
            Scalar { text, plain: true }.kind()
        };
        for null in ["", "~", "null", "NULL"] {
            assert_eq!(kind(null), Kind::Null);
        }
        for int in ["0", "-7", "+7", "007", "0o17", "0xfF"] {
            assert_eq!(kind(int), Kind::Int, "{int}");
        }
        for float in ["1.10", ".5", "1.", "-1e3", "+.inf", ".nan", "1e+5"] {
            assert_eq!(kind(float), Kind::Float, "{float}");
        }
        for text in ["yes", "no", "on", "0x", "1_000", "inf", "NaN", ".", "e3", "1.2.3", "12:30", "--1"] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
        let quoted = Scalar { text: "true".into(), plain: false };
        assert_eq!(quoted.kind(), Kind::Text);
    }
}

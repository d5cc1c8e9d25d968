//! A place in a text.

use std::fmt;

/// A place in a text, both counted from 1; columns count characters.
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

    /// The place just after `text`.
    pub(super) fn after(text: &str) -> Position {
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        Position { line: 1 + text.matches('\n').count(), column: 1 + last_line.chars().count() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

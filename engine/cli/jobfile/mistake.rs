//! What is wrong in a job file, collected so that all of it is told at once.

use std::collections::HashSet;
use std::fmt;

use super::node::Position;

/// One mistake in a file, shown as `file:line:column: field: problem; allowed: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as the caller named it.
    pub file: String,
    /// Where in it.
    pub at: Position,
    /// The field, as a path: `jobs[2].retry.max_attempts`; empty for the file as a whole.
    pub field: String,
    /// What is wrong. Never holds the value of a run option.
    pub problem: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.at)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; allowed: {}", self.problem, self.allowed)
    }
}

/// More mistakes than this are counted, not told.
const MOST_TOLD: usize = 100;

/// All mistakes of one file.
pub(super) struct Mistakes {
    file: String,
    list: Vec<Mistake>,
    seen: HashSet<(Position, String, String)>,
    untold: usize,
}

impl Mistakes {
    pub(super) fn of(file: &str) -> Self {
        Mistakes { file: file.to_owned(), list: Vec::new(), seen: HashSet::new(), untold: 0 }
    }

    /// Adds one, once: a default that is wrong for every job is one mistake.
    pub(super) fn add(&mut self, at: Position, field: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        if self.list.len() >= MOST_TOLD {
            self.untold += 1;
            return;
        }
        let (field, problem) = (field.to_owned(), problem.into());
        if self.seen.insert((at, field.clone(), problem.clone())) {
            self.list.push(Mistake { file: self.file.clone(), at, field, problem, allowed: allowed.into() });
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them in the order of the file.
    pub(super) fn into_list(mut self) -> Vec<Mistake> {
        self.list.sort_by_key(|mistake| mistake.at);
        if let (Some(last), true) = (self.list.last().cloned(), self.untold > 0) {
            self.list.push(Mistake {
                field: String::new(),
                problem: format!("there are {} more mistakes", self.untold),
                allowed: "a file without mistakes".into(),
                ..last
            });
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut() {
        let mut mistakes = Mistakes::of("f");
        for line in 1..=150 {
            mistakes.add(Position { line, column: 1 }, "x", "bad", "good");
        }
        let list = mistakes.into_list();
        assert_eq!(list.len(), MOST_TOLD + 1);
        assert!(list[MOST_TOLD].to_string().contains("50 more mistakes"));
    }
}

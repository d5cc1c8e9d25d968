//! What is wrong in the text of a pipeline, collected so that all of it is told at once.

use std::fmt;

use super::position::Position;
use crate::error::Problem;

/// One mistake, shown as `line:column: field: problem; allowed: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub at: Position,
    /// The field, as a path: `processNodes.load.input[0]`; empty for the text as a whole. Never holds the value of
    /// an option.
    pub problem: Problem,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { field, problem, allowed } = &self.problem;
        write!(f, "{}: ", self.at)?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        write!(f, "{problem}; allowed: {allowed}")
    }
}

impl From<Mistake> for Problem {
    /// The line is told with the problem.
    fn from(mistake: Mistake) -> Problem {
        let Mistake { at, problem: Problem { field, problem, allowed } } = mistake;
        let field = if field.is_empty() { "pipeline".to_owned() } else { field };
        Problem { field, problem: format!("in line {}: {problem}", at.line), allowed }
    }
}

/// More mistakes than this are counted, not told.
pub(super) const MOST_TOLD: usize = 100;

/// All mistakes of one text.
#[derive(Default)]
pub(super) struct Mistakes {
    list: Vec<Mistake>,
    untold: usize,
}

impl Mistakes {
    pub(super) fn add(&mut self, at: Position, field: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        let problem = Problem { field: field.to_owned(), problem: problem.into(), allowed: allowed.into() };
        self.push(Mistake { at, problem });
    }

    pub(super) fn push(&mut self, mistake: Mistake) {
        if self.list.len() < MOST_TOLD {
            self.list.push(mistake);
        } else {
            self.untold += 1;
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them in the order of the text.
    pub(super) fn into_list(mut self) -> Vec<Mistake> {
        self.list.sort_by_key(|mistake| mistake.at);
        if let (Some(at), true) = (self.list.last().map(|last| last.at), self.untold > 0) {
            let problem = format!("there are {} more mistakes", self.untold);
            let allowed = "a pipeline without mistakes".to_owned();
            self.list.push(Mistake { at, problem: Problem { field: String::new(), problem, allowed } });
        }
        self.list
    }
}

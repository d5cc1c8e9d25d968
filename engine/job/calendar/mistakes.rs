//! What is wrong with a calendar, collected.

use crate::error::Problem;
use crate::job::validate::shown;

/// Every mistake of one calendar.
#[derive(Debug, Default)]
pub(super) struct Mistakes(pub(super) Vec<Problem>);

impl Mistakes {
    pub(super) fn add(&mut self, field: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        self.0.push(Problem { field: field.to_owned(), problem: problem.into(), allowed: allowed.into() });
    }

    /// A text that is not what it should be.
    pub(super) fn text(&mut self, field: &str, text: &str, problem: &str, allowed: impl Into<String>) {
        self.add(field, format!("{} {problem}", shown(text)), allowed);
    }
}

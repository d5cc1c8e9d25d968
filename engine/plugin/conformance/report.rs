//! What the suite has found.

use std::fmt;

/// What came of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The plugin does what it should.
    Passed,
    /// It does not.
    Failed,
    /// There is nothing to check: the plugin does not say that it can do this, or nothing was said to check it with.
    Skipped,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One check that was made.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name, which stays.
    pub name: &'static str,
    /// What it asks.
    pub about: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub ms: u64,
    /// Why it failed or was skipped, or what there is to say of one that passed; may be empty.
    pub why: String,
}

/// All checks, in their order.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether none failed.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Failed) == 0
    }

    /// How many came to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// The check of this name.
    pub fn get(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

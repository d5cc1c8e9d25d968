//! The rows of a result, as they are asked for.

use super::order::{Report, SqlColumn};
use super::process::Worker;
use crate::plugin::contract::{Answer, PluginError};

/// A result under way. Dropping it ends its process.
pub struct SqlRows {
    columns: Vec<SqlColumn>,
    /// Whole lines that came and were not handed out, from `at` on.
    lines: Vec<u8>,
    at: usize,
    state: State,
}

enum State {
    Open(Box<Worker>),
    Ended,
    Failed(PluginError),
}

impl SqlRows {
    pub(super) fn new(columns: Vec<SqlColumn>, worker: Worker) -> SqlRows {
        SqlRows { columns, lines: Vec::new(), at: 0, state: State::Open(Box::new(worker)) }
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[SqlColumn] {
        &self.columns
    }

    /// The next rows, each a line with one JSON object: at most `most` bytes unless the first row alone has more; empty after
    /// the last one.
    ///
    /// # Errors
    /// What ended the result before its end; the same one from then on.
    pub async fn next(&mut self, most: usize) -> Answer<Vec<u8>> {
        while self.at >= self.lines.len() {
            let State::Open(worker) = &mut self.state else { break };
            match worker.report().await {
                Ok(Report::Rows(lines)) => (self.lines, self.at) = (lines, 0),
                Ok(Report::Ended) => self.state = State::Ended,
                Ok(report) => self.state = State::Failed(worker.odd(&report)),
                Err(error) => self.state = State::Failed(error),
            }
        }
        let rest = self.lines.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return match &self.state {
                State::Failed(error) => Err(error.clone()),
                _ => Ok(Vec::new()),
            };
        }
        let len = whole_lines(rest, most);
        self.at += len;
        Ok(rest.iter().take(len).copied().collect())
    }
}

/// How many bytes the lines have that fit; the first one always does.
fn whole_lines(lines: &[u8], most: usize) -> usize {
    if lines.len() <= most {
        return lines.len();
    }
    let fits = lines.get(..most).unwrap_or(lines);
    let last = fits.iter().rposition(|byte| *byte == b'\n');
    let end = last.or_else(|| lines.iter().position(|byte| *byte == b'\n'));
    end.map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::whole_lines;

    #[test]
    fn lines_are_never_broken() {
        let lines = b"one\ntwo\nthree\n";
        for (most, len) in [(0, 4), (3, 4), (4, 4), (7, 4), (8, 8), (13, 8), (14, 14), (99, 14)] {
            assert_eq!(whole_lines(lines, most), len, "{most}");
        }
    }
}

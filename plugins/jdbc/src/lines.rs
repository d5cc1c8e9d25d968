//! The file: a row is an object on a line of its own, with the labels of the columns as its keys, in their order.

use std::collections::BTreeSet;
use std::io::Write;

use windlass_plugin::{Error, ErrorKind, Result, Retry};

/// Columns of a result; PostgreSQL has 1,664, MySQL 4,096.
const MOST_COLUMNS: usize = 4_096;

/// Takes rows cell by cell, and writes each when it is whole.
pub(crate) struct Lines<W> {
    out: W,
    /// What is before the value of each column: `{"a":`, `,"b":`.
    keys: Vec<Vec<u8>>,
    line: Vec<u8>,
    rows: u64,
    bytes: u64,
    max_rows: u64,
    max_bytes: u64,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W, max_rows: u64, max_bytes: u64) -> Lines<W> {
        Lines { out, keys: Vec::new(), line: Vec::new(), rows: 0, bytes: 0, max_rows, max_bytes }
    }

    /// How many rows it takes.
    pub(crate) fn max_rows(&self) -> u64 {
        self.max_rows
    }

    /// The labels of the columns, which come before the rows.
    pub(crate) fn columns<'a>(&mut self, labels: impl Iterator<Item = &'a str>) -> Result<()> {
        let mut seen = BTreeSet::new();
        for label in labels {
            if !seen.insert(label) {
                return Err(Error::invalid(format!(
                    "two columns of the result are called {label:?}; give them aliases (AS)"
                )));
            }
            if seen.len() > MOST_COLUMNS {
                return Err(Error::unsupported(format!("the result has more than {MOST_COLUMNS} columns")));
            }
            let mut key = vec![if self.keys.is_empty() { b'{' } else { b',' }];
            serde_json::to_writer(&mut key, label)?;
            key.push(b':');
            self.keys.push(key);
        }
        if self.keys.is_empty() {
            return Err(Error::invalid("the result has no columns"));
        }
        Ok(())
    }

    /// Where the value of a column goes; its row begins with column 0.
    pub(crate) fn cell(&mut self, column: usize) -> Result<&mut Vec<u8>> {
        if column == 0 {
            self.line.clear();
        }
        let key = self.keys.get(column).ok_or_else(|| Error::internal("a row has more values than columns"))?;
        self.line.extend_from_slice(key);
        Ok(&mut self.line)
    }

    /// Ends a row of so many values.
    pub(crate) fn end(&mut self, values: usize) -> Result<()> {
        if values != self.keys.len() {
            return Err(Error::internal("a row has fewer values than columns"));
        }
        if self.rows == self.max_rows {
            return Err(self.too_many_rows());
        }
        self.line.extend_from_slice(b"}\n");
        self.rows += 1;
        self.bytes += self.line.len() as u64;
        if self.bytes > self.max_bytes {
            let (rows, most) = (self.rows, self.max_bytes);
            let message = format!("the result has more than the {most} bytes of `max_bytes`, reached with row {rows}");
            return Err(Error::new(ErrorKind::Exhausted, message).retry(Retry::Never));
        }
        Ok(self.out.write_all(&self.line)?)
    }

    /// The error of a result that goes on where it may not.
    pub(crate) fn too_many_rows(&self) -> Error {
        let message = format!("the result has more than the {} rows of `max_rows`", self.max_rows);
        Error::new(ErrorKind::Exhausted, message).retry(Retry::Never)
    }

    /// Ends the file; its bytes.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.out.flush()?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn row(lines: &mut Lines<&mut Vec<u8>>, values: &[&str]) -> Result<()> {
        for (at, value) in values.iter().enumerate() {
            json::text(lines.cell(at)?, value.as_bytes())?;
        }
        lines.end(values.len())
    }

    #[test]
    fn rows_are_objects_in_the_order_of_the_columns() {
        let mut file = Vec::new();
        let mut lines = Lines::new(&mut file, 10, 1_000);
        lines.columns(["z", "a\"b"].into_iter()).unwrap();
        row(&mut lines, &["1", "2"]).unwrap();
        row(&mut lines, &["3", "4"]).unwrap();
        let bytes = lines.finish().unwrap();
        assert_eq!(String::from_utf8_lossy(&file), "{\"z\":\"1\",\"a\\\"b\":\"2\"}\n{\"z\":\"3\",\"a\\\"b\":\"4\"}\n");
        assert_eq!(bytes, file.len() as u64);
    }

    #[test]
    fn labels_that_are_there_twice_are_told() {
        let mut lines = Lines::new(Vec::new(), 1, 1);
        let error = lines.columns(["id", "x", "id"].into_iter()).unwrap_err();
        assert!(error.kind == ErrorKind::Invalid && error.message.contains("\"id\"") && error.message.contains("AS"));
    }

    #[test]
    fn the_row_and_the_byte_too_many_are_told() {
        let mut file = Vec::new();
        let mut lines = Lines::new(&mut file, 2, 1_000);
        lines.columns(["a"].into_iter()).unwrap();
        row(&mut lines, &["1"]).unwrap();
        row(&mut lines, &["2"]).unwrap();
        let error = row(&mut lines, &["3"]).unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Exhausted, Retry::Never));
        assert!(error.message.contains("2 rows"), "{error}");
        let mut lines = Lines::new(Vec::new(), 10, 19);
        lines.columns(["a"].into_iter()).unwrap();
        let mut add = || {
            json::text(lines.cell(0)?, b"1")?;
            lines.end(1)
        };
        add().unwrap();
        let error = add().unwrap_err();
        assert!(error.kind == ErrorKind::Exhausted && error.message.contains("19 bytes"), "{error}");
    }

    #[test]
    fn rows_that_do_not_fit_the_columns_are_refused() {
        let mut lines = Lines::new(Vec::new(), 10, 1_000);
        lines.columns(["a", "b"].into_iter()).unwrap();
        lines.cell(0).unwrap();
        assert!(lines.end(1).is_err());
        assert!(lines.cell(2).is_err());
    }
}

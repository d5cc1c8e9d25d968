//! Rows as items: what a fetcher brings is read as lines of JSON objects, and each of them is an item.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::executors::TransferError;
use crate::files::{create_file_beneath, files_beneath};
use crate::job::file_path::{MOST_PATH_BYTES, is_file_path};
use crate::job::{InputFile, Item};

/// Says that all of it is there and on disk.
const COMPLETE: &str = "complete";

/// What was fetched for rows, in a tree of the job: it outlives attempts, so that a list that was cut off goes on with the same
/// rows.
pub(super) struct Rows {
    tree: PathBuf,
    most_line: usize,
}

impl Rows {
    pub(super) fn new(tree: PathBuf, most_line: usize) -> Rows {
        Rows { tree, most_line }
    }

    /// Whether it was brought in whole before.
    pub(super) fn are_complete(&self) -> bool {
        self.tree.join(COMPLETE).is_file()
    }

    /// Puts what is there on disk, and says so. Blocks.
    pub(super) fn complete(&self, folder: &str) -> io::Result<()> {
        for (path, _) in files_beneath(&self.tree, folder, usize::MAX, u64::MAX)? {
            File::open(self.tree.join(path))?.sync_all()?;
        }
        File::open(self.tree.join(folder))?.sync_all()?;
        create_file_beneath(&self.tree, COMPLETE)?.sync_all()?;
        File::open(&self.tree)?.sync_all()
    }

    /// The rows in a folder, file by file.
    pub(super) fn read(&self, folder: &str) -> io::Result<Lines> {
        let files = files_beneath(&self.tree, folder, usize::MAX, u64::MAX)?;
        let files: Vec<PathBuf> = files.into_iter().map(|(path, _)| self.tree.join(path)).collect();
        Ok(Lines { files: files.into_iter(), open: None, count: 0, most: self.most_line })
    }
}

/// Lines of several files.
pub(super) struct Lines {
    files: std::vec::IntoIter<PathBuf>,
    open: Option<BufReader<File>>,
    count: u64,
    most: usize,
}

impl Lines {
    /// The next rows as items, `most` at most; none after the last. Blocks.
    pub(super) fn next_items(&mut self, most: usize) -> Result<Vec<Item>, TransferError> {
        let mut items = Vec::new();
        while items.len() < most {
            match self.next_line().map_err(|error| TransferError::passing(format!("the rows: {error}")))? {
                Some(line) => {
                    self.count += 1;
                    items.push(item_of(&line, self.count)?);
                }
                None => break,
            }
        }
        Ok(items)
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                None => match self.files.next() {
                    Some(path) => self.open.insert(open(&path)?),
                    None => return Ok(None),
                },
            };
            let mut line = Vec::new();
            let read = open.by_ref().take(self.most as u64 + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                self.open = None;
                continue;
            }
            if line.len() > self.most {
                return Err(io::Error::other(format!("one has more than {} bytes", self.most)));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

fn open(path: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path)?))
}

/// A row: its number is its name, and each column is a file in `input` that is called like it. A text is written as it is,
/// everything else as JSON; for `null` there is no file.
fn item_of(line: &[u8], number: u64) -> Result<Item, TransferError> {
    let broken = |why: String| TransferError::permanent(format!("row {number} is no item: {why}"));
    // As it is written: a number of a database has more digits than one of a program.
    let row: BTreeMap<String, &RawValue> = serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
    let mut item = Item::new(number.to_string());
    for (column, value) in row {
        if !is_file_path(&column, MOST_PATH_BYTES) {
            return Err(broken(format!("{column:?} is no name of an input; allowed: an alias that names a file")));
        }
        let content = match value.get() {
            "null" => continue,
            text if text.starts_with('"') => {
                let text: String = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
                text.into_bytes()
            }
            other => other.as_bytes().to_vec(),
        };
        item.inputs.push(InputFile { path: column, content });
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_items() {
        let tree = tempfile::tempdir().unwrap();
        let rows = Rows::new(tree.path().to_owned(), 40);
        std::fs::create_dir(tree.path().join("rows")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(tree.path().join("rows").join(name), text).unwrap();
        write("a.jsonl", "{\"input.txt\": \"o\\ne\", \"n\": 1.50}\n\n{\"x\": null}\n");
        write("b.jsonl", "{\"list\": [1, \"a\"]}");
        assert!(!rows.are_complete());
        rows.complete("rows").unwrap();
        assert!(rows.are_complete());
        let mut lines = rows.read("rows").unwrap();
        let mut items = lines.next_items(2).unwrap();
        items.extend(lines.next_items(2).unwrap());
        assert!(lines.next_items(2).unwrap().is_empty());
        let one = Item::new("1").input("input.txt", "o\ne").input("n", "1.50");
        assert_eq!(items, [one, Item::new("2"), Item::new("3").input("list", "[1, \"a\"]")]);
        for (text, says) in [
            ("[1]", "row 1 is no item: invalid type: sequence"),
            ("{\"../x\": 1}", "row 1 is no item: \"../x\" is no name of an input"),
            ("{\"a\": \"1234567890123456789012345678901234567890\"}", "the rows: one has more than 40 bytes"),
        ] {
            write("a.jsonl", text);
            let told = rows.read("rows").unwrap().next_items(1).unwrap_err().to_string();
            assert!(told.starts_with(says), "{told}");
        }
    }
}

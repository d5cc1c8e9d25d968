//! Who reads meanwhile: what was replaced or deleted is removed when nobody who began before that still reads.
//!
//! A reader that walks a folder would otherwise find half of it when the folder is replaced under it.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files::remove_tree;

/// The readers of the files of all projects, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the next reader.
    next: u64,
    active: BTreeSet<u64>,
    /// What is to be removed when no reader with a smaller number is active.
    doomed: VecDeque<(u64, PathBuf)>,
}

impl State {
    fn due(&mut self) -> Vec<PathBuf> {
        let first = self.active.first().copied().unwrap_or(self.next);
        let count = self.doomed.partition_point(|(before, _)| *before <= first);
        self.doomed.drain(..count).map(|(_, path)| path).collect()
    }
}

/// A reader; over when dropped.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    number: u64,
}

impl Readers {
    /// The data is valid after every step, so a panic elsewhere does not poison it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) -> Reader<'_> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.active.insert(number);
        Reader { readers: self, number }
    }

    /// Removes a tree that no new reader can find, at once or when the last of those who may read it has ended.
    pub(super) fn remove(&self, tree: PathBuf) {
        let mut state = self.lock();
        let before = state.next;
        state.doomed.push_back((before, tree));
        let due = state.due();
        drop(state);
        remove_all(due);
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.lock();
        state.active.remove(&self.number);
        let due = state.due();
        drop(state);
        remove_all(due);
    }
}

fn remove_all(trees: Vec<PathBuf>) {
    for tree in trees {
        if let Err(error) = remove_tree(&tree) {
            tracing::warn!(%error, tree = %tree.display(), "replaced files stay until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_read_stays_until_its_last_reader_ends() {
        let dir = tempfile::tempdir().unwrap();
        let tree = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let readers = Readers::default();
        let (first, second) = (readers.begin(), readers.begin());
        let a = tree("a");
        readers.remove(a.clone());
        let third = readers.begin();
        drop(first);
        assert!(a.exists());
        drop(second);
        assert!(!a.exists(), "the third has begun after it was gone");
        let b = tree("b");
        readers.remove(b.clone());
        assert!(b.exists());
        drop(third);
        assert!(!b.exists());
        let c = tree("c");
        readers.remove(c.clone());
        assert!(!c.exists());
    }
}

//! Work trees that are used again: a program that leaves nothing behind costs no directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::files::{WORK_TREE, create_work_tree, remove_tree};

/// The trees of the programs that run in this life of the engine.
pub(super) struct Scratch {
    dir: PathBuf,
    free: Mutex<Vec<PathBuf>>,
    made: AtomicU64,
}

/// The work tree of one run.
pub(super) struct Tree {
    pub(super) path: PathBuf,
}

impl Tree {
    /// Whether it is as it was when it was fresh.
    pub(super) fn is_fresh(&self) -> io::Result<bool> {
        let mut directories = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let is_known = WORK_TREE.iter().any(|name| entry.file_name() == *name);
            if !is_known || !entry.file_type()?.is_dir() || fs::read_dir(entry.path())?.next().is_some() {
                return Ok(false);
            }
            directories += 1;
        }
        Ok(directories == WORK_TREE.len())
    }
}

impl Scratch {
    /// Trees in `dir`. What an earlier life has left there belonged to runs that ended with it.
    pub(super) fn new(dir: PathBuf) -> Scratch {
        if let Err(error) = remove_tree(&dir) {
            tracing::warn!(%error, dir = %dir.display(), "work trees of an earlier life stay");
        }
        Scratch { dir, free: Mutex::default(), made: AtomicU64::new(0) }
    }

    fn free(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh tree.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn take(&self) -> io::Result<Tree> {
        let free = self.free().pop();
        if let Some(path) = free {
            return Ok(Tree { path });
        }
        // A tree that could not be removed keeps its name.
        let path = self.dir.join(self.made.fetch_add(1, Ordering::Relaxed).to_string());
        remove_tree(&path)?;
        create_work_tree(&path, &WORK_TREE)?;
        Ok(Tree { path })
    }

    /// Takes back a tree that is fresh.
    pub(super) fn give_back(&self, tree: Tree) {
        self.free().push(tree.path);
    }

    /// Removes a tree with everything in it.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn remove(tree: &Tree) -> io::Result<()> {
        remove_tree(&tree.path)
    }

    /// Moves a tree to where it is kept.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn keep(tree: &Tree, to: &Path) -> io::Result<()> {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(&tree.path, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_fresh_as_new_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path().join("scratch"));
        let tree = scratch.take().unwrap();
        assert!(tree.is_fresh().unwrap());
        let first = tree.path.clone();
        scratch.give_back(tree);
        let tree = scratch.take().unwrap();
        assert_eq!(tree.path, first);
        let (file, inner, link) = (tree.path.join("x"), tree.path.join("tmp/x"), tree.path.join("output"));
        fs::write(&file, "x").unwrap();
        assert!(!tree.is_fresh().unwrap());
        fs::remove_file(file).unwrap();
        fs::write(&inner, "x").unwrap();
        assert!(!tree.is_fresh().unwrap());
        fs::remove_file(inner).unwrap();
        assert!(tree.is_fresh().unwrap());
        fs::remove_dir(&link).unwrap();
        assert!(!tree.is_fresh().unwrap(), "one is missing");
        std::os::unix::fs::symlink("input", &link).unwrap();
        assert!(!tree.is_fresh().unwrap(), "one is a link");
        let kept = dir.path().join("a/b/work");
        Scratch::keep(&tree, &kept).unwrap();
        assert!(kept.join("output").is_symlink() && !tree.path.exists());
    }

    #[test]
    fn what_an_earlier_life_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let old = Scratch::new(dir.path().join("scratch")).take().unwrap();
        fs::write(old.path.join("x"), "x").unwrap();
        let tree = Scratch::new(dir.path().join("scratch")).take().unwrap();
        assert!(tree.path == old.path && tree.is_fresh().unwrap());
    }
}

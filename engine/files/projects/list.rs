//! Lists of the files of a project, a page at a time.

use std::collections::BTreeSet;
use std::fs::File;

use rustix::fs::{Dir, Mode, openat};
use rustix::io::Errno;

use super::copy::READ;
use super::error::FileError;
use super::{FileView, view_of};
use crate::job::file_path::{MOST_PATH_BYTES, is_file_path};

/// Names of one folder that are in memory at once; of a larger one they are read anew.
const NAMES: usize = 1_024;

/// A page of the files of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePage {
    /// The files, name by name in the order of bytes; and folders that hold nothing.
    pub files: Vec<FileView>,
    /// After which path the next page begins; `None` when there is no more.
    pub next: Option<String>,
}

/// One list under way.
pub(super) struct List<'a> {
    /// What the paths of the list begin with.
    pub(super) prefix: &'a str,
    /// The path that it begins after; empty for none.
    pub(super) after: &'a str,
    pub(super) limit: usize,
    pub(super) page: FilePage,
}

impl List<'_> {
    /// Lists what is in a folder that is called `path`; empty for the project itself. Whether there is no room for more.
    pub(super) fn folder(&mut self, dir: &File, path: &str) -> Result<bool, FileError> {
        let mut begin = self.begin_in(path);
        loop {
            let names = self.names(dir, path, &begin)?;
            let is_last = names.len() < NAMES;
            for name in &names {
                if self.entry(dir, path, name)? {
                    return Ok(true);
                }
            }
            match names.into_iter().next_back() {
                Some(last) if !is_last => begin = Begin::After(last),
                _ => return Ok(false),
            }
        }
    }

    fn entry(&mut self, dir: &File, path: &str, name: &str) -> Result<bool, FileError> {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let opened = match openat(dir, name, READ, Mode::empty()) {
            Ok(opened) => File::from(opened),
            // A link or a pipe that somebody has put there, or gone meanwhile.
            Err(Errno::LOOP | Errno::NXIO | Errno::NOENT) => return Ok(false),
            Err(error) => return Err(FileError::io(&path)(error)),
        };
        let Some(view) = view_of(&opened, &path)? else { return Ok(false) };
        if view.is_folder && !is_empty(&opened, &path)? {
            return self.folder(&opened, &path);
        }
        if self.is_past(&path) || !path.starts_with(self.prefix) {
            return Ok(false);
        }
        if self.page.files.len() == self.limit {
            self.page.next = self.page.files.last().map(|view| view.path.clone());
            return Ok(true);
        }
        self.page.files.push(view);
        Ok(false)
    }

    /// Whether the list begins after this path, which is no folder that it may begin in.
    fn is_past(&self, path: &str) -> bool {
        self.after.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Where the list begins in this folder.
    fn begin_in(&self, path: &str) -> Begin {
        let rest = match self.after.strip_prefix(path) {
            Some(rest) if path.is_empty() => rest,
            Some(rest) => rest.strip_prefix('/').unwrap_or_default(),
            None => "",
        };
        rest.split('/').next().filter(|name| !name.is_empty()).map_or(Begin::First, |name| Begin::At(name.to_owned()))
    }

    /// The first names of a folder that can be in the list, no more than fit in memory.
    fn names(&self, dir: &File, path: &str, begin: &Begin) -> Result<BTreeSet<String>, FileError> {
        let mut names = BTreeSet::new();
        for entry in Dir::read_from(dir).map_err(FileError::io(path))? {
            let entry = entry.map_err(FileError::io(path))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") || !begin.takes(name) || !self.may_hold(path, name) {
                continue;
            }
            names.insert(name.to_owned());
            if names.len() > NAMES {
                names.pop_last();
            }
        }
        Ok(names)
    }

    fn may_hold(&self, path: &str, name: &str) -> bool {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let within =
            path.starts_with(self.prefix) || self.prefix.strip_prefix(&path).is_some_and(|it| it.starts_with('/'));
        within && is_file_path(&path, MOST_PATH_BYTES)
    }
}

/// Where a list begins in a folder.
enum Begin {
    First,
    At(String),
    After(String),
}

impl Begin {
    fn takes(&self, name: &str) -> bool {
        match self {
            Begin::First => true,
            Begin::At(first) => name >= first.as_str(),
            Begin::After(last) => name > last.as_str(),
        }
    }
}

fn is_empty(dir: &File, path: &str) -> Result<bool, FileError> {
    for entry in Dir::read_from(dir).map_err(FileError::io(path))? {
        if !matches!(entry.map_err(FileError::io(path))?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}
